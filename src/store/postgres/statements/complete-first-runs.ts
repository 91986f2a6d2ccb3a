import { firstRunCompleted } from '../../../job/job-event.ts';
import { stateAfter } from '../../../job/life.ts';
import { assert } from '../../../kernel/error.ts';
import { OUTCOMES } from '../../attempt-row.ts';
import { type FirstRun, isPlainFirstRun } from '../../first-run.ts';
import type { OutcomeReport, SettleResult } from '../../job-store.ts';
import { numbersIn, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import type { Asked } from '../verb.ts';

/** Fewer are settled with those of other requests, in one statement. */
const TOGETHER_MIN = 32;

const COMPLETED = stateAfter('executing', 'complete');

/**
 * Completes first runs that are still their worker's, found by one walk through the index of ids: 12 µs of the server's CPU
 * a job instead of 14.5, and only places come back. That they execute is asked of the row alone, as in the statement of
 * all other completions.
 */
const COMPLETE = `with completed as (
    update @jobs as jobs set state = '${COMPLETED}', finished_at = $3, result = null, terminate = null,
      settled_as = ${OUTCOMES.indexOf('complete')}, settled_run = 1, missed_at = null
    where jobs.id = any($1::uuid[]) and case when jobs.state = 'executing' then jobs.run end = 1 and jobs.attempt = 1
      and jobs.runner = $2
    returning jobs.seq)
  select array_agg(seq) from completed`;

/**
 * Completes what a request reports of first runs that this store knows of, where they are many and have no result.
 * Answers the reports that are left: all others, and those whose job is no longer the worker's.
 */
export async function completeFirstRuns(
  tx: Transaction,
  { options: { now, worker, outcomes, brief = false }, tell }: Asked<'settle'>,
  { settled }: SettleResult,
): Promise<readonly OutcomeReport[]> {
  if (outcomes.length < TOGETHER_MIN) return outcomes;
  const runs: FirstRun[] = [];
  const reports: OutcomeReport[] = [];
  const left: OutcomeReport[] = [];
  // What a job is reported first in a request counts.
  const others = new Set<string>();
  for (const report of outcomes) {
    const { id, insertedAt } = report;
    const run = isPlainFirstRun(report) && !others.has(id) ? tx.firstRuns.take(id, insertedAt) : undefined;
    if (run === undefined) {
      others.add(id);
      left.push(report);
    } else {
      runs.push(run);
      reports.push(report);
    }
  }
  if (runs.length === 0) return left;
  const [row] = await tx.lists(COMPLETE, [words(runs.map(({ id }) => id)), tx.signs.keyOf(worker), now]);
  const lost = othersOf(runs, numbersIn(row?.[0] ?? null));
  for (const run of runs) {
    if (lost?.has(run.id)) continue;
    tell(firstRunCompleted(run.id, run, now));
    if (!brief) settled.push({ id: run.id, state: COMPLETED });
  }
  return lost === undefined ? left : [...left, ...reports.filter(({ id }) => lost.has(id))];
}

/** The ids of those whose places did not come back; undefined: all did. */
function othersOf(runs: readonly FirstRun[], places: readonly number[]): Set<string> | undefined {
  const completed = new Set(places);
  const others = runs.filter(({ seq }) => !completed.delete(seq));
  // Of a later job that has the id of a deleted one: what was written goes back with the group, which is then run with care.
  assert(completed.size === 0, 'no other job than those that were claimed is completed');
  return others.length === 0 ? undefined : new Set(others.map(({ id }) => id));
}
