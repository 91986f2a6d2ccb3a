import { JOB_STATES, type JobState } from '../../job/state.ts';
import { integer } from '../cell.ts';
import type { JobFilter } from '../job-store.ts';
import { conditionOf, Values } from './job-filter.ts';
import type { Transaction } from './transaction.ts';

/** A part of a walk in order of insertion: which rows, between which places (both excluded). */
export interface Walk {
  filter: JobFilter;
  descending: boolean;
  above: number;
  below: number;
  limit: number;
}

/** States that come and go; the others are in the index of lists. */
const LIVE: readonly JobState[] = ['available', 'executing'];

/** Up to so many available jobs are read and sorted; among more, walking the table finds a page sooner. */
const SORTED_MAX = 20_000;

/**
 * The places of jobs in order of insertion. A filter by reference or schedule has its index. Queues and states have one
 * index by (queue, state), walked once for each pair that has jobs and merged, so that ten retryable jobs are found
 * among a million completed ones; what is available or executes is found by the index of claims or of what executes. The
 * rest (type, tag, times) is looked for row by row.
 */
export async function walkJobs(tx: Transaction, walk: Walk): Promise<number[]> {
  const { filter, descending, limit } = walk;
  const byTable =
    filter.reference !== undefined ||
    filter.schedule !== undefined ||
    (filter.queue === undefined && filter.states === undefined);
  if (byTable) return await walkTable(tx, walk);
  const states = [...new Set(filter.states ?? JOB_STATES)];
  const found: number[] = [];
  const listed = states.filter((state) => !LIVE.includes(state));
  if (listed.length > 0) found.push(...(await walkListed(tx, walk, listed)));
  for (const state of LIVE) if (states.includes(state)) found.push(...(await walkLive(tx, walk, state)));
  return found.sort((a, b) => (descending ? b - a : a - b)).slice(0, limit);
}

/** Walks an index that is in order of insertion by itself: of references, of schedules, or the table's own. */
async function walkTable(tx: Transaction, walk: Walk): Promise<number[]> {
  const values = new Values();
  const sql = `select jobs.seq from @jobs as jobs where ${conditionOf(walk.filter, values)}
    and ${between(walk, values)}`;
  return placesOf(await tx.once(sql, values.list));
}

const between = ({ descending, above, below, limit }: Walk, values: Values): string =>
  `jobs.seq > ${values.add(above)} and jobs.seq < ${values.add(below)}
    order by jobs.seq ${descending ? 'desc' : 'asc'} limit ${values.add(limit)}`;

const NOT_LIVE = "jobs.state <> 'available' and jobs.state <> 'executing'";

/** Walks the index of queues and states once for each pair that has jobs; the pairs are found by leaps. */
async function walkListed(tx: Transaction, walk: Walk, states: readonly JobState[]): Promise<number[]> {
  const values = new Values();
  const { states: _states, queue, ...others } = walk.filter;
  const pair = `select jobs.queue, jobs.state from @jobs as jobs where ${NOT_LIVE}`;
  const first = 'order by jobs.queue, jobs.state limit 1';
  const from = queue === undefined ? '' : `and jobs.queue >= ${values.add(queue)}`;
  const within = queue === undefined ? '' : `and pairs.queue = ${values.add(queue)}`;
  const sql = `with recursive pairs (queue, state) as ((${pair} ${from} ${first})
      union all select next.queue, next.state from pairs cross join lateral
        (${pair} and (jobs.queue, jobs.state) > (pairs.queue, pairs.state) ${first}) as next where true ${within})
    select found.seq from pairs cross join lateral
      (select jobs.seq from @jobs as jobs where jobs.queue = pairs.queue and jobs.state = pairs.state and ${NOT_LIVE}
        and ${conditionOf(others, values)} and ${between(walk, values)}) as found
    where pairs.state = any(${values.add(`{${states.join(',')}}`)}::text[]) ${within}`;
  return placesOf(await tx.once(sql, values.list));
}

/** Reads what is available or executes, which is rarely much, and sorts it; where it is much, walks the table. */
async function walkLive(tx: Transaction, walk: Walk, state: JobState): Promise<number[]> {
  if (state === 'available' && (await availableUpTo(tx, walk.filter, SORTED_MAX + 1)) > SORTED_MAX) {
    return walkTable(tx, { ...walk, filter: { ...walk.filter, states: [state] } });
  }
  const values = new Values();
  const { states: _states, ...others } = walk.filter;
  const sql = `with jobs as materialized (select jobs.seq from @jobs as jobs
      where jobs.state = '${state}' and ${conditionOf(others, values)})
    select jobs.seq from jobs where ${between(walk, values)}`;
  return placesOf(await tx.once(sql, values.list));
}

async function availableUpTo(tx: Transaction, { queue }: JobFilter, most: number): Promise<number> {
  const values = new Values();
  const of = queue === undefined ? '' : `and queue = ${values.add(queue)}`;
  const sql = `select count(*) from (select 1 from @jobs where state = 'available' ${of} limit ${values.add(most)}) as waiting`;
  const [row] = await tx.once(sql, values.list);
  return integer(row?.[0]);
}

const placesOf = (rows: readonly unknown[][]): number[] => rows.map(([seq]) => integer(seq));
