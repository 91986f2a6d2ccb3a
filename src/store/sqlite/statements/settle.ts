import { settle as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { type AttemptRow, attemptOf, isRepeat, refusalOf } from '../../attempt-row.ts';
import { isPlainFirstRun } from '../../first-run.ts';
import type { OutcomeReport, SettleResult } from '../../job-store.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import { COMPLETED } from '../run-states.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';
import { endSchedule } from './change-schedules.ts';

/**
 * Ends attempts: each only if it is still this worker's, by what `job/` decides; a repeat is answered as settled. First runs
 * that simply complete, nearly all, are known without their rows.
 */
export function settle(world: StoreWorld): Verb<'settle'> {
  const read = world.lists(
    `select ${ATTEMPT_COLUMNS} from json_each(?) as wanted cross join jobs on jobs.id = wanted.value`,
  );
  const end = new AttemptEnd(world);
  const endOf = endSchedule(world);

  /** Settles one outcome that is not refused. */
  function settleOne(row: AttemptRow, report: OutcomeReport, to: { now: number; tell: Tell }): void {
    const settlement = decide(row, report, { now: to.now, random: world.random });
    assert(settlement !== undefined, 'an executing job can be settled');
    end.write(row, settlement, { ...to, as: report.outcome });
    // An ended schedule stays in sight; a person can resume or delete it.
    if (report.endSchedule && row.schedule) endOf(row.schedule.name, to.now);
  }

  /** What is not known of jobs that outcomes are about, read at once; undefined: there is no such job. */
  function rowsOf(outcomes: readonly OutcomeReport[]): Map<string, AttemptRow | undefined> {
    const unknown = outcomes.flatMap(({ id }) => (world.firstRuns.has(id) ? [] : [id]));
    const rows = new Map<string, AttemptRow | undefined>(unknown.map((id) => [id, undefined]));
    if (unknown.length === 0) return rows;
    for (const list of read.all(JSON.stringify(unknown))) {
      const row = attemptOf(list);
      rows.set(row.id, row);
    }
    return rows;
  }

  /** The row of a job in its first run, or of one that has just completed it and is reported again. */
  function rowOf(id: string, now: number): AttemptRow | undefined {
    const row = world.firstRuns.rowOf(id);
    if (row !== undefined) return row;
    end.flush(now);
    const [list] = read.all(JSON.stringify([id]));
    return list && attemptOf(list);
  }

  return ({ now, worker, outcomes, brief = false }, tell) => {
    end.drop();
    world.workers.seen(worker, null, now);
    const rows = rowsOf(outcomes);
    const result: SettleResult = { settled: [], refused: [] };
    for (const report of outcomes) {
      const { id } = report;
      const run = isPlainFirstRun(report) ? world.firstRuns.of(report, worker) : undefined;
      if (run !== undefined && !rows.has(id)) {
        end.complete(id, run, { now, tell });
        if (!brief) result.settled.push({ id, state: COMPLETED });
        continue;
      }
      if (!rows.has(id)) rows.set(id, rowOf(id, now));
      const row = rows.get(id);
      const reason = refusalOf(row, report, worker);
      if (row !== undefined && (reason === undefined || isRepeat(row, report, worker))) {
        if (reason === undefined) settleOne(row, report, { now, tell });
        if (!brief) result.settled.push({ id, state: row.state });
      } else if (reason !== undefined) result.refused.push({ id, reason });
    }
    end.flush(now);
    return result;
  };
}
