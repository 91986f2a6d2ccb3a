import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import type { Clock } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type { StreamOptions, StreamReader } from '../durable-stream.ts';
import type { NatsBus } from './nats-bus.ts';
import { PullReader } from './pull-reader.ts';
import { jetStreamFault, makeStream, type Replicas, type StreamMaking, streamConfig } from './stream-making.ts';

/** How long one request to JetStream may take, in milliseconds. */
const REQUEST_MS = 5_000;
/** For how long the broker itself drops a message whose id it has seen, in milliseconds: JetStream's own default. */
const DUPLICATES_MS = 120_000;
/** Messages that all readers together may hold: room for ten of them. */
const ACK_PENDING_MAX = 10_000;
/** What the broker reserves for a stream is the stream's bound, so where the disk is small less is tried. */
const SMALLER = [1, 4, 16] as const;

/**
 * Makes the stream and its consumer unless they exist, and begins to read over this connection.
 * @throws RotaError as `DurableStreams.openStream`
 */
export async function openNatsStream(
  bus: NatsBus,
  options: StreamOptions & { clock: Clock; inboxPrefix?: string | undefined; replicas?: Replicas },
): Promise<StreamReader> {
  const { connection } = bus;
  try {
    const manager = await jetstreamManager(connection, { timeout: REQUEST_MS });
    await ensureStream(options, { manager, connection, replicas: options.replicas ?? 'auto' });
    await ensureConsumer(manager, options);
  } catch (cause) {
    if (cause instanceof RotaError) throw cause;
    throw new RotaError('unavailable', jetStreamFault(options.stream, cause), { cause });
  }
  const { clock, inboxPrefix, stream, consumer, ackWaitMs } = options;
  const onState: NatsBus['onState'] = (listener) => bus.onState(listener);
  return new PullReader({ connection, onState, clock, inboxPrefix, stream, consumer, ackWaitMs });
}

/** Bounds and replicas of an existing stream are its operator's; what the intake relies on is put right, or refused. */
async function ensureStream(options: StreamOptions, making: StreamMaking): Promise<void> {
  const { stream, subject } = options;
  const { manager } = making;
  const existing = await streamConfig(manager, stream);
  if (existing === undefined) return addStream(options, making);
  if (existing.retention !== RetentionPolicy.Workqueue || !existing.subjects.includes(subject)) {
    const text = `takes ${existing.subjects.join(', ')} with ${existing.retention} retention: it is not this one's`;
    throw new RotaError('invalid_config', `a stream called ${stream} ${text}`);
  }
  if (existing.discard !== DiscardPolicy.New) await manager.streams.update(stream, { discard: DiscardPolicy.New });
}

async function addStream(options: StreamOptions, making: StreamMaking): Promise<void> {
  const { stream, subject, messagesMax, bytesMax } = options;
  for (const part of SMALLER) {
    try {
      await makeStream(
        {
          ...{ name: stream, subjects: [subject] },
          ...{ retention: RetentionPolicy.Workqueue, storage: StorageType.File, discard: DiscardPolicy.New },
          ...{ max_msgs: messagesMax, max_bytes: Math.floor(bytesMax / part), duplicate_window: nanos(DUPLICATES_MS) },
        },
        making,
      );
      return;
    } catch (error) {
      // Another node may have made it meanwhile, with a bound of its own.
      if ((await streamConfig(making.manager, stream)) !== undefined) return;
      if (part === SMALLER.at(-1)) throw error;
    }
  }
}

async function ensureConsumer(manager: JetStreamManager, options: StreamOptions): Promise<void> {
  const { stream, consumer, ackWaitMs } = options;
  await manager.consumers.add(stream, {
    durable_name: consumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    // A message is never left lying: what fails again and again is dealt with by whoever reads.
    max_deliver: -1,
    max_ack_pending: ACK_PENDING_MAX,
  });
}
