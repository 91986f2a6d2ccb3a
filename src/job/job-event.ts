import type { Json } from '../kernel/json.ts';
import type { ErrorKind, Job, JobSchedule } from './job.ts';
import type { JobState, TerminalState } from './state.ts';

/** What can be told of a job, always of the past. */
export const JOB_FACTS = [
  'inserted',
  'scheduled',
  'started',
  'completed',
  'retryable',
  'snoozed',
  'cancelled',
  'discarded',
  'released',
  'rescued',
  'retried',
  'updated',
  'deleted',
  'progress',
] as const;
export type JobFactName = (typeof JOB_FACTS)[number];

/** A committed fact about one job. `at` and `nextAt` are milliseconds since the epoch. */
export interface JobFact {
  what: JobFactName;
  at: number;
  id: string;
  run: number;
  type: string;
  queue: string;
  state: JobState;
  attempt: number;
  maxAttempts: number;
  /** How long the attempt ran. */
  durationMs?: number;
  /** How long the job waited from the time it was due to its start. */
  waitMs?: number;
  error?: { kind: ErrorKind; message: string };
  nextAt?: number;
  result?: Json;
  progress?: Json;
  schedule?: JobSchedule;
  /** Terminal facts only: the place in the store's outbox, from which it is sent again until it is known to be out. */
  outboxSeq?: number;
}

type FactJob = Pick<Job, 'id' | 'run' | 'type' | 'queue' | 'state' | 'attempt' | 'maxAttempts' | 'schedule'>;

/** What belongs to a fact beyond the job itself. */
export type FactDetail = Pick<JobFact, 'durationMs' | 'waitMs' | 'error' | 'nextAt' | 'result' | 'progress'>;

/**
 * States a fact about a job as it is after the change.
 * @param what the fact
 * @param job the row after the change
 * @param detail when it happened, and what belongs to it
 */
export function jobFact(what: JobFactName, job: FactJob, detail: FactDetail & { at: number }): JobFact {
  const { id, run, type, queue, state, attempt, maxAttempts, schedule } = job;
  // What is copied comes first: anywhere else it would be field by field, three times for each job.
  const fact: JobFact = { ...detail, what, id, run, type, queue, state, attempt, maxAttempts };
  if (schedule !== null) fact.schedule = schedule;
  return fact;
}

/** Whether a fact is a way into a terminal state, which must be announced at least once. */
export function isTerminalFact(what: JobFactName): what is TerminalState {
  return what === 'completed' || what === 'cancelled' || what === 'discarded';
}
