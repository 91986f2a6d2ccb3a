import { JOB_STATES } from '../../job/state.ts';
import { type Cell, integer, text } from '../cell.ts';
import type { JobFilter } from '../job-store.ts';
import { conditionOf, Values } from './job-filter.ts';
import {
  AVAILABLE_PARTS,
  EXECUTING,
  firstAvailable,
  type Head,
  headsOf,
  IS_AVAILABLE,
  lastPlace,
  OF_PAIR,
  type Place,
} from './job-places.ts';
import { numbers, texts, words } from './sql-list.ts';
import type { Transaction } from './transaction.ts';

/** A part of a walk in order of insertion: which rows, between which places (both excluded). */
export interface Walk {
  filter: JobFilter;
  descending: boolean;
  above: number;
  below: number;
  limit: number;
}

/** Places that are looked at first where rows are asked one by one; each time nothing near is found, so many times as many. */
const NEAR_PLACES = 1_000;
const NEAR_GROWTH = 10;

/** Up to so many available jobs of one queue are read and sorted; among more, walking those of all queues finds a page sooner. */
const SORTED_MAX = 50_000;

/**
 * The places of jobs in order of insertion. A filter by reference or schedule has its index. All others walk the index of
 * places, once for each queue and state that has jobs, and merge: so ten discarded ones are found among a million completed
 * ones. Of many queues only those are walked whose first job is near enough. What is available is walked whatever its queue,
 * or, where a queue has few, read from the indexes of claims and sorted, as is what executes. The rest (type, tag, times) is
 * looked for row by row, in all of the queues as far as it takes, so that none is read to its end for what another one has
 * at once.
 */
export async function walkJobs(tx: Transaction, walk: Walk): Promise<Place[]> {
  const { filter } = walk;
  if (filter.reference !== undefined || filter.schedule !== undefined) return await walkIndex(tx, walk);
  const states = [...new Set(filter.states ?? JOB_STATES)];
  const range = { ...walk, queue: filter.queue, states };
  // What executes may change its state between two looks, and is then in a part that was read before: so it is read twice.
  const ran = states.includes('executing') ? await walkSorted(tx, walk, EXECUTING) : [];
  const heads = await headsOf(tx, range);
  const sorted = states.includes('executing') ? [EXECUTING] : [];
  if (states.includes('available')) {
    const few = filter.queue !== undefined && !(await hasMany(tx, filter.queue));
    const first = few ? undefined : await firstAvailable(tx, range);
    if (few) sorted.push(...AVAILABLE_PARTS);
    else if (first !== undefined) heads.push({ queue: ANY, state: 'available', seq: first });
  }
  const found = [...ran, ...(await walkHeads(tx, walk, inOrder(walk, heads)))];
  for (const part of sorted) found.push(...(await walkSorted(tx, walk, part)));
  const once = new Map(found.map((place) => [place.seq, place]));
  return inOrder(walk, [...once.values()]).slice(0, walk.limit);
}

/** Whose available jobs are walked: they are in order whatever their queue. */
const ANY = '';

async function hasMany(tx: Transaction, queue: string): Promise<boolean> {
  const values = new Values();
  const of = `jobs.queue = ${values.add(queue)}`;
  const parts = AVAILABLE_PARTS.map(
    (part) => `(select 1 from @jobs as jobs where ${part} and ${of} limit ${SORTED_MAX + 1})`,
  );
  const [row] = await tx.once(`select count(*) from (${parts.join(' union all ')}) as jobs`, values.list);
  return integer(row?.[0]) > SORTED_MAX;
}

const inOrder = <T extends { seq: number }>({ descending }: Walk, places: T[]): T[] =>
  places.sort((a, b) => (descending ? b.seq - a.seq : a.seq - b.seq));

/** Walks an index that is in order of insertion by itself: of references or of schedules. */
async function walkIndex(tx: Transaction, walk: Walk): Promise<Place[]> {
  const values = new Values();
  const condition = conditionOf(walk.filter, values);
  const sql = `select jobs.seq, jobs.id from @jobs as jobs where ${condition} and ${between(walk, values)}`;
  return placesOf(await tx.once(sql, values.list));
}

const between = ({ descending, above, below, limit }: Walk, values: Values): string =>
  `jobs.seq > ${values.add(above)} and jobs.seq < ${values.add(below)}
    order by jobs.seq ${descending ? 'desc' : 'asc'} limit ${values.add(limit)}`;

/** Reads the jobs of a part from the index that has them, and sorts their places. */
async function walkSorted(tx: Transaction, walk: Walk, part: string): Promise<Place[]> {
  const values = new Values();
  const { states: _states, ...others } = walk.filter;
  const sql = `with jobs as materialized (select jobs.seq, jobs.id from @jobs as jobs
      where ${part} and ${conditionOf(others, values)})
    select jobs.seq, jobs.id from jobs where ${between(walk, values)}`;
  return placesOf(await tx.once(sql, values.list));
}

/** Walks what has jobs, given in the order of the heads, and merges. */
async function walkHeads(tx: Transaction, walk: Walk, heads: readonly Head[]): Promise<Place[]> {
  const { states: _states, queue, ...rest } = walk.filter;
  const { limit, descending } = walk;
  const [first] = heads;
  if (first === undefined) return [];
  const ofQueue = queue !== undefined && heads.some(({ state }) => state === 'available');
  const asksRows = ofQueue || Object.values(rest).some((part) => part !== undefined);
  // Behind the last of so many heads nothing is near enough.
  if (!asksRows) return await walkTo(tx, walk, { heads: heads.slice(0, limit), end: heads[limit - 1]?.seq });
  const last = await lastOf(tx, walk, first.seq);
  const found: Place[] = [];
  const step = descending ? -1 : 1;
  let from = first.seq;
  for (let near = NEAR_PLACES; found.length < limit && (last - from) * step >= 0; near *= NEAR_GROWTH) {
    const end = from + step * near;
    const within = heads.filter(({ seq }) => (end - seq) * step >= 0);
    const left = { ...walk, limit: limit - found.length };
    // What is before was looked at.
    const starts = within.map((head) => ({ ...head, seq: (head.seq - from) * step > 0 ? head.seq : from }));
    found.push(...inOrder(walk, await walkTo(tx, left, { heads: starts, end })).slice(0, left.limit));
    from = end + step;
  }
  return found;
}

/** The last place that a walk can meet, or one behind it. */
async function lastOf(tx: Transaction, { descending, above, below }: Walk, first: number): Promise<number> {
  if (descending) return above + 1;
  return below - first <= NEAR_PLACES ? below - 1 : Math.min(below - 1, await lastPlace(tx));
}

/** Walks from the heads to a place (itself included), each as far as it takes for a page. */
async function walkTo(
  tx: Transaction,
  { filter, descending, above, below, limit }: Walk,
  { heads, end }: { heads: readonly Head[]; end: number | undefined },
): Promise<Place[]> {
  const { states: _states, ...ofQueue } = filter;
  const { queue: _queue, ...rest } = ofQueue;
  const reach = descending ? Math.max(above + 1, end ?? above) : Math.min(below - 1, end ?? below);
  const [from, to, order] = descending ? ['<=', '>=', 'desc'] : ['>=', '<=', 'asc'];
  const partOf = (first: string, values: Values): string =>
    `jobs.seq ${from} ${first} and jobs.seq ${to} ${values.add(reach)} order by jobs.seq ${order} limit ${values.add(limit)}`;
  const pairs = heads.filter(({ state }) => state !== 'available');
  const found: Place[] = [];
  if (pairs.length > 0) {
    const values = new Values();
    const lists = [
      `${values.add(texts(pairs.map(({ queue }) => queue)))}::text[]`,
      `${values.add(words(pairs.map(({ state }) => state)))}::text[]`,
      `${values.add(numbers(pairs.map(({ seq }) => seq)))}::bigint[]`,
    ];
    const sql = `select found.seq, found.id from unnest(${lists.join(', ')}) as pair (queue, state, seq) cross join lateral
      (select jobs.seq, jobs.id from @jobs as jobs where ${OF_PAIR} and ${conditionOf(rest, values)}
        and ${partOf('pair.seq', values)}) as found`;
    found.push(...placesOf(await tx.once(sql, values.list)));
  }
  for (const { seq } of heads.filter(({ state }) => state === 'available')) {
    const values = new Values();
    const sql = `select jobs.seq, jobs.id from @jobs as jobs where ${IS_AVAILABLE} and ${conditionOf(ofQueue, values)}
      and ${partOf(values.add(seq), values)}`;
    found.push(...placesOf(await tx.once(sql, values.list)));
  }
  return found;
}

const placesOf = (rows: readonly Cell[][]): Place[] => rows.map(([seq, id]) => ({ seq: integer(seq), id: text(id) }));
