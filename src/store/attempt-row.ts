import type { Job } from '../job/job.ts';
import type { Outcome } from '../job/outcome.ts';
import { isTerminal } from '../job/state.ts';
import { type Cell, integer, integerOrNull, json, jsonList, text, textOrNull } from './cell.ts';
import type { StoppedAttempt } from './change-verbs.ts';
import { scheduleOf, stateOf } from './job-row.ts';
import type { RefusalReason, RunRef } from './job-store.ts';

/** What a decision about a job and the fact of it need, and who owns its attempt. */
export interface AttemptRow
  extends Pick<
    Job,
    | 'id'
    | 'queue'
    | 'type'
    | 'state'
    | 'attempt'
    | 'maxAttempts'
    | 'run'
    | 'scheduledAt'
    | 'insertedAt'
    | 'attemptedAt'
    | 'finishedAt'
    | 'worker'
    | 'schedule'
    | 'backoff'
    | 'errors'
    | 'result'
  > {
  seq: number;
  /** The last run that was settled by its worker, and with which outcome. */
  settledRun: number | null;
  settledAs: Outcome['outcome'] | null;
  /** When a beat first did not list it. */
  missedAt: number | null;
  /** Null unless it was cancelled while it ran: whether its thread is to be killed. */
  terminate: boolean | null;
}

/** Rows keep an outcome as its place here, which never changes. */
export const OUTCOMES = [
  'complete',
  'fail',
  'snooze',
  'cancel',
  'discard',
  'release',
] as const satisfies Outcome['outcome'][];

/**
 * Reads a list of cells: seq, id, queue, type, state, attempt, max_attempts, run, scheduled_at, attempted_at, finished_at,
 * settled_run, settled_as, missed_at, terminate, the worker's name, the schedule's name, at and late, backoff, errors, result,
 * inserted_at.
 */
export function attemptOf(row: readonly Cell[]): AttemptRow {
  const [seq, id, queue, type, state, attempt, maxAttempts, run, scheduledAt, attemptedAt, finishedAt, ...rest] = row;
  const [settledRun, settledAs, missedAt, terminate, worker, scheduleName, scheduleAt, scheduleLate, ...texts] = rest;
  const [backoff, errors, result, insertedAt] = texts;
  const read = stateOf(state);
  return {
    seq: integer(seq),
    id: text(id),
    queue: text(queue),
    type: text(type),
    state: read,
    attempt: integer(attempt),
    maxAttempts: integer(maxAttempts),
    run: integer(run),
    scheduledAt: integer(scheduledAt),
    insertedAt: integer(insertedAt),
    attemptedAt: integer(run) > 0 ? integer(attemptedAt) : null,
    finishedAt: isTerminal(read) ? integer(finishedAt) : null,
    settledRun: integerOrNull(settledRun),
    settledAs: settledAs === null ? null : (OUTCOMES[integer(settledAs)] ?? null),
    missedAt: integerOrNull(missedAt),
    terminate: terminate === null ? null : terminate === 1,
    worker: textOrNull(worker),
    schedule: scheduleOf(scheduleName, scheduleAt, scheduleLate),
    backoff: json<Job['backoff']>(backoff),
    errors: jsonList<Job['errors'][number]>(errors),
    result: json(result),
  };
}

/**
 * Whether a worker may speak for an attempt: it must be executing, and this worker's, by run where it is given and by
 * attempt always. Undefined: it may.
 */
export function refusalOf(row: AttemptRow | undefined, ref: RunRef, worker: string): RefusalReason | undefined {
  if (row === undefined) return 'not_found';
  if (row.state !== 'executing') return 'not_executing';
  return row.worker === worker && isJob(row, ref) && isAttempt(row, ref) ? undefined : 'not_owner';
}

function isAttempt(row: AttemptRow, ref: RunRef): boolean {
  return row.attempt === ref.attempt && (ref.run === undefined || row.run === ref.run);
}

/** Whether it is said of this job, and not of one with its id that was deleted. */
function isJob(row: AttemptRow, { insertedAt }: RunRef): boolean {
  return insertedAt === undefined || insertedAt === row.insertedAt;
}

/**
 * Whether a worker already settled this attempt with this outcome. A run belongs to one worker, so its number is enough
 * where it is given; without it only the job's last attempt can be recognised.
 */
export function isRepeat(row: AttemptRow, ref: RunRef & Pick<Outcome, 'outcome'>, worker: string): boolean {
  if (row.settledAs !== ref.outcome || row.settledRun === null || !isJob(row, ref)) return false;
  if (row.run !== row.settledRun) return ref.run === row.settledRun;
  const handedBack = row.settledAs === 'snooze' || row.settledAs === 'release';
  if (row.worker !== worker || (handedBack ? row.attempt + 1 : row.attempt) !== ref.attempt) return false;
  return ref.run === undefined || ref.run === row.settledRun;
}

/** The last run of a row that was ended from outside. */
export function stoppedAttempt({ worker, run, insertedAt }: AttemptRow): StoppedAttempt | null {
  return worker === null ? null : { worker, run, insertedAt };
}

/**
 * What is to be told to the worker of the row's last run. While it was running, this end says; a job that was cancelled
 * then, retried by hand and ends before its next run keeps what its worker perhaps has not heard yet.
 */
export function terminateAfter(row: AttemptRow, terminate: boolean | undefined): boolean | null {
  if (terminate !== undefined) return terminate;
  return row.state === 'executing' ? null : row.terminate;
}
