import { integer, integerOrNull, jsonCell, textOrNull } from '../../cell.ts';
import type { PassedTick, TickRecord, TickResult } from '../../schedule-record.ts';
import { Refusal, type StoreWorld, type Tell, type Verb } from '../verb.ts';
import { cancel } from './cancel.ts';
import { insertJob } from './insert.ts';
import { currentTerm, staleTerm } from './leadership.ts';

/** A tick after the newest one that fired is no repeat; a start's nominal time may be older than another program's. */
type Recorder = (tick: TickRecord, to: { now: number; tell: Tell; rising: boolean }) => TickResult;

/** Programs whose starts are remembered. */
const REBOOTS_MAX = 10_000;

/** A tick whose job is there already by its unique key. */
const passedUnique = (at: number): PassedTick => ({ at, what: 'skipped', reason: 'unique' });

/** Records the decisions about one schedule, if it still is what they were made on. */
function recorder(world: StoreWorld): Recorder {
  const put = insertJob(world);
  const cancelJob = cancel(world);
  const read = world.rows('select revision, runs, cursor_at, last_at, last_job_id from schedules where name = ?');
  const hasTick = world.rows('select 1 from jobs where schedule_name = ? and schedule_at = ?');
  const write = world.rows(`update schedules set cursor_at = max(cursor_at, ?), runs = runs + ?, skipped = skipped + ?,
      missed = missed + ?, passed = coalesce(?, passed), last_at = ?, last_job_id = ?
    where name = ?`);

  /** Cancels a job that has not ended; whoever runs it must be told. */
  function cancelled(id: string, { now, tell }: { now: number; tell: Tell }): TickResult['cancelled'] {
    const answer = cancelJob({ now, id, terminate: false }, tell);
    if (answer instanceof Refusal || answer.job === null || answer.wasRunning === null) return [];
    return [{ id, queue: answer.job.queue, ...answer.wasRunning }];
  }

  return (tick, { now, tell, rising }) => {
    const { schedule, cursorAt, skipped, missed, lastPassed } = tick;
    const row = read.get(schedule);
    const same = row !== undefined && integer(row.revision) === tick.revision && integer(row.runs) === tick.runs;
    if (!same || integer(row.cursor_at) !== tick.cursorFrom) return { stale: true, jobs: [], cancelled: [] };
    const result: TickResult = { stale: false, jobs: [], cancelled: [] };
    let passed = lastPassed;
    let lastAt = integerOrNull(row.last_at);
    let lastJobId = textOrNull(row.last_job_id);
    let fired = 0;
    for (const job of tick.jobs) {
      const nominalAt = job.schedule?.at ?? now;
      if ((rising && lastAt !== null && nominalAt <= lastAt) || hasTick.get(schedule, nominalAt) !== undefined) {
        result.jobs.push('repeat');
        continue;
      }
      if (tick.cancelsRunning && lastJobId !== null) result.cancelled.push(...cancelled(lastJobId, { now, tell }));
      if (!put(job, tell)) {
        result.jobs.push('unique');
        passed = passedUnique(nominalAt);
        continue;
      }
      result.jobs.push('fired');
      lastAt = Math.max(lastAt ?? nominalAt, nominalAt);
      lastJobId = job.id;
      fired += 1;
    }
    const unique = result.jobs.filter((became) => became === 'unique').length;
    write.run(cursorAt, fired, skipped + unique, missed, jsonCell(passed), lastAt, lastJobId, schedule);
    return result;
  };
}

/** Records due ticks under the leader's term: each cursor moves, only forward, with the jobs of its ticks. */
export function tick(world: StoreWorld): Verb<'tick'> {
  const term = currentTerm(world);
  const record = recorder(world);
  return ({ now, term: claimed, ticks }, tell) =>
    staleTerm(claimed, term()) ?? ticks.map((one) => record(one, { now, tell, rising: true }));
}

/** Records the ticks of one program's start; once, however often it is asked and whatever became of the jobs. */
export function reboot(world: StoreWorld): Verb<'reboot'> {
  const record = recorder(world);
  const known = world.rows('select 1 from reboots where instance = ?');
  const mark = world.rows('insert into reboots (instance, at) values (?, ?)');
  const forget = world.rows(`delete from reboots
    where at < (select at from reboots order by at desc limit 1 offset ${REBOOTS_MAX})`);
  return ({ now, instance, ticks }, tell) => {
    if (known.get(instance) !== undefined) return { done: true, results: [] };
    const results = ticks.map((one) => record(one, { now, tell, rising: false }));
    const done = results.every(({ stale }) => !stale);
    if (done) {
      mark.run(instance, now);
      forget.run();
    }
    return { done, results };
  };
}
