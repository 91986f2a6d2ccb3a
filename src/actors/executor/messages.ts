import type { JobReference } from '../../job/job.ts';
import type { Json } from '../../kernel/json.ts';

/** A claimed job as the worker protocol writes it: what an executor is handed. Times are RFC 3339 texts. */
export interface ClaimedWork {
  id: string;
  run: number;
  type: string;
  queue: string;
  args: Json;
  attempt: number;
  maxAttempts: number;
  priority: number;
  /** Milliseconds; null: no limit. */
  timeout: number | null;
  meta: { [key: string]: Json };
  tags: string[];
  reference: JobReference | null;
  schedule: { name: string; at: string; late: boolean } | null;
  scheduledAt: string;
  insertedAt: string;
  traceparent: string | null;
}

/** What an executor answers to `status`, `run` and `drain`: who it is and how many of its slots are taken. */
export interface ExecutorStatus {
  worker: string;
  /** Handlers that run, deaf ones included, and attempts whose settlement is not confirmed. */
  busy: number;
}

/**
 * What an executor may take by itself: with a settlement as many jobs as it frees slots, while no more than `limit` are
 * taken. Its queue actor says so with each `status`; null takes it back, left out leaves it as it is.
 */
export interface TakeOrder {
  limit: number;
  /** The types to claim. */
  types: readonly string[];
}

/** What a queue actor says when it asks for the `status`. */
export interface StatusRequest {
  take?: TakeOrder | null;
  /** A claim may have brought jobs that never came here: only beats tell the store so, which do not list them. */
  doubts?: boolean;
}

/** What a queue actor hands its executor. */
export interface RunOrder {
  jobs: readonly ClaimedWork[];
  /**
   * When it was handed over, in monotonic milliseconds of the process that both are in; each later than the one before. One
   * that comes twice or after {@link RUN_LATE_MS} starts nothing: its jobs may have run elsewhere meanwhile.
   */
  stamp: number;
}

/** How long a {@link RunOrder} may be on its way, in milliseconds; then its jobs are handed back. */
export const RUN_LATE_MS = 1_000;

/** The hint that a running job was cancelled; the next beat says it again. */
export interface CancelHint {
  id: string;
  run: number;
  /**
   * When its job was inserted, in milliseconds since the epoch: not that of a later job with the same id. A node may leave it
   * out.
   */
  insertedAt?: number;
  worker: string;
  terminate: boolean;
}

/** The names under which the parts of a queue are found on their node. */
export const executorName = (queue: string): string => `executor-${queue}`;
/** The name of a queue actor on its node. */
export const queueActorName = (queue: string): string => `queue-${queue}`;
