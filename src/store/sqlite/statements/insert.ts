import { type Job, type NewJob, storedJob } from '../../../job/job.ts';
import { jobFact } from '../../../job/job-event.ts';
import { assert } from '../../../kernel/error.ts';
import { filledCell, jsonCell } from '../../cell.ts';
import { jobOf } from '../../job-row.ts';
import type { InsertResult } from '../../job-store.ts';
import { JOB_COLUMNS } from '../job-columns.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';
import { uniqueJobs } from './unique-jobs.ts';

/** Stores one job, or answers the one that is there instead: with its id, its tick, or its unique key. */
export type PlaceJob = (job: NewJob, tell: Tell) => InsertResult;

/** What everything stores jobs with. A job with a unique key is looked for first, in the same transaction. */
export function placeJob(world: StoreWorld): PlaceJob {
  const put = putRow(world);
  const atConflict = uniqueJobs(world);
  const byId = world.rows(`select ${JOB_COLUMNS} from jobs where id = ?`);
  const byTick = world.rows(`select ${JOB_COLUMNS} from jobs where schedule_name = ? and schedule_at = ?`);
  const sameRow = ({ id, schedule }: NewJob) =>
    byId.get(id) ?? byTick.get(schedule?.name ?? null, schedule?.at ?? null);
  return (job, tell) => {
    if (job.unique !== undefined) {
      const same = sameRow(job);
      if (same !== undefined) return { job: jobOf(same), conflict: true };
      const existing = atConflict(job, job.unique, tell);
      if (existing !== undefined) return { job: existing, conflict: true };
    }
    const stored = put(job, tell);
    if (stored !== undefined) return { job: stored, conflict: false };
    const row = sameRow(job);
    assert(row !== undefined, 'a job that could not be inserted is there already');
    return { job: jobOf(row), conflict: true };
  };
}

/** Stores one job unless it is there already, by id, tick or unique key. */
export type InsertJob = (job: NewJob, tell: Tell) => boolean;

/** {@link placeJob} for those who only want to know whether it was stored. */
export function insertJob(world: StoreWorld): InsertJob {
  const place = placeJob(world);
  return (job, tell) => !place(job, tell).conflict;
}

/** Stores jobs in order; one that is there answers the row that is. */
export function insert(world: StoreWorld): Verb<'insert'> {
  const place = placeJob(world);
  return ({ jobs, brief = false }, tell) => {
    const results = jobs.map((job) => place(job, tell));
    return brief ? [] : results;
  };
}

/** Inserts the row, unless its id or its tick is there. One row per call: rows from one JSON text cost twice that. */
function putRow(world: StoreWorld): (job: NewJob, tell: Tell) => Job | undefined {
  const insert =
    world.rows(`insert into jobs (id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at,
      attempted_at, finished_at, timeout_ms, deadline_at, unique_key, reference_type, reference_id, schedule_name,
      schedule_at, schedule_late, traceparent, backoff, tags, meta, args, partition_key)
    values (?, ?, ?, ?, ?, ?, ?, ?8, ?8, ?8, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    on conflict do nothing`);
  return (job, tell) => {
    const { reference, schedule } = job;
    const { changes } = insert.run(
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
      JSON.stringify(job.args),
      world.queues.keyOf(job.queue, job),
    );
    if (changes === 0) return undefined;
    world.counts.add(job.queue, job.state, 1);
    const stored = storedJob(job);
    tell(jobFact('inserted', stored, { at: job.insertedAt }));
    if (job.state === 'scheduled') {
      tell(jobFact('scheduled', stored, { at: job.insertedAt, nextAt: job.scheduledAt }));
    }
    return stored;
  };
}
