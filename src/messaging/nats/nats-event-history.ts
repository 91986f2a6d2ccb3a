import {
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { RotaError } from '../../kernel/error.ts';
import type { EventHistory, HistoryOptions } from '../event-history.ts';
import type { NatsBus } from './nats-bus.ts';
import { jetStreamFault, makeStream, type Replicas, streamConfig } from './stream-making.ts';

/** How long one request to JetStream may take, in milliseconds. */
const REQUEST_MS = 5_000;
/**
 * For how long an event that is told again is not kept again, in milliseconds: the broker remembers the ids of so long. A
 * longer outage between the two keeps it twice, with the same id.
 */
const DUPLICATES_MS = 120_000;

/** The history of events in a JetStream stream, over one connection. */
export function natsEventHistory(bus: NatsBus, replicas: Replicas): EventHistory {
  const { connection } = bus;
  const manage = async <T>(stream: string, work: (manager: JetStreamManager) => Promise<T>): Promise<T> => {
    try {
      return await work(await jetstreamManager(connection, { timeout: REQUEST_MS }));
    } catch (cause) {
      if (cause instanceof RotaError) throw cause;
      throw new RotaError('unavailable', jetStreamFault(stream, cause), { cause });
    }
  };
  return {
    isKept: (stream) => manage(stream, async (manager) => (await streamConfig(manager, stream)) !== undefined),
    keep: (options) => manage(options.stream, (manager) => ensure(options, { manager, connection, replicas })),
  };
}

async function ensure(
  { stream, subject, keepMs }: HistoryOptions,
  making: Parameters<typeof makeStream>[1],
): Promise<'made' | 'changed' | 'unchanged'> {
  const times = { max_age: nanos(keepMs), duplicate_window: nanos(Math.min(DUPLICATES_MS, keepMs)) };
  const existing = await streamConfig(making.manager, stream);
  if (existing === undefined) {
    await makeStream(
      {
        ...{ name: stream, subjects: [subject], ...times },
        ...{ retention: RetentionPolicy.Limits, storage: StorageType.File, discard: DiscardPolicy.Old },
      },
      making,
    );
    return 'made';
  }
  if (existing.retention !== RetentionPolicy.Limits || !existing.subjects.includes(subject)) {
    const text = `takes ${existing.subjects.join(', ')} with ${existing.retention} retention: it is not the events'`;
    throw new RotaError('invalid_config', `a stream called ${stream} ${text}`);
  }
  if (existing.max_age === times.max_age) return 'unchanged';
  await making.manager.streams.update(stream, times);
  return 'changed';
}
