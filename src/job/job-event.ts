import type { Json } from '../kernel/json.ts';
import type { ClaimedJob, ErrorKind, Job, JobSchedule, NewJob } from './job.ts';
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
  outboxSeq?: number | undefined;
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

/** That a job was stored. Like the two that follow made by itself, for there is one of each to every job. */
export function insertedFact(job: NewJob): JobFact {
  const { id, type, queue, state, maxAttempts, schedule, insertedAt: at } = job;
  const fact: JobFact = { at, what: 'inserted', id, run: 0, type, queue, state, attempt: 0, maxAttempts };
  if (schedule !== null) fact.schedule = schedule;
  return fact;
}

/** That a claimed job has started. @param at when, in milliseconds since the epoch */
export function startedFact(job: ClaimedJob, at: number): JobFact {
  const { id, run, type, queue, attempt, maxAttempts, schedule, scheduledAt } = job;
  const waitMs = Math.max(0, at - scheduledAt);
  const fact: JobFact = { at, waitMs, what: 'started', id, run, type, queue, state: 'executing', attempt, maxAttempts };
  if (schedule !== null) fact.schedule = schedule;
  return fact;
}

/** What jobs have in common that were claimed together. */
type ClaimedAlike = Pick<Job, 'type' | 'queue' | 'maxAttempts' | 'schedule'> & { attemptedAt: number };

/**
 * That a job has completed in its first run without a result.
 * @param alike what it is, and when it was claimed
 * @param at when it completed; both in milliseconds since the epoch
 */
export function firstRunCompleted(id: string, alike: ClaimedAlike, at: number): JobFact {
  const { type, queue, maxAttempts, schedule, attemptedAt } = alike;
  const durationMs = Math.max(0, at - attemptedAt);
  const state = 'completed';
  const fact: JobFact = {
    at,
    durationMs,
    what: state,
    id,
    run: 1,
    type,
    queue,
    state,
    attempt: 1,
    maxAttempts,
    // It comes later, when there would be no room for it in the object.
    outboxSeq: undefined,
  };
  if (schedule !== null) fact.schedule = schedule;
  return fact;
}

/** Whether a fact is a way into a terminal state, which must be announced at least once. */
export function isTerminalFact(what: JobFactName): what is TerminalState {
  return what === 'completed' || what === 'cancelled' || what === 'discarded';
}
