import { isDeepStrictEqual } from 'node:util';
import type { Job, NewJob } from './job.ts';
import { nextState } from './life.ts';
import { INCOMPLETE_STATES, isTerminal, JOB_STATES, type JobState } from './state.ts';

/** What may be changed of a job that does not execute. `scheduledAt` is milliseconds since the epoch. */
export type JobChanges = Partial<
  Pick<Job, 'args' | 'priority' | 'queue' | 'scheduledAt' | 'maxAttempts' | 'tags' | 'meta'>
>;

/** The states of jobs that may be deleted: all but executing, for what runs has an owner. */
export const DELETABLE_STATES: readonly JobState[] = JOB_STATES.filter((state) => state !== 'executing');

/** The states of jobs that wait: what a later equal job may change. */
const WAITING_STATES: readonly JobState[] = INCOMPLETE_STATES.filter((state) => state !== 'executing');

/**
 * Decides a change of a job's fields. A new time makes a waiting job scheduled or available, whichever it is then; a
 * waiting job keeps at least one attempt. The unique key stays the one it was inserted with. Pure.
 * @returns the job as it is then (the same object where nothing differs); undefined: its state does not allow it, for it
 *   executes, or has ended and is given a time
 */
export function changedJob(job: Job, changes: JobChanges, now: number): Job | undefined {
  if (job.state === 'executing') return undefined;
  const state = changes.scheduledAt === undefined ? job.state : stateAt(job.state, changes.scheduledAt, now);
  if (state === undefined) return undefined;
  const after: Job = { ...job, ...changes, state };
  if (changes.maxAttempts !== undefined && !isTerminal(state)) {
    after.maxAttempts = Math.max(after.maxAttempts, job.attempt + 1);
  }
  return isDeepStrictEqual(after, job) ? job : after;
}

/** The state of a waiting job that is given a time. */
function stateAt(state: JobState, scheduledAt: number, now: number): JobState | undefined {
  if (scheduledAt > now) return nextState(state, 'postpone');
  return state === 'available' ? state : nextState(state, 'due');
}

/** What a retry by hand changes. */
export type Retry = Pick<Job, 'state' | 'scheduledAt' | 'maxAttempts' | 'deadlineAt'>;

/**
 * Decides a retry by hand: available now, with at least one more attempt. A deadline that has passed is lifted, for
 * whoever retries wants it to run. Nothing is asked of uniqueness: that is a rule for inserting.
 * @returns undefined when the state does not allow it
 */
export function retriedByHand(
  job: Pick<Job, 'state' | 'attempt' | 'maxAttempts' | 'deadlineAt'>,
  now: number,
): Retry | undefined {
  const state = nextState(job.state, 'retry');
  if (state === undefined) return undefined;
  return {
    state,
    scheduledAt: now,
    maxAttempts: Math.max(job.maxAttempts, job.attempt + 1),
    deadlineAt: job.deadlineAt !== null && job.deadlineAt <= now ? null : job.deadlineAt,
  };
}

/**
 * Decides what a new job does to the one with its unique key that is there already: nothing, replace fields, or move it
 * to the new time with the new args (debounce), never beyond the policy's longest wait after it was first inserted. Only
 * a job that waits is ever touched.
 * @returns the existing job as it is then; the same object where nothing changes
 */
export function afterConflict(existing: Job, incoming: NewJob): Job {
  const then = incoming.unique?.onConflict ?? { kind: 'keep' };
  if (then.kind === 'keep' || !WAITING_STATES.includes(existing.state)) return existing;
  const now = incoming.insertedAt;
  if (then.kind === 'replace') {
    const changes = Object.fromEntries(then.fields.map((field) => [field, incoming[field]]));
    return changedJob(existing, changes, now) ?? existing;
  }
  const latestAt = then.maxWaitMs === null ? Number.POSITIVE_INFINITY : existing.insertedAt + then.maxWaitMs;
  const scheduledAt = Math.min(incoming.scheduledAt, latestAt);
  return changedJob(existing, { args: incoming.args, scheduledAt }, now) ?? existing;
}
