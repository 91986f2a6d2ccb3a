import type { JobState } from '../job/state.ts';
import type { Duration } from '../kernel/duration.ts';
import {
  type QueueAnswer,
  type QueueVerb,
  type QueueView,
  WAITING_STATES,
} from '../messaging/contract/queue-requests.ts';

/** What limits a queue; what is left out stays, null lifts. */
export interface QueueLimitsInput {
  /** Jobs that may execute at once, over all workers. */
  globalLimit?: number | null;
  /** Jobs that may start in any stretch of the period. */
  rate?: { limit: number; period: Duration } | null;
  /** Jobs of one value that may execute at once; `by` is a path like `args.tenant` or `meta.customer`. */
  partition?: { by: string; limit: number } | null;
}

/** How long a purge may take beyond other requests, in milliseconds; sent again meanwhile it would count only the rest. */
const PURGE_MS = 60_000;

/** How the requests of queues are sent. */
export interface QueueSender {
  /** Sends one request of `ctl.queue` and answers its reply, which may take so much longer than others. */
  control(verb: QueueVerb, body: object, longerMs?: number): Promise<unknown>;
  /** How many jobs of a queue are in some states. */
  count(queue: string, states: readonly JobState[]): Promise<number>;
}

/**
 * Queues as they stand, and their control. What is said holds over restarts, and beats flags and config, until it is
 * lifted. Every failure is a `RotaError`.
 */
export class QueueClient {
  readonly #send: QueueSender;

  constructor(send: QueueSender) {
    this.#send = send;
  }

  /** All queues by name. */
  async list(): Promise<QueueView[]> {
    return ((await this.#send.control('list', {})) as { queues: QueueView[] }).queues;
  }

  /**
   * Lets no more jobs of a queue start; those that run go on.
   * @param options `waitMs`: answers when nothing executes any more, or after that time (at most 60 s) with `timedOut`
   */
  async pause(queue: string, options: { waitMs?: number } = {}): Promise<QueueAnswer> {
    return (await this.#send.control('pause', { queue, ...options }, options.waitMs)) as QueueAnswer;
  }

  /** Lets jobs of a queue start again. */
  async resume(queue: string): Promise<QueueAnswer> {
    return (await this.#send.control('resume', { queue })) as QueueAnswer;
  }

  /** How many jobs of a queue a node runs at once: one node, or all that have no limit of their own. Null lifts. */
  async scale(queue: string, limit: number | null, options: { node?: string } = {}): Promise<QueueAnswer> {
    return (await this.#send.control('scale', { queue, limit, ...options })) as QueueAnswer;
  }

  /** Limits a queue over all its workers. */
  async limit(queue: string, limits: QueueLimitsInput): Promise<QueueAnswer> {
    return (await this.#send.control('limit', { queue, ...limits })) as QueueAnswer;
  }

  /** Deletes the waiting jobs of a queue, or those in some states; never executing ones. How many there were. */
  async purge(queue: string, options: { states?: readonly Exclude<JobState, 'executing'>[] } = {}): Promise<number> {
    return ((await this.#send.control('purge', { queue, ...options }, PURGE_MS)) as { count: number }).count;
  }

  /** How many jobs wait in a queue: for their time, for a worker or for their next attempt. */
  length(queue: string): Promise<number> {
    return this.#send.count(queue, WAITING_STATES);
  }
}
