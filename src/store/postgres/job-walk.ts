import { JOB_STATES, type JobState } from '../../job/state.ts';
import { type Cell, integer, text } from '../cell.ts';
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

/** A job's place in order of insertion, and what it is found by. */
export interface Place {
  seq: number;
  id: string;
}

/**
 * What has an entry in the index of places: all but what executes. In the words of that index, which no other condition
 * implies: else it would be walked by statements that want a few of one state and name no order.
 */
export const HAS_PLACE = "(jobs.state = 'executing') is false";

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
export async function walkJobs(tx: Transaction, walk: Walk): Promise<Place[]> {
  const { filter, descending, limit } = walk;
  const inOrder = (places: Place[]): Place[] =>
    places.sort((a, b) => (descending ? b.seq - a.seq : a.seq - b.seq)).slice(0, limit);
  if (filter.reference !== undefined || filter.schedule !== undefined) return await walkTable(tx, walk, 'true');
  if (filter.queue === undefined && filter.states === undefined) {
    return inOrder([...(await walkTable(tx, walk, HAS_PLACE)), ...(await walkSorted(tx, walk, EXECUTING))]);
  }
  const states = [...new Set(filter.states ?? JOB_STATES)];
  const found: Place[] = [];
  const later = states.filter((state) => LATER.includes(state));
  if (later.length > 0) found.push(...(await walkLater(tx, walk, later)));
  const many: JobState[] = [];
  for (const state of states.filter((one) => !LATER.includes(one))) {
    if (await hasMany(tx, walk.filter, state)) many.push(state);
    else for (const part of partsOf(state)) found.push(...(await walkSorted(tx, walk, part)));
  }
  const few = { ...walk, filter: { ...filter, states: many } };
  if (many.length > 0) found.push(...(await walkTable(tx, few, HAS_PLACE)));
  return inOrder(found);
}

const EXECUTING = "jobs.state = 'executing'";

/** The jobs of a state, in the words of the indexes that have them. */
export function partsOf(state: JobState): string[] {
  const equal = `jobs.state = '${state}'`;
  return state === 'available' ? [`jobs.aside is null and ${equal}`, `jobs.aside is not null and ${equal}`] : [equal];
}

/** Walks an index that is in order of insertion by itself: of references, of schedules, or the one of places. */
async function walkTable(tx: Transaction, walk: Walk, has: string): Promise<Place[]> {
  const values = new Values();
  const sql = `select jobs.seq, jobs.id from @jobs as jobs where ${has} and ${conditionOf(walk.filter, values)}
    and ${between(walk, values)}`;
  return placesOf(await tx.once(sql, values.list));
}

const between = ({ descending, above, below, limit }: Walk, values: Values): string =>
  `jobs.seq > ${values.add(above)} and jobs.seq < ${values.add(below)}
    order by jobs.seq ${descending ? 'desc' : 'asc'} limit ${values.add(limit)}`;

const IS_LATER = isOneOf(LATER, 'jobs.state');

/** Walks the index of what is for later once for each queue and state that have jobs; the pairs are found by leaps. */
async function walkLater(tx: Transaction, walk: Walk, states: readonly JobState[]): Promise<Place[]> {
  const values = new Values();
  const { states: _states, queue, ...others } = walk.filter;
  const pair = `select jobs.queue, jobs.state from @jobs as jobs where ${IS_LATER}`;
  const first = 'order by jobs.queue, jobs.state limit 1';
  const from = queue === undefined ? '' : `and jobs.queue >= ${values.add(queue)}`;
  const within = queue === undefined ? '' : `and pairs.queue = ${values.add(queue)}`;
  const sql = `with recursive pairs (queue, state) as ((${pair} ${from} ${first})
      union all select next.queue, next.state from pairs cross join lateral
        (${pair} and (jobs.queue, jobs.state) > (pairs.queue, pairs.state) ${first}) as next where true ${within})
    select found.seq, found.id from pairs cross join lateral
      (select jobs.seq, jobs.id from @jobs as jobs where jobs.queue = pairs.queue and jobs.state = pairs.state and ${IS_LATER}
        and ${conditionOf(others, values)} and ${between(walk, values)}) as found
    where pairs.state = any(${values.add(`{${states.join(',')}}`)}::text[]) ${within}`;
  return placesOf(await tx.once(sql, values.list));
}

/** Reads the jobs of a part from the index that has them, and sorts their places. */
async function walkSorted(tx: Transaction, walk: Walk, part: string): Promise<Place[]> {
  const values = new Values();
  const { states: _states, ...others } = walk.filter;
  const sql = `with jobs as materialized (select jobs.seq, jobs.id from @jobs as jobs
      where ${part} and ${conditionOf(others, values)})
    select jobs.seq, jobs.id from jobs where ${between(walk, values)}`;
  return placesOf(await tx.once(sql, values.list));
}

async function hasMany(tx: Transaction, { queue }: JobFilter, state: JobState): Promise<boolean> {
  // What executes is never so much that it could not be sorted, and its walk by the table might never meet it.
  if (state === 'executing') return false;
  const values = new Values();
  const of = queue === undefined ? '' : `and jobs.queue = ${values.add(queue)}`;
  const parts = partsOf(state).map(
    (part) => `(select 1 from @jobs as jobs where ${part} ${of} limit ${SORTED_MAX + 1})`,
  );
  const [row] = await tx.once(`select count(*) from (${parts.join(' union all ')}) as jobs`, values.list);
  return integer(row?.[0]) > SORTED_MAX;
}

const placesOf = (rows: readonly Cell[][]): Place[] => rows.map(([seq, id]) => ({ seq: integer(seq), id: text(id) }));
