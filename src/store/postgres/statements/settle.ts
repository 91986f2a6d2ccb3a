import { stateAfter } from '../../../job/life.ts';
import { settle as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { isUuid } from '../../../kernel/identity.ts';
import { type AttemptRow, isRepeat, OUTCOMES, refusalOf } from '../../attempt-row.ts';
import { type Cell, integer, integerOrNull, jsonCell, text } from '../../cell.ts';
import { endRow } from '../../ended-row.ts';
import { scheduleOf } from '../../job-row.ts';
import type { OutcomeReport, SettleResult, StoreOptions } from '../../job-store.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { lockedAttempts } from '../job-columns.ts';
import { numbers, texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import type { Asked, Verb } from '../verb.ts';
import { endSchedule } from './change-schedules.ts';
import { completeFirstRuns } from './complete-first-runs.ts';

/** A request, or what is left of it, and what it comes to. */
interface Reports extends Asked<'settle'> {
  result: SettleResult;
}

/** A completion that is one line of a statement, if its attempt is still its worker's. */
interface Plain {
  report: OutcomeReport & { outcome: 'complete' };
  options: StoreOptions<'settle'>;
}

const COMPLETED = stateAfter('executing', 'complete');

/**
 * Completes attempts that are still their workers', as one statement; the rows say what the facts need. That they execute
 * is asked of the row alone: as a condition of its own it would lead to the index of what executes, which is then read
 * once for each report (measured, 640 ms for a thousand instead of 40).
 */
const COMPLETE = `update @jobs as jobs set state = '${COMPLETED}', finished_at = said.now, result = said.result,
    terminate = null, settled_as = ${OUTCOMES.indexOf('complete')}, settled_run = jobs.run, missed_at = null
  from unnest($1::uuid[], $2::integer[], $3::integer[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[])
    as said (id, run, attempt, runner, now, result, inserted_at)
  where jobs.id = said.id and case when jobs.state = 'executing' then jobs.run end = said.run
    and jobs.attempt = said.attempt and jobs.runner = said.runner
    and (said.inserted_at is null or jobs.inserted_at = said.inserted_at)
  returning jobs.id, jobs.queue, jobs.type, jobs.max_attempts, jobs.attempted_at, jobs.schedule_name, jobs.schedule_at,
    jobs.schedule_late`;

/**
 * Ends attempts: each only if it is still this worker's, by what `job/` decides; a repeat is answered as settled. First runs
 * that this store's claims know of and that simply complete, nearly all, are a statement of their own.
 */
export const settle: Verb<'settle'> = async (tx, asked) => {
  const results = asked.map((): SettleResult => ({ settled: [], refused: [] }));
  const left: Reports[] = [];
  for (const [index, one] of asked.entries()) {
    const result = results[index];
    assert(result !== undefined, 'each request has a result');
    const outcomes = await completeFirstRuns(tx, one, result);
    if (outcomes.length > 0) left.push({ options: { ...one.options, outcomes }, tell: one.tell, result });
  }
  if (left.length > 0) await settleRows(tx, left);
  return results;
};

/** Settles what must be read: other completions as one statement; for the rest rows are locked, decided about and written together. */
async function settleRows(tx: Transaction, asked: readonly Reports[]): Promise<void> {
  const plain = plainOf(asked);
  const completed = await complete(tx, plain);
  const others = asked.flatMap(({ options }) =>
    options.outcomes.filter(({ id }) => !completed.has(id)).map(({ id }) => id),
  );
  const locked = await lockedAttempts(tx, others);
  const end = new AttemptEnd();
  const ended: { name: string; now: number }[] = [];
  for (const { options, tell, result } of asked) {
    const { now, worker, outcomes, brief = false } = options;
    for (const report of outcomes) {
      const row = completed.get(report.id) ?? locked.get(report.id);
      const first = plain.get(report.id)?.report === report && completed.has(report.id);
      const reason = first ? undefined : refusalOf(row, report, worker);
      if (row !== undefined && (reason === undefined || isRepeat(row, report, worker))) {
        if (reason === undefined) {
          const settlement = decide(row, report, { now, random: tx.random });
          assert(settlement !== undefined, 'an executing job can be settled');
          const to = { now, tell, as: report.outcome };
          if (first) endRow(row, settlement, to);
          else end.write(row, settlement, to);
          // An ended schedule stays in sight; a person can resume or delete it.
          if (report.endSchedule && row.schedule) ended.push({ name: row.schedule.name, now });
        }
        if (!brief) result.settled.push({ id: report.id, state: row.state });
      } else if (reason !== undefined) result.refused.push({ id: report.id, reason });
    }
  }
  await end.flush(tx);
  for (const { name, now } of ended) await endSchedule(tx, name, now);
}

/** The first report of each job, where it is a completion that a statement can decide: by run, with a result that is kept. */
function plainOf(asked: readonly Reports[]): Map<string, Plain> {
  const first = new Map<string, Plain | undefined>();
  for (const { options } of asked) {
    for (const report of options.outcomes) {
      if (first.has(report.id)) continue;
      const fits = report.outcome === 'complete' && report.run !== undefined && isUuid(report.id) && keeps(report);
      first.set(report.id, fits ? { report, options } : undefined);
    }
  }
  return new Map([...first].flatMap(([id, one]): [string, Plain][] => (one === undefined ? [] : [[id, one]])));
}

const NOBODY: AttemptRow = {
  ...{ seq: 0, id: '', queue: '', type: '', state: 'executing', attempt: 1, maxAttempts: 1, run: 1, scheduledAt: 0 },
  insertedAt: 0,
  ...{ attemptedAt: 0, finishedAt: null, worker: null, schedule: null, backoff: null, errors: [], result: null },
  ...{ settledRun: null, settledAs: null, missedAt: null, terminate: null },
};

/** Whether the result is kept as it is: else the job gets an error entry. */
function keeps(report: OutcomeReport & { outcome: 'complete' }): boolean {
  if (report.resultFault === undefined && report.result === null) return true;
  return decide(NOBODY, report, { now: 0, random: () => 0 })?.errors.length === 0;
}

/** Completes what can be; answers the rows of the attempts that were, as they were while they ran. */
async function complete(tx: Transaction, plain: ReadonlyMap<string, Plain>): Promise<Map<string, AttemptRow>> {
  if (plain.size === 0) return new Map();
  const each = [...plain.values()];
  const results = each.map(({ report }) => jsonCell(report.result));
  const rows = await tx.lists(COMPLETE, [
    words(each.map(({ report }) => report.id)),
    numbers(each.map(({ report }) => report.run ?? null)),
    numbers(each.map(({ report }) => report.attempt)),
    numbers(each.map(({ options }) => tx.signs.keyOf(options.worker))),
    numbers(each.map(({ options }) => options.now)),
    results.every((result) => result === null) ? null : texts(results),
    numbers(each.map(({ report }) => report.insertedAt ?? null)),
  ]);
  return new Map(
    rows.map((row) => {
      const one = plain.get(text(row[0]));
      assert(one !== undefined, 'a job that was completed was reported');
      return [one.report.id, ranRow(row, one)];
    }),
  );
}

/** What a completion and its fact need of the row of an attempt that was just completed, as it was while it ran. */
function ranRow(row: readonly Cell[], { report, options }: Plain): AttemptRow {
  const [id, queue, type, maxAttempts, attemptedAt, scheduleName, scheduleAt, scheduleLate] = row;
  return {
    ...NOBODY,
    id: text(id),
    queue: text(queue),
    type: text(type),
    attempt: report.attempt,
    maxAttempts: integer(maxAttempts),
    run: report.run ?? 0,
    attemptedAt: integerOrNull(attemptedAt),
    worker: options.worker,
    schedule: scheduleOf(scheduleName, scheduleAt, scheduleLate),
  };
}
