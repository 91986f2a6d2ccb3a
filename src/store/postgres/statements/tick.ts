import { integer, integerOrNull, jsonCell, type Row, textOrNull } from '../../cell.ts';
import type { PassedTick, TickRecord, TickResult } from '../../schedule-record.ts';
import { texts } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Tell, type Verb } from '../verb.ts';
import { cancelOne } from './cancel.ts';
import { placeJobs } from './insert.ts';
import { currentTerm, staleTerm } from './leadership.ts';

/** How ticks are recorded: after the newest one that fired a tick is no repeat; a start's may be older than another's. */
interface Recording {
  now: number;
  tell: Tell;
  rising: boolean;
}

/** Programs whose starts are remembered. */
const REBOOTS_MAX = 10_000;

/** A tick whose job is there already by its unique key. */
const passedUnique = (at: number): PassedTick => ({ at, what: 'skipped', reason: 'unique' });

/** Records the decisions about schedules, each if its schedule still is what they were made on. Their rows are locked. */
async function record(tx: Transaction, ticks: readonly TickRecord[], to: Recording): Promise<TickResult[]> {
  const names = [...new Set(ticks.map(({ schedule }) => schedule))];
  await tx.run('select 1 from @schedules where name = any($1::text[]) order by name for update', [texts(names)]);
  const results: TickResult[] = [];
  for (const tick of ticks) results.push(await recordOne(tx, tick, to));
  return results;
}

async function recordOne(tx: Transaction, tick: TickRecord, to: Recording): Promise<TickResult> {
  const [row] = await tx.rows(
    'select revision, runs, cursor_at, last_at, last_job_id from @schedules where name = $1 for update',
    [tick.schedule],
  );
  if (!isDecidedOn(row, tick)) return { stale: true, jobs: [], cancelled: [] };
  const result: TickResult = { stale: false, jobs: [], cancelled: [] };
  let passed = tick.lastPassed;
  let lastAt = integerOrNull(row?.last_at);
  let lastJobId = textOrNull(row?.last_job_id);
  for (const job of tick.jobs) {
    const nominalAt = job.schedule?.at ?? to.now;
    if ((to.rising && lastAt !== null && nominalAt <= lastAt) || (await hasTick(tx, tick.schedule, nominalAt))) {
      result.jobs.push('repeat');
      continue;
    }
    if (tick.cancelsRunning && lastJobId !== null) result.cancelled.push(...(await cancelled(tx, lastJobId, to)));
    const [placed] = await placeJobs(tx, [{ job, tell: to.tell }]);
    if (placed === undefined || placed.conflict) {
      result.jobs.push('unique');
      passed = passedUnique(nominalAt);
      continue;
    }
    result.jobs.push('fired');
    lastAt = Math.max(lastAt ?? nominalAt, nominalAt);
    lastJobId = job.id;
  }
  const of = (what: string): number => result.jobs.filter((became) => became === what).length;
  await tx.run(
    `update @schedules set cursor_at = greatest(cursor_at, $1), runs = runs + $2, skipped = skipped + $3,
      missed = missed + $4, passed = coalesce($5, passed), last_at = $6, last_job_id = $7
    where name = $8`,
    [
      ...[tick.cursorAt, of('fired'), tick.skipped + of('unique'), tick.missed, jsonCell(passed), lastAt, lastJobId],
      tick.schedule,
    ],
  );
  return result;
}

function isDecidedOn(row: Row | undefined, tick: TickRecord): boolean {
  if (row === undefined) return false;
  const same = integer(row.revision) === tick.revision && integer(row.runs) === tick.runs;
  return same && integer(row.cursor_at) === tick.cursorFrom;
}

async function hasTick(tx: Transaction, schedule: string, at: number): Promise<boolean> {
  const rows = await tx.lists('select 1 from @jobs where schedule_name = $1 and schedule_at = $2', [schedule, at]);
  return rows.length > 0;
}

/** Cancels a job that has not ended; whoever runs it must be told. */
async function cancelled(tx: Transaction, id: string, { now, tell }: Recording): Promise<TickResult['cancelled']> {
  const { job, wasRunning } = await cancelOne(tx, { now, id, terminate: false }, tell);
  return job === null || wasRunning === null ? [] : [{ id, queue: job.queue, ...wasRunning }];
}

/** Records due ticks under the leader's term: each cursor moves, only forward, with the jobs of its ticks. */
export const tick: Verb<'tick'> = oneByOne(async (tx, { options, tell }: Asked<'tick'>) => {
  const { now, term, ticks } = options;
  return staleTerm(term, await currentTerm(tx)) ?? (await record(tx, ticks, { now, tell, rising: true }));
});

/** Records the ticks of one program's start; once, however often it is asked and whatever became of the jobs. */
export const reboot: Verb<'reboot'> = oneByOne(async (tx, { options, tell }: Asked<'reboot'>) => {
  const { now, instance, ticks } = options;
  // The mark is put first: another store that is asked the same waits for it, and is told that it is done.
  const marked = await tx.run('insert into @reboots (instance, at) values ($1, $2) on conflict do nothing', [
    instance,
    now,
  ]);
  if (marked === 0) return { done: true, results: [] };
  const results = await record(tx, ticks, { now, tell, rising: false });
  const done = results.every(({ stale }) => !stale);
  if (!done) await tx.run('delete from @reboots where instance = $1', [instance]);
  else {
    await tx.run(`delete from @reboots
      where at < (select at from @reboots order by at desc limit 1 offset ${REBOOTS_MAX})`);
  }
  return { done, results };
});
