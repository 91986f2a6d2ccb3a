import type { StatementSync } from 'node:sqlite';
import type { NewJob } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { isLike, isOfOneTime, isPlain } from '../../alike-jobs.ts';
import { filledCell, integer, jsonCell, text } from '../../cell.ts';
import { EXECUTING } from '../run-states.ts';
import type { StoreWorld } from '../verb.ts';
import { type NewJobs, PartitionWait, withPartitions } from './partition-wait.ts';

/** Inserts and counts a job's row, unless its id or its tick is there; whether it did. */
export type PutRow = (job: NewJob) => boolean;

/** What stores any job. One row per call: rows from one JSON text cost twice that. */
export function putRow(world: StoreWorld): PutRow {
  const insert =
    world.rows(`insert into jobs (seq, id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at,
      attempted_at, finished_at, timeout_ms, deadline_at, unique_key, reference_type, reference_id, schedule_name,
      schedule_at, schedule_late, traceparent, backoff, tags, meta, args, partition_key, aside)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?9, ?9, ?9, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict do nothing`);
  return (job) => {
    const { reference, schedule } = job;
    const args = JSON.stringify(job.args);
    const { keys } = withPartitions(world, [job]);
    const wait = PartitionWait.of(world, { jobs: [job], keys });
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
      keys?.[0] ?? null,
      wait?.aside ?? null,
    );
    if (changes !== 1) return false;
    const place = Number(lastInsertRowid);
    world.places.given(place);
    world.counts.add(job.queue, job.state, 1);
    wait?.joined(0, job, place);
    if (isPlain(job)) world.fresh.remember(place, job, [job.id, args]);
    return true;
  };
}

/** What a row names where no worker runs it: as wide as the keys of workers (see the schema). */
const NO_RUNNER = 999;

/** Jobs that {@link putAlike} stores by one statement: with more of them a job costs no less. */
export const ALIKE_ROWS = 20;

/** The args of jobs as JSON. */
export const argsOf = (jobs: readonly NewJob[]): string[] => jobs.map(({ args }) => JSON.stringify(args));

/** What was stored of jobs that came together. */
export interface PutAlike {
  /** Those that were, with their places; all: each has the place behind that of the one before. */
  stored: Map<string, number> | 'all';
  /** The place of the last one. */
  last: number;
}

/** The run that jobs begin as they are stored: when, and the number of the worker. */
export interface RunBegun {
  now: number;
  runner: number;
}

/** The columns that jobs which are alike have in common. */
const COMMON = `seq, queue, type, state, priority, attempt, max_attempts, run, scheduled_at, inserted_at, attempted_at,
  runner`;

/**
 * What stores and counts so many plain jobs, which are alike but for their ids and args, as available or as executing in their first
 * run. At each start of an insert SQLite opens the table and all its indexes: with many rows to a statement, and two values
 * of its own to each (three with its partition), a job costs 2.3 µs instead of 4.7.
 */
export function putAlike(
  world: StoreWorld,
  rows: number,
): (alike: NewJobs, args: readonly string[], begun?: RunBegun) => PutAlike {
  // Those of a row's own have no number, for the driver looks through all that have one at each value that it binds.
  const common = Array.from({ length: 12 }, (_, at) => `?${at + 1}`).join(', ');
  const into = (columns: string, row: string): StatementSync =>
    world.rows(`insert into jobs (${columns}) values ${Array.from({ length: rows }, () => row).join(', ')}
      on conflict do nothing`);
  const inLine = into(`${COMMON}, finished_at, id, args`, `(${common}, ?10, ?, ?)`);
  const byKey = into(`${COMMON}, aside, finished_at, id, args, partition_key`, `(${common}, ?13, ?10, ?, ?, ?)`);
  const storedLast = world.lists('select id, seq from jobs where seq > ? and seq <= ?');
  return (alike, args, begun) => {
    const { jobs } = alike;
    const [first] = jobs;
    assert(first !== undefined && jobs.length === rows, `${rows} jobs are stored at once`);
    const { queue, type, state, priority, maxAttempts, scheduledAt, insertedAt } = first;
    const [is, run] = begun === undefined ? ([state, 0] as const) : ([EXECUTING, 1] as const);
    const wait = PartitionWait.of(world, alike, begun !== undefined);
    const own: string[] = [];
    for (const [at, { id }] of jobs.entries()) own.push(id, args[at] ?? '');
    const { changes, lastInsertRowid } = (wait === undefined ? inLine : byKey).run(
      ...[rows === 1 ? world.places.next() : null, queue, type, is, priority, run, maxAttempts, run, scheduledAt],
      ...[insertedAt, begun?.now ?? insertedAt, begun?.runner ?? NO_RUNNER],
      ...(wait === undefined ? own : [wait.aside, ...wait.withKeys(own)]),
    );
    // Places are given out in order and without a gap.
    const last = Number(lastInsertRowid);
    if (changes > 0) world.places.given(last);
    world.counts.add(queue, is, Number(changes));
    if (changes === rows) {
      const place = last - rows + 1;
      if (wait?.line !== undefined) for (const [at, job] of jobs.entries()) wait.joined(at, job, place + at);
      if (begun === undefined) world.fresh.remember(place, first, own);
      return { stored: 'all', last };
    }
    const rowsOf = storedLast.all(last - Number(changes), last);
    const stored = new Map(rowsOf.map(([id, seq]) => [text(id), integer(seq)]));
    for (const [id, place] of wait?.line === undefined ? [] : stored) {
      // An id that is twice among them is stored by the first.
      const at = jobs.findIndex((job) => job.id === id);
      const job = jobs[at];
      if (job !== undefined) wait?.joined(at, job, place);
    }
    return { stored, last };
  };
}

/** Where the jobs end that are alike from one on, and at most so many as {@link putAlike} takes. */
export function endOfAlike(world: StoreWorld, jobs: readonly NewJob[], from: number): number {
  const first = jobs[from];
  // One that must be given its place goes alone.
  if (world.places.next() !== null) return from + 1;
  if (first === undefined || !isPlain(first)) return from + 1;
  const max = Math.min(jobs.length, from + ALIKE_ROWS);
  for (let end = from + 1; end < max; end++) {
    const job = jobs[end];
    if (job === undefined || !isPlain(job) || !isLike(job, first) || !isOfOneTime(job, first)) return end;
  }
  return max;
}
