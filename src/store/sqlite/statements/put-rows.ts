import type { NewJob } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { isLike, isOfOneTime, isPlain } from '../../alike-jobs.ts';
import { filledCell, jsonCell, text } from '../../cell.ts';
import type { StoreWorld } from '../verb.ts';

/** Inserts a job's row, unless its id or its tick is there; whether it did. */
export type PutRow = (job: NewJob) => boolean;

/** What stores any job. One row per call: rows from one JSON text cost twice that. */
export function putRow(world: StoreWorld): PutRow {
  const insert =
    world.rows(`insert into jobs (seq, id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at,
      attempted_at, finished_at, timeout_ms, deadline_at, unique_key, reference_type, reference_id, schedule_name,
      schedule_at, schedule_late, traceparent, backoff, tags, meta, args, partition_key)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?9, ?9, ?9, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict do nothing`);
  return (job) => {
    const { reference, schedule } = job;
    const args = JSON.stringify(job.args);
    const key = world.queues.keyOf(job.queue, job);
    const { changes, lastInsertRowid } = insert.run(
      world.places.next(),
      job.id,
      job.queue,
      job.type,
      job.state,
      job.priority,
      job.maxAttempts,
      job.scheduledAt,
      job.insertedAt,
      job.timeoutMs,
      job.deadlineAt,
      job.unique?.key ?? null,
      reference?.type ?? null,
      reference?.id ?? null,
      schedule?.name ?? null,
      schedule?.at ?? null,
      schedule === null ? null : Number(schedule.late),
      job.traceparent,
      jsonCell(job.backoff),
      filledCell(job.tags),
      filledCell(job.meta),
      args,
      key,
    );
    if (changes !== 1) return false;
    const place = Number(lastInsertRowid);
    world.places.given(place);
    if (key === null && isPlain(job)) world.fresh.remember(place, job, [job.id, args]);
    return true;
  };
}

/** Jobs that {@link putAlike} stores by one statement: with more of them a job costs no less. */
export const ALIKE_ROWS = 20;

/** Inserts the rows of {@link ALIKE_ROWS} jobs that are alike; answers the ids that it stored, where it were not all. */
export type PutAlike = (jobs: readonly NewJob[]) => Set<string> | 'all';

/**
 * What stores plain jobs that came together, which are alike but for their ids and args. At each start of an insert
 * SQLite opens the table and all its indexes: with many rows to a statement, and two values of its own to each, a job costs
 * 2.3 µs instead of 4.7.
 */
export function putAlike(world: StoreWorld): PutAlike {
  const common = '?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?7';
  // Those of a row's own have no number, for the driver looks through all that have one at each value that it binds.
  const rows = Array.from({ length: ALIKE_ROWS }, () => `(${common}, ?, ?)`);
  const insert = world.rows(`insert into jobs (queue, type, state, priority, max_attempts, scheduled_at, inserted_at,
      attempted_at, finished_at, id, args)
    values ${rows.join(', ')}
    on conflict do nothing`);
  const storedLast = world.lists('select id from jobs where seq > ? and seq <= ?');
  return (jobs) => {
    const [first] = jobs;
    assert(first !== undefined && jobs.length === ALIKE_ROWS, `${ALIKE_ROWS} jobs are stored at once`);
    const { queue, type, state, priority, maxAttempts, scheduledAt, insertedAt } = first;
    const shared = [queue, type, state, priority, maxAttempts, scheduledAt, insertedAt] as const;
    const own = jobs.flatMap(({ id, args }) => [id, JSON.stringify(args)]);
    const { changes, lastInsertRowid } = insert.run(...shared, ...own);
    // Places are given out in order and without a gap.
    const last = Number(lastInsertRowid);
    if (changes > 0) world.places.given(last);
    if (changes === jobs.length) {
      world.fresh.remember(last - jobs.length + 1, first, own);
      return 'all';
    }
    return new Set(storedLast.all(last - Number(changes), last).map(([id]) => text(id)));
  };
}

/** Where the jobs end that are alike from one on, and at most so many as {@link putAlike} takes. */
export function endOfAlike(world: StoreWorld, jobs: readonly NewJob[], from: number): number {
  const first = jobs[from];
  // One that must be given its place goes alone.
  if (world.places.next() !== null) return from + 1;
  if (first === undefined || !isPlain(first) || world.queues.of(first.queue)?.partition) return from + 1;
  const max = Math.min(jobs.length, from + ALIKE_ROWS);
  for (let end = from + 1; end < max; end++) {
    const job = jobs[end];
    if (job === undefined || !isPlain(job) || !isLike(job, first) || !isOfOneTime(job, first)) return end;
  }
  return max;
}
