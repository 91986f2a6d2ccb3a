import { type NewJob, storedJob } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { tellInserted } from '../../inserted-job.ts';
import { jobOf } from '../../job-row.ts';
import type { InsertResult } from '../../job-store.ts';
import { StoredAsSent } from '../../stored-as-sent.ts';
import { JOB_COLUMNS } from '../job-columns.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';
import { beginJobs } from './begin-jobs.ts';
import { nextJobs } from './next-jobs.ts';
import { firstOf, withPartitions } from './partition-wait.ts';
import { ALIKE_ROWS, argsOf, endOfAlike, putAlike, putRow } from './put-rows.ts';
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
    if (put(job)) {
      tellInserted(job, tell);
      return { job: storedJob(job), conflict: false };
    }
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
  const put = putAlike(world, ALIKE_ROWS);
  const next = nextJobs(world);
  const begin = beginJobs(world);
  return ({ jobs, brief = false }, tell) => {
    const results: InsertResult[] = [];
    for (let from = 0; from < jobs.length; ) {
      const alike = withPartitions(world, jobs.slice(from, endOfAlike(world, jobs, from)));
      // For a claim they are stored so many at once, or one by one.
      const { count, claim } = next(alike);
      const part = firstOf(alike, count);
      from += count;
      const isMany = count === ALIKE_ROWS;
      const stored = (claim && begin(part, claim)) ?? (isMany ? put(part, argsOf(part.jobs)).stored : undefined);
      for (const job of part.jobs) {
        // An id that is twice among them is stored by the first.
        const isStored = stored === 'all' || stored?.delete(job.id) === true;
        if (isStored) tellInserted(job, tell);
        const found = isStored ? undefined : place(job, tell);
        if (!brief) results.push(found ?? new StoredAsSent(job));
      }
    }
    return brief ? [] : results;
  };
}
