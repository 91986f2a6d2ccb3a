import type { Headers } from './bus.ts';
import { MESSAGE_ID_HEADER } from './durable-stream.ts';

/** What is kept, where, and for how long. */
export interface HistoryOptions {
  /** The stream's name. */
  stream: string;
  /** The subjects that it takes, as one pattern. */
  subject: string;
  /** In milliseconds; at least 1,000. */
  keepMs: number;
}

/** The port to a broker that can remember what was published, whoever listens, until it is too old. */
export interface EventHistory {
  /**
   * Makes the stream, or gives one that is there this time to keep; what else an operator changed of it stays.
   * @throws RotaError `unavailable` while there is no connection or the broker keeps no messages, `invalid_config` when a
   * stream of that name is another one
   */
  keep(options: HistoryOptions): Promise<'made' | 'changed' | 'unchanged'>;
  /** Whether a stream of that name is there. @throws RotaError `unavailable` when that cannot be known */
  isKept(stream: string): Promise<boolean>;
}

/**
 * What an event that may be told again goes out with.
 * @param kept whether a stream keeps events: by its id it keeps each once; where none does, nothing is sent
 */
export function onceHeaders(id: string, kept: boolean | undefined): { headers?: Headers } {
  return kept === true ? { headers: { [MESSAGE_ID_HEADER]: id } } : {};
}
