import { unreachable } from '../kernel/error.ts';
import type { Random } from '../kernel/identity.ts';
import { utf8Bytes } from '../kernel/json.ts';
import { clipText, withError } from './error-entry.ts';
import type { ErrorKind, Job, JobErrorEntry } from './job.ts';
import { type FactDetail, isTerminalFact, type JobFactName } from './job-event.ts';
import { type LifeEvent, nextState } from './life.ts';
import { LIMITS } from './limits.ts';
import type { Outcome } from './outcome.ts';
import { DELAY_MS_MAX, retryDelayMs } from './retry-policy.ts';
import type { JobState } from './state.ts';

/** What a decision needs to know of an executing job. */
export type ExecutingJob = Pick<
  Job,
  'state' | 'attempt' | 'maxAttempts' | 'backoff' | 'errors' | 'attemptedAt' | 'scheduledAt' | 'finishedAt' | 'result'
>;

/** What a store writes when a job leaves `executing`, and the fact to tell after the commit. */
export interface Settlement {
  state: JobState;
  attempt: number;
  scheduledAt: number;
  finishedAt: number | null;
  result: Job['result'];
  errors: JobErrorEntry[];
  fact: { what: JobFactName; detail: FactDetail };
}

/** When the decision is made, and where its jitter comes from. */
export interface SettleWorld {
  now: number;
  random: Random;
}

/**
 * Decides what becomes of an executing job by how its attempt ended. Pure; stores obey it.
 * @param job the row, still executing
 * @param outcome what the worker says
 * @param world the time (ms since the epoch) and randomness
 * @returns undefined when the job is not executing: the settlement is refused
 */
export function settle(job: ExecutingJob, outcome: Outcome, world: SettleWorld): Settlement | undefined {
  switch (outcome.outcome) {
    case 'complete':
      return completed(job, outcome, world.now);
    case 'fail': {
      const { kind, message } = outcome.error;
      const delayMs = outcome.retryInMs ?? retryDelayMs(job.backoff, job.attempt, world.random);
      const nextAt = world.now + Math.min(delayMs, DELAY_MS_MAX);
      return failed(job, { event: 'fail', kind, message, nextAt }, world.now);
    }
    case 'snooze':
      return handedBack(job, { event: 'snooze', what: 'snoozed', at: world.now + outcome.forMs });
    case 'release':
      return handedBack(job, { event: 'release', what: 'released', at: job.scheduledAt });
    case 'cancel':
      return failed(job, { event: 'cancel', kind: 'cancelled', message: outcome.reason }, world.now);
    case 'discard':
      return failed(job, { event: 'discard', kind: 'discarded', message: outcome.reason }, world.now);
    default:
      return unreachable(outcome);
  }
}

/** Decides what becomes of a job whose worker is dead: the attempt counts, the error entry says "orphaned". */
export function rescue(job: ExecutingJob, now: number): Settlement | undefined {
  const message = 'the worker that ran it gave no sign of life for a whole lease';
  const settlement = failed(job, { event: 'rescue', kind: 'orphaned', message, nextAt: now }, now);
  if (settlement?.state !== 'available') return settlement;
  return { ...settlement, fact: { what: 'rescued', detail: settlement.fact.detail } };
}

/** Decides a cancellation from outside, in any state that allows it. An attempt that was running counts as cancelled. */
export function cancelFromOutside(
  job: ExecutingJob,
  now: number,
  reason = 'cancelled on request',
): Settlement | undefined {
  if (job.state === 'executing') return failed(job, { event: 'cancel', kind: 'cancelled', message: reason }, now);
  const state = nextState(job.state, 'cancel');
  if (state === undefined) return undefined;
  return {
    ...kept(job),
    state,
    finishedAt: now,
    fact: { what: 'cancelled', detail: {} },
  };
}

/** Decides about a job whose deadline has passed before it started: cancelled, with the reason in the fact. */
export function expire(job: ExecutingJob, now: number): Settlement | undefined {
  const state = nextState(job.state, 'expire');
  if (state === undefined) return undefined;
  const error = { kind: 'cancelled', message: 'its deadline passed before it was started' } as const;
  return { ...kept(job), state, finishedAt: now, fact: { what: 'cancelled', detail: { error } } };
}

function completed(job: ExecutingJob, outcome: Outcome & { outcome: 'complete' }, now: number): Settlement | undefined {
  const state = nextState(job.state, 'complete');
  if (state === undefined) return undefined;
  const fault = outcome.resultFault ?? resultFault(outcome.result);
  const result = fault === undefined ? outcome.result : null;
  return {
    ...kept(job),
    state,
    finishedAt: now,
    result,
    errors:
      fault === undefined
        ? job.errors
        : withError(job.errors, { at: now, attempt: job.attempt, kind: 'result', message: fault }),
    fact: { what: 'completed', detail: result === null ? durationOf(job, now) : { ...durationOf(job, now), result } },
  };
}

function resultFault(result: Job['result']): string | undefined {
  if (result === null || typeof result === 'boolean' || typeof result === 'number') return undefined;
  const bytes = utf8Bytes(JSON.stringify(result));
  return bytes > LIMITS.resultBytesMax ? resultTooLarge(bytes) : undefined;
}

/** The sentence for a result over its limit. */
export function resultTooLarge(bytes: number): string {
  return `the result is ${bytes} bytes of JSON, at most ${LIMITS.resultBytesMax} are kept`;
}

interface Failure {
  event: Extract<LifeEvent, 'fail' | 'rescue' | 'cancel' | 'discard'>;
  kind: ErrorKind;
  message: string;
  /** When it may run again, where an attempt is left. */
  nextAt?: number;
}

function failed(job: ExecutingJob, failure: Failure, now: number): Settlement | undefined {
  const { event, kind, nextAt = job.scheduledAt } = failure;
  const state = nextState(job.state, event, job.attempt < job.maxAttempts);
  if (state === undefined) return undefined;
  const message = clipText(failure.message);
  const what: JobFactName = state === 'discarded' || state === 'cancelled' ? state : 'retryable';
  const ended = isTerminalFact(what);
  return {
    ...kept(job),
    state,
    scheduledAt: ended ? job.scheduledAt : nextAt,
    finishedAt: ended ? now : null,
    errors: withError(job.errors, { at: now, attempt: job.attempt, kind, message }),
    fact: { what, detail: { ...durationOf(job, now), error: { kind, message }, ...(ended ? {} : { nextAt }) } },
  };
}

interface HandBack {
  event: 'snooze' | 'release';
  what: JobFactName;
  /** When it may run again, in milliseconds since the epoch. */
  at: number;
}

function handedBack(job: ExecutingJob, { event, what, at }: HandBack): Settlement | undefined {
  const state = nextState(job.state, event);
  if (state === undefined) return undefined;
  return {
    ...kept(job),
    state,
    attempt: job.attempt - 1,
    scheduledAt: at,
    fact: { what, detail: event === 'snooze' ? { nextAt: at } : {} },
  };
}

function kept(job: ExecutingJob): Pick<Settlement, 'attempt' | 'scheduledAt' | 'finishedAt' | 'result' | 'errors'> {
  const { attempt, scheduledAt, finishedAt, result, errors } = job;
  return { attempt, scheduledAt, finishedAt, result, errors };
}

function durationOf(job: ExecutingJob, now: number): { durationMs?: number } {
  return job.attemptedAt === null ? {} : { durationMs: Math.max(0, now - job.attemptedAt) };
}
