import { type NewJob, storedJob } from '../../../job/job.ts';
import { jobFact } from '../../../job/job-event.ts';
import { assert } from '../../../kernel/error.ts';
import type { InsertResult } from '../../job-store.ts';
import { filledCell, jsonCell } from '../cell.ts';
import { JOB_COLUMNS, jobOf } from '../job-row.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';

/** Stores one job unless its id or its tick is there already. */
export type InsertJob = (job: NewJob, tell: Tell) => boolean;

/** What both `insert` and `tick` store jobs with. One row per call: measured, rows from one JSON text cost twice that. */
export function insertJob(world: StoreWorld): InsertJob {
  const insert =
    world.rows(`insert into jobs (id, queue, type, state, priority, max_attempts, scheduled_at, inserted_at,
      attempted_at, finished_at, timeout_ms, reference_type, reference_id, schedule_name, schedule_at, schedule_late, traceparent, backoff, tags,
      meta, args)
    values (?, ?, ?, ?, ?, ?, ?, ?8, ?8, ?8, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
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
    );
    if (changes === 0) return false;
    world.counts.add(job.queue, job.state, 1);
    const fresh = { ...job, run: 0, attempt: 0 };
    tell(jobFact('inserted', fresh, { at: job.insertedAt }));
    if (job.state === 'scheduled') {
      tell(jobFact('scheduled', fresh, { at: job.insertedAt, nextAt: job.scheduledAt }));
    }
    return true;
  };
}

/** Stores jobs in order; one whose id (or whose schedule's nominal time) is there answers the row that is. */
export function insert(world: StoreWorld): Verb<'insert'> {
  const put = insertJob(world);
  const byId = world.rows(`select ${JOB_COLUMNS} from jobs where id = ?`);
  const byTick = world.rows(`select ${JOB_COLUMNS} from jobs where schedule_name = ? and schedule_at = ?`);
  return ({ jobs }, tell) =>
    jobs.map((job): InsertResult => {
      if (put(job, tell)) return { job: storedJob(job), conflict: false };
      const row = byId.get(job.id) ?? byTick.get(job.schedule?.name ?? null, job.schedule?.at ?? null);
      assert(row !== undefined, 'a job that could not be inserted is there already');
      return { job: jobOf(row), conflict: true };
    });
}
