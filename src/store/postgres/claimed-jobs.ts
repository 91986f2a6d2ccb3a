import type { ClaimedJob } from '../../job/job.ts';
import { stateAfter } from '../../job/life.ts';
import { type Cell, integer, integerOrNull, json, jsonList, text, textOrNull } from '../cell.ts';
import { referenceOf, scheduleOf } from '../job-row.ts';
import { unheldCell } from './plain-text.ts';

/** What a claimed job is. */
export const EXECUTING = stateAfter('available', 'claim');

/** What a claim writes: when ($1), and by whom ($2). */
export const TAKE = `update @jobs as jobs set state = '${EXECUTING}', attempt = attempt + 1, run = run + 1, attempted_at = $1,
    runner = $2, missed_at = null, aside = null`;

/**
 * What a claim reads of its jobs. As one row of lists it costs the server 1.2 µs a job more, and this process as much less.
 */
export const CLAIMED = `returning jobs.seq, jobs.priority, jobs.scheduled_at, jobs.id, jobs.run, jobs.type, jobs.attempt,
  jobs.max_attempts, jobs.timeout_ms, jobs.inserted_at, jobs.reference_type, jobs.reference_id, jobs.schedule_name,
  jobs.schedule_at, jobs.schedule_late, jobs.traceparent, jobs.tags, jobs.meta, jobs.args`;

/** How many cells of a row that are: what a claim reads beside comes after them. */
export const CLAIMED_CELLS = CLAIMED.split(',').length;

/** A claimed job with its place. */
export interface Claimed {
  seq: number;
  job: ClaimedJob;
}

/** Reads rows of {@link CLAIMED}: jobs in the order of claims, priority before time before place. */
export function claimedJobs(rows: readonly Cell[][], queue: string): Claimed[] {
  const [first] = rows;
  const firstType = first?.[TYPE_AT];
  // Most are of one type, whose name is then kept in memory once.
  const typeOf = (row: readonly Cell[]): string => text(row[TYPE_AT] === firstType ? firstType : row[TYPE_AT]);
  return rows.map((row) => claimedOf(row, { type: typeOf(row), queue })).sort(byPlace);
}

const TYPE_AT = 5;

const byPlace = (a: Claimed, b: Claimed): number =>
  a.job.priority - b.job.priority || a.job.scheduledAt - b.job.scheduledAt || a.seq - b.seq;

/** Cells by their number: to spread them makes two lists for each job. */
function claimedOf(row: readonly Cell[], { type, queue }: Pick<ClaimedJob, 'type' | 'queue'>): Claimed {
  const job: ClaimedJob = {
    id: text(row[3]),
    run: integer(row[4]),
    type,
    queue,
    args: json(row[18]),
    attempt: integer(row[6]),
    maxAttempts: integer(row[7]),
    priority: integer(row[1]),
    timeoutMs: integerOrNull(row[8]),
    meta: json<ClaimedJob['meta'] | null>(row[17]) ?? {},
    tags: jsonList<string>(row[16]),
    reference: referenceOf(unheldCell(row[10]), unheldCell(row[11])),
    schedule: scheduleOf(row[12], row[13], row[14]),
    scheduledAt: integer(row[2]),
    insertedAt: integer(row[9]),
    traceparent: textOrNull(unheldCell(row[15])),
  };
  return { seq: integer(row[0]), job };
}
