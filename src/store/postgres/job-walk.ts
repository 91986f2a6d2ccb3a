import { JOB_STATES, type JobState } from '../../job/state.ts';
import { integer } from '../cell.ts';
import type { JobFilter } from '../job-store.ts';
import { conditionOf, Values } from './job-filter.ts';
import type { Transaction } from './transaction.ts';
import { isOneOf } from './verb.ts';

/** A part of a walk in order of insertion: which rows, between which places (both excluded). */
export interface Walk {
  filter: JobFilter;
  descending: boolean;
  above: number;
  below: number;
  limit: number;
}

/** The states whose jobs are in an index by queue and state that is in order of insertion. */
const LATER: readonly JobState[] = ['scheduled', 'retryable'];

/** Up to so many jobs of other states are read and sorted; among more, walking the table finds a page sooner. */
const SORTED_MAX = 50_000;

/**
 * The places of jobs in order of insertion. A filter by reference or schedule has its index. What is scheduled or
 * retryable has one by queue and state, walked once for each pair that has jobs. The jobs of any other state are read
 * from the index that has them and sorted, so that ten discarded ones are found among a million completed ones; where
 * they are many the table is walked, which soon meets them. The rest (type, tag, times) is looked for row by row.
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
  const later = states.filter((state) => LATER.includes(state));
  if (later.length > 0) found.push(...(await walkLater(tx, walk, later)));
  const many: JobState[] = [];
  for (const state of states.filter((one) => !LATER.includes(one))) {
    if (await hasMany(tx, walk.filter, state)) many.push(state);
    else found.push(...(await walkSorted(tx, walk, state)));
  }
  if (many.length > 0) found.push(...(await walkTable(tx, { ...walk, filter: { ...filter, states: many } })));
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

const IS_LATER = isOneOf(LATER, 'jobs.state');

/** Walks the index of what is for later once for each queue and state that have jobs; the pairs are found by leaps. */
async function walkLater(tx: Transaction, walk: Walk, states: readonly JobState[]): Promise<number[]> {
  const values = new Values();
  const { states: _states, queue, ...others } = walk.filter;
  const pair = `select jobs.queue, jobs.state from @jobs as jobs where ${IS_LATER}`;
  const first = 'order by jobs.queue, jobs.state limit 1';
  const from = queue === undefined ? '' : `and jobs.queue >= ${values.add(queue)}`;
  const within = queue === undefined ? '' : `and pairs.queue = ${values.add(queue)}`;
  const sql = `with recursive pairs (queue, state) as ((${pair} ${from} ${first})
      union all select next.queue, next.state from pairs cross join lateral
        (${pair} and (jobs.queue, jobs.state) > (pairs.queue, pairs.state) ${first}) as next where true ${within})
    select found.seq from pairs cross join lateral
      (select jobs.seq from @jobs as jobs where jobs.queue = pairs.queue and jobs.state = pairs.state and ${IS_LATER}
        and ${conditionOf(others, values)} and ${between(walk, values)}) as found
    where pairs.state = any(${values.add(`{${states.join(',')}}`)}::text[]) ${within}`;
  return placesOf(await tx.once(sql, values.list));
}

/** Reads the jobs of a state from the index that has them, and sorts their places. */
async function walkSorted(tx: Transaction, walk: Walk, state: JobState): Promise<number[]> {
  const values = new Values();
  const { states: _states, ...others } = walk.filter;
  const sql = `with jobs as materialized (select jobs.seq from @jobs as jobs
      where jobs.state = '${state}' and ${conditionOf(others, values)})
    select jobs.seq from jobs where ${between(walk, values)}`;
  return placesOf(await tx.once(sql, values.list));
}

async function hasMany(tx: Transaction, { queue }: JobFilter, state: JobState): Promise<boolean> {
  // What executes is never so much that it could not be sorted, and its walk by the table might never meet it.
  if (state === 'executing') return false;
  const values = new Values();
  const of = queue === undefined ? '' : `and queue = ${values.add(queue)}`;
  const sql = `select count(*) from (select 1 from @jobs where state = '${state}' ${of} limit ${SORTED_MAX + 1}) as jobs`;
  const [row] = await tx.once(sql, values.list);
  return integer(row?.[0]) > SORTED_MAX;
}

const placesOf = (rows: readonly unknown[][]): number[] => rows.map(([seq]) => integer(seq));
