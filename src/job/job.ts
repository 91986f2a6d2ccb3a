import type { Json } from '../kernel/json.ts';
import type { BackoffPolicy } from './retry-policy.ts';
import type { JobState } from './state.ts';
import type { UniqueClaim } from './unique.ts';

/** Why an attempt did not complete, or why its result is missing. */
export const ERROR_KINDS = ['error', 'timeout', 'killed', 'orphaned', 'cancelled', 'discarded', 'result'] as const;
export type ErrorKind = (typeof ERROR_KINDS)[number];

/** One entry of a job's error list. `at` is milliseconds since the epoch. */
export interface JobErrorEntry {
  at: number;
  attempt: number;
  kind: ErrorKind;
  message: string;
}

/** What a job stands for outside, so that one can ask for "the job of this upload". */
export interface JobReference {
  type: string;
  id: string;
}

/** Which schedule made a job. `at` is the nominal time in milliseconds; `late` says that it was missed and made up for. */
export interface JobSchedule {
  name: string;
  at: number;
  late: boolean;
}

/** A job as the store keeps it: the truth. Times are milliseconds since the epoch. */
export interface Job {
  id: string;
  type: string;
  queue: string;
  state: JobState;
  args: Json;
  /** 0 (first) to 9 (last). */
  priority: number;
  /** Attempts begun so far; an attempt that was handed back does not count. */
  attempt: number;
  maxAttempts: number;
  /** Rises with each claim and is never reused, also when an attempt is handed back: the fence of every settlement. */
  run: number;
  scheduledAt: number;
  insertedAt: number;
  attemptedAt: number | null;
  finishedAt: number | null;
  /** Who ran it last: node name and worker id. */
  node: string | null;
  worker: string | null;
  tags: string[];
  meta: { [key: string]: Json };
  reference: JobReference | null;
  result: Json;
  errors: JobErrorEntry[];
  progress: Json;
  schedule: JobSchedule | null;
  /** Null: the default, 15 s + 2^attempt s with a tenth of jitter. */
  backoff: BackoffPolicy | null;
  /** Milliseconds an attempt may take; null: no limit. */
  timeoutMs: number | null;
  /** From this time on it is cancelled instead of started; null: it has all the time. */
  deadlineAt: number | null;
  /** W3C trace context of the enqueue, handed to the handler. */
  traceparent: string | null;
}

/** A job that is about to be stored: what {@link Job} has before anybody ran it. */
export type NewJob = Pick<
  Job,
  | 'id'
  | 'type'
  | 'queue'
  | 'args'
  | 'priority'
  | 'maxAttempts'
  | 'scheduledAt'
  | 'insertedAt'
  | 'tags'
  | 'meta'
  | 'reference'
  | 'schedule'
  | 'backoff'
  | 'timeoutMs'
  | 'deadlineAt'
  | 'traceparent'
> & {
  state: 'available' | 'scheduled';
  /** What makes it the same as another one; left out: it never is. */
  unique?: UniqueClaim;
};

/** A claimed job, as a worker gets it: what running it needs. */
export type ClaimedJob = Pick<
  Job,
  | 'id'
  | 'run'
  | 'type'
  | 'queue'
  | 'args'
  | 'attempt'
  | 'maxAttempts'
  | 'priority'
  | 'timeoutMs'
  | 'meta'
  | 'tags'
  | 'reference'
  | 'schedule'
  | 'scheduledAt'
  | 'insertedAt'
  | 'traceparent'
> & {
  /** `args` as JSON, where they are at hand so. */
  readonly argsText?: string;
};

/** The whole job that a {@link NewJob} becomes when it is stored. */
export function storedJob(job: NewJob): Job {
  const stored = {
    ...job,
    attempt: 0,
    run: 0,
    attemptedAt: null,
    finishedAt: null,
    node: null,
    worker: null,
    result: null,
    errors: [],
    progress: null,
  };
  if (stored.unique === undefined) return stored;
  const { unique: _unique, ...rest } = stored;
  return rest;
}
