import { settle as decide } from '../../../job/settlement.ts';
import { assert } from '../../../kernel/error.ts';
import { type AttemptRow, attemptOf, isRepeat, refusalOf } from '../../attempt-row.ts';
import type { OutcomeReport, SettleResult } from '../../job-store.ts';
import { AttemptEnd } from '../attempt-end.ts';
import { ATTEMPT_COLUMNS } from '../job-columns.ts';
import type { StoreWorld, Tell, Verb } from '../verb.ts';
import { endSchedule } from './change-schedules.ts';

/** Ends attempts: each only if it is still this worker's, by what `job/` decides; a repeat is answered as settled. */
export function settle(world: StoreWorld): Verb<'settle'> {
  const read = world.lists(
    `select ${ATTEMPT_COLUMNS} from json_each(?) as wanted cross join jobs on jobs.id = wanted.value`,
  );
  const end = new AttemptEnd(world);
  const endOf = endSchedule(world);

  /** Settles one outcome; false when it is refused. */
  function settleOne(row: AttemptRow, report: OutcomeReport, to: { now: number; tell: Tell }): void {
    const settlement = decide(row, report, { now: to.now, random: world.random });
    assert(settlement !== undefined, 'an executing job can be settled');
    end.write(row, settlement, { ...to, as: report.outcome });
    // An ended schedule stays in sight; a person can resume or delete it.
    if (report.endSchedule && row.schedule) endOf(row.schedule.name, to.now);
  }

  /** The rows of all outcomes: those of first runs are at hand, the rest is read at once. */
  function rowsOf(outcomes: readonly OutcomeReport[]): Map<string, AttemptRow> {
    const rows = new Map<string, AttemptRow>();
    const unknown: string[] = [];
    for (const { id } of outcomes) {
      const row = world.firstRuns.get(id);
      if (row === undefined) unknown.push(id);
      else rows.set(id, row);
    }
    if (unknown.length === 0) return rows;
    for (const list of read.all(JSON.stringify(unknown))) {
      const row = attemptOf(list);
      rows.set(row.id, row);
    }
    return rows;
  }

  return ({ now, worker, outcomes }, tell) => {
    end.drop();
    world.workers.seen(worker, null, now);
    const rows = rowsOf(outcomes);
    const result: SettleResult = { settled: [], refused: [] };
    for (const report of outcomes) {
      const { id } = report;
      const row = rows.get(id);
      const reason = refusalOf(row, report, worker);
      if (row !== undefined && (reason === undefined || isRepeat(row, report, worker))) {
        if (reason === undefined) settleOne(row, report, { now, tell });
        result.settled.push({ id, state: row.state });
      } else if (reason !== undefined) result.refused.push({ id, reason });
    }
    end.flush(now);
    return result;
  };
}
