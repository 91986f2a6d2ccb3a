import { type Job, type NewJob, storedJob } from '../../../job/job.ts';
import { assert } from '../../../kernel/error.ts';
import { tellInserted } from '../../inserted-job.ts';
import type { InsertResult } from '../../job-store.ts';
import { StoredAsSent } from '../../stored-as-sent.ts';
import { idList, JOB_ROWS, jobOf } from '../job-columns.ts';
import { numbers, texts } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import type { Asked, Tell, Verb } from '../verb.ts';
import { beginJobs } from './begin-jobs.ts';
import { putNew, putRows } from './put-rows.ts';
import { lockLimited } from './queue-room.ts';
import { followed, partSameKeys } from './same-keys.ts';
import { conflictOf, UniqueJobs } from './unique-jobs.ts';

/** A job that is about to be stored, and where its facts go. */
export interface Placing {
  job: NewJob;
  tell: Tell;
}

/**
 * Stores jobs in order; each answers its row, or the one that is there instead: with its id, its tick, or its unique key.
 * What came together is one statement; where a job's uniqueness hangs on one before it, the rest goes in a next one.
 */
export async function placeJobs(tx: Transaction, placings: readonly Placing[]): Promise<InsertResult[]> {
  const { first, followers } = partSameKeys(placings);
  if (followers.size === 0) return placeInOrder(tx, placings);
  const came = new Map<Placing, InsertResult>();
  const placed = await placeInOrder(tx, first);
  for (const [index, result] of placed.entries()) {
    const one = first[index];
    if (one !== undefined) came.set(one, result);
  }
  const left: Placing[] = [];
  // An id that is there goes before any key.
  const same = await sameRows(tx, [...followers.keys()]);
  for (const [one, leader] of followers) {
    const job = same.get(one);
    const result = job === undefined ? followed(one, leader, came.get(leader)) : { job, conflict: true };
    if (result === undefined) left.push(one);
    else came.set(one, result);
  }
  for (const [index, result] of (await placeInOrder(tx, left)).entries()) {
    const one = left[index];
    if (one !== undefined) came.set(one, result);
  }
  return placings.map((one) => {
    const result = came.get(one);
    assert(result !== undefined, 'each job came to something');
    return result;
  });
}

/** {@link placeJobs} of jobs that each may hang on those before. */
async function placeInOrder(tx: Transaction, placings: readonly Placing[]): Promise<InsertResult[]> {
  const results: InsertResult[] = [];
  while (results.length < placings.length) {
    const round = roundOf(placings, results.length);
    results.push(...(await placeRound(tx, round)));
  }
  return results;
}

/** The longest part in which no unique job has an id, a tick or a key of one before it. */
function roundOf(placings: readonly Placing[], from: number): readonly Placing[] {
  if (placings.every(({ job }) => job.unique === undefined)) return placings;
  const seen = new Set<string>();
  let end = from;
  for (; end < placings.length; end++) {
    const job = placings[end]?.job;
    if (job === undefined) break;
    const { id, schedule, unique } = job;
    const marks = [
      id,
      ...(schedule ? [`${schedule.name} ${schedule.at}`] : []),
      ...(unique ? [`key ${unique.key}`] : []),
    ];
    if (unique !== undefined && marks.some((mark) => seen.has(mark))) break;
    for (const mark of marks) seen.add(mark);
  }
  return placings.slice(from, end);
}

async function placeRound(tx: Transaction, round: readonly Placing[]): Promise<InsertResult[]> {
  const uniques = round.filter(({ job }) => job.unique !== undefined);
  const there = new Map<Placing, Job>();
  if (uniques.length > 0) {
    const same = await sameRows(tx, uniques);
    const jobs = new UniqueJobs(
      await conflictOf(
        tx,
        uniques.filter((one) => !same.has(one)).map(({ job }) => job),
      ),
    );
    for (const one of uniques) {
      const job = same.get(one) ?? (await jobs.atConflict(tx, one));
      if (job !== undefined) there.set(one, job);
    }
  }
  const fresh = round.filter((one) => !there.has(one));
  const stored = await putRows(
    tx,
    fresh.map(({ job }) => job),
  );
  const results = new Map<Placing, InsertResult>();
  const clashed: Placing[] = [];
  for (const one of fresh) {
    // An id that is twice in the round is stored by the first of them.
    if (!stored.delete(one.job.id)) {
      clashed.push(one);
      continue;
    }
    tellInserted(one.job, one.tell);
    results.set(one, { job: storedJob(one.job), conflict: false });
  }
  const same = clashed.length === 0 ? undefined : await sameRows(tx, clashed);
  return round.map((one) => {
    const result = results.get(one);
    if (result !== undefined) return result;
    const job = there.get(one) ?? same?.get(one);
    assert(job !== undefined, 'a job that could not be inserted is there already');
    return { job, conflict: true };
  });
}

/** The rows that are there with the ids of jobs, or with their ticks. */
async function sameRows(tx: Transaction, placings: readonly Placing[]): Promise<Map<Placing, Job>> {
  const found = new Map<Placing, Job>();
  const rows = await tx.rows(`${JOB_ROWS} where jobs.id = any($1::uuid[])`, [
    idList(placings.map(({ job }) => job.id)),
  ]);
  const byId = new Map(rows.map(jobOf).map((job) => [job.id, job]));
  for (const one of placings) {
    const job = byId.get(one.job.id);
    if (job !== undefined) found.set(one, job);
  }
  const ticks = placings.filter((one) => !found.has(one) && one.job.schedule !== null);
  if (ticks.length === 0) return found;
  const atTicks = await tx.rows(
    `${JOB_ROWS} join unnest($1::text[], $2::bigint[]) as tick (name, at)
      on jobs.schedule_name = tick.name and jobs.schedule_at = tick.at`,
    [
      texts(ticks.map(({ job }) => job.schedule?.name ?? null)),
      numbers(ticks.map(({ job }) => job.schedule?.at ?? null)),
    ],
  );
  const byTick = new Map(atTicks.map(jobOf).map((job) => [`${job.schedule?.name} ${job.schedule?.at}`, job]));
  for (const one of ticks) {
    const job = byTick.get(`${one.job.schedule?.name} ${one.job.schedule?.at}`);
    if (job !== undefined) found.set(one, job);
  }
  return found;
}

/** Stores jobs of which none is there: one that was would throw. */
async function insertNew(tx: Transaction, asked: readonly Asked<'insert'>[]): Promise<InsertResult[][]> {
  const jobs = asked.flatMap(({ options }) => options.jobs);
  await putNew(tx, await beginJobs(tx, jobs));
  return asked.map(({ options: { jobs, brief = false }, tell }) => {
    for (const job of jobs) tellInserted(job, tell);
    return brief ? [] : jobs.map((job) => new StoredAsSent(job));
  });
}

/** Stores jobs, in order; those of all requests together. */
export const insert: Verb<'insert'> = async (tx, asked) => {
  await lockLimited(tx);
  if (!tx.careful && asked.every(({ options }) => options.jobs.every(({ unique }) => unique === undefined))) {
    return insertNew(tx, asked);
  }
  const placings = asked.flatMap(({ options, tell }) => options.jobs.map((job) => ({ job, tell })));
  const results = await placeJobs(tx, placings);
  let from = 0;
  return asked.map(({ options: { jobs, brief = false } }) => {
    const mine = results.slice(from, from + jobs.length);
    from += jobs.length;
    return brief ? [] : mine;
  });
};
