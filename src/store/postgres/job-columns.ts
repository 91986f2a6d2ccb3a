import type { Job } from '../../job/job.ts';
import { isUuid } from '../../kernel/identity.ts';
import type { AttemptRow } from '../attempt-row.ts';
import { attemptOf } from '../attempt-row.ts';
import { type Cell, integer, type Row } from '../cell.ts';
import { jobOf as readJob } from '../job-row.ts';
import { unheldCell } from './plain-text.ts';
import { words } from './sql-list.ts';
import type { Transaction } from './transaction.ts';

/** What whole jobs are read from; a condition on `jobs` follows. */
export const JOB_ROWS = `select jobs.seq, jobs.id, jobs.queue, jobs.type, jobs.state, jobs.priority, jobs.attempt,
    jobs.max_attempts, jobs.run, jobs.scheduled_at, jobs.inserted_at, jobs.attempted_at, jobs.finished_at,
    jobs.timeout_ms, jobs.deadline_at, ran.node, ran.worker, jobs.reference_type, jobs.reference_id,
    jobs.schedule_name, jobs.schedule_at, jobs.schedule_late, jobs.traceparent, jobs.backoff, jobs.tags, jobs.meta,
    jobs.args, jobs.errors, jobs.result, jobs.progress
  from @jobs as jobs left join @workers as ran on ran.key = jobs.runner`;

/** What attempts are read from: the cells of an {@link AttemptRow} in order, and then the deadline. */
export const ATTEMPT_ROWS = `select jobs.seq, jobs.id, jobs.queue, jobs.type, jobs.state, jobs.attempt, jobs.max_attempts,
    jobs.run, jobs.scheduled_at, jobs.attempted_at, jobs.finished_at, jobs.settled_run, jobs.settled_as, jobs.missed_at,
    jobs.terminate, ran.worker, jobs.schedule_name, jobs.schedule_at, jobs.schedule_late, jobs.backoff, jobs.errors,
    jobs.result, jobs.inserted_at, jobs.deadline_at
  from @jobs as jobs left join @workers as ran on ran.key = jobs.runner`;

/** Reads a row of {@link JOB_ROWS}. */
export function jobOf(row: Row): Job {
  const { reference_type, reference_id, traceparent } = row;
  return readJob({
    ...row,
    reference_type: unheldCell(reference_type),
    reference_id: unheldCell(reference_id),
    traceparent: unheldCell(traceparent),
  });
}

/** A job with its place. */
export interface Placed {
  seq: number;
  job: Job;
}

/** Reads a row of {@link JOB_ROWS} with its place. */
export const placedOf = (row: Row): Placed => ({ seq: integer(row.seq), job: jobOf(row) });

/** Of texts that may be anything those that can be ids, as a list; what is none is no job's. */
export const idList = (ids: readonly string[]): string => words(ids.filter(isUuid));

/** One job by its id, with its place, locked until the group has committed; undefined: there is none. */
export async function lockedJob(tx: Transaction, id: string): Promise<Placed | undefined> {
  if (!isUuid(id)) return undefined;
  const [row] = await tx.rows(`${JOB_ROWS} where jobs.id = $1 for update of jobs`, [id]);
  return row && placedOf(row);
}

/**
 * The rows of attempts by their ids, locked in order of insertion, so that two groups never wait for each other. The order
 * is written so that no walk along the whole table looks like a way to it.
 */
export async function lockedAttempts(tx: Transaction, ids: readonly string[]): Promise<Map<string, AttemptRow>> {
  const list = idList(ids);
  if (list === '{}') return new Map();
  const rows = await tx.lists(
    `${ATTEMPT_ROWS} where jobs.id = any($1::uuid[]) order by jobs.seq + 0 for update of jobs`,
    [list],
  );
  return new Map(rows.map((row) => byId(attemptOf(row))));
}

const byId = (row: AttemptRow): [string, AttemptRow] => [row.id, row];

/** The deadline in a row of {@link ATTEMPT_ROWS}. */
export const deadlineCell = (row: readonly Cell[]): Cell => row.at(-1);
