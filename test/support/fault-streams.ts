import type { NatsConnection } from '@nats-io/transport-node';
import type { DurableStreams, StreamMessage, StreamReader } from '../../src/messaging/durable-stream.ts';
import { passFaultPoint } from './fault-point.ts';

/** What is asked of JetStream when a stream is opened, by the third and fourth token of the subject. */
const MADE = new Map([
  ['STREAM.CREATE', 'stream'],
  ['CONSUMER.CREATE', 'consumer'],
]);

/**
 * Streams with fault points: `stream:open` and `stream:opened` around their opening, `intake:fetched` when messages were
 * taken, `intake:delivery-<n>` when one of them came for the n-th time, `intake:ack` and `intake:acked` around the word
 * that a message is finished with.
 */
export function withStreamFaults(streams: DurableStreams): DurableStreams {
  return {
    openStream: async (options) => {
      passFaultPoint('stream:open');
      const reader = await streams.openStream(options);
      passFaultPoint('stream:opened');
      return faultyReader(reader);
    },
  };
}

function faultyReader(reader: StreamReader): StreamReader {
  return {
    take: async (signal) => {
      const messages = await reader.take(signal);
      if (messages.length === 0) return messages;
      passFaultPoint('intake:fetched');
      for (const deliveries of new Set(messages.map((message) => message.deliveries)))
        passFaultPoint(`intake:delivery-${deliveries}`);
      return messages.map(faultyMessage);
    },
    get fault() {
      return reader.fault;
    },
    close: () => reader.close(),
  };
}

function faultyMessage(message: StreamMessage): StreamMessage {
  const { subject, body, headers, takenAt, key, deliveries } = message;
  return {
    ...{ subject, body, headers, takenAt, key, deliveries },
    finish: () => {
      passFaultPoint('intake:ack');
      message.finish();
      passFaultPoint('intake:acked');
    },
    giveBack: (delayMs) => message.giveBack(delayMs),
  };
}

/** Fault points `stream:create`, `stream:created`, `consumer:create` and `consumer:created` around JetStream's requests. */
export function addStreamMakingFaults(connection: NatsConnection): void {
  const request = connection.request.bind(connection);
  connection.request = async (...given) => {
    const [, , kind, verb] = given[0].split('.');
    const made = MADE.get(`${kind}.${verb}`);
    if (made !== undefined) passFaultPoint(`${made}:create`);
    const reply = await request(...given);
    if (made !== undefined) passFaultPoint(`${made}:created`);
    return reply;
  };
}
