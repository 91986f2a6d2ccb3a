import { JOB_STATES, type JobState } from '../../job/state.ts';
import { integer, integerOrNull, text } from '../cell.ts';
import { stateOf } from '../job-row.ts';
import { Values } from './job-filter.ts';
import { words } from './sql-list.ts';
import type { Transaction } from './transaction.ts';

/** A job's place in order of insertion, and what it is found by. */
export interface Place {
  seq: number;
  id: string;
}

/** Jobs of one queue in one state: in the index of places they stand together, in order of insertion. */
export interface Pair {
  queue: string;
  state: JobState;
}

/** A pair with the first place that it has in a range. */
export interface Head extends Pair {
  seq: number;
}

/** Which places are meant, of which queues (all: undefined) and states. Both ends of the range are excluded. */
export interface PlaceRange {
  queue?: string | undefined;
  states: readonly JobState[];
  above: number;
  below: number;
  /** From the last to the first. */
  descending?: boolean;
}

/**
 * What has an entry in the index of places by state and queue: all but what is available or executes. In the words of that
 * index, which no other condition implies: else it would be walked by statements that want a few of one state and name no
 * order.
 */
export const HAS_PLACE = "(jobs.state = 'executing' or jobs.state = 'available') is false";

/** What has an entry in the index of places alone, in its words, for the same reason. */
export const IS_AVAILABLE = "(jobs.state <> 'available') is false";

/** What executes, in the words of its index. */
export const EXECUTING = "jobs.state = 'executing'";

/** What is available, in the words of the indexes of claims, which know queues. */
export const AVAILABLE_PARTS = ['null', 'not null'].map(
  (aside) => `jobs.aside is ${aside} and jobs.state = 'available'`,
);

/** The jobs of `pair`, in the words of the index of places; `order by jobs.seq` goes along it. */
export const OF_PAIR = `jobs.state = pair.state and jobs.queue = pair.queue and ${HAS_PLACE}`;

/** The states of what is in the index of places by state and queue. */
export const PLACED_STATES: readonly JobState[] = JOB_STATES.filter(
  (state) => state !== 'executing' && state !== 'available',
);

const NEXT_QUEUE = `select jobs.queue from @jobs as jobs where ${HAS_PLACE}`;
const FIRST = 'order by jobs.queue limit 1';

/**
 * The pairs of a queue (`queue` names the value; undefined: of all) with some states (`states` names them) as the table
 * `pair`, to put before a statement. Those of all queues are found by leaps, one look for each that has jobs.
 */
export function withPairs(queue: string | undefined, states: string): string {
  const wanted = `unnest(${states}::text[]) as wanted (state)`;
  if (queue !== undefined) return `with pair (queue, state) as (select ${queue}::text, wanted.state from ${wanted})`;
  return `with recursive pair (queue, state) as (
    (select next.queue, wanted.state from ${wanted} cross join lateral
      (${NEXT_QUEUE} and jobs.state = wanted.state ${FIRST}) as next)
    union all select next.queue, pair.state from pair cross join lateral
      (${NEXT_QUEUE} and jobs.state = pair.state and jobs.queue > pair.queue ${FIRST}) as next)`;
}

const within = ({ above, below }: PlaceRange, values: Values): string =>
  `jobs.seq > ${values.add(above)} and jobs.seq < ${values.add(below)}`;

const inOrderOf = ({ descending }: PlaceRange): string => `order by jobs.seq ${descending ? 'desc' : 'asc'}`;

/** The pairs that have a job with a place in a range, each with the first one: two looks into the index for each. */
export async function headsOf(tx: Transaction, range: PlaceRange): Promise<Head[]> {
  const { queue } = range;
  const placed = range.states.filter((state) => PLACED_STATES.includes(state));
  if (placed.length === 0) return [];
  const values = new Values();
  const pairs = withPairs(queue === undefined ? undefined : values.add(queue), values.add(words(placed)));
  const rows = await tx.once(
    `${pairs} select pair.queue, pair.state, head.seq from pair cross join lateral
      (select jobs.seq from @jobs as jobs where ${OF_PAIR} and ${within(range, values)} ${inOrderOf(range)} limit 1) as head`,
    values.list,
  );
  return rows.map(([queueCell, state, seq]) => ({ queue: text(queueCell), state: stateOf(state), seq: integer(seq) }));
}

/** The first available job of a range, of whatever queue; undefined: there is none. */
export async function firstAvailable(tx: Transaction, range: PlaceRange): Promise<number | undefined> {
  const values = new Values();
  const sql = `select jobs.seq from @jobs as jobs where ${IS_AVAILABLE} and ${within(range, values)} ${inOrderOf(range)} limit 1`;
  const [row] = await tx.once(sql, values.list);
  return integerOrNull(row?.[0] ?? null) ?? undefined;
}

/**
 * The first place of a range, or one before: what is available may be of another queue. Undefined: it has none. What executes
 * is in no order, and never so much that it could not be read.
 */
export async function firstPlace(tx: Transaction, range: PlaceRange): Promise<number | undefined> {
  const { states, descending = false } = range;
  // Before the others and after them: it may go on to one of their states, or come from one, meanwhile.
  const ran = await firstExecuting(tx, range);
  const heads = (await headsOf(tx, range)).map(({ seq }) => seq);
  const available = states.includes('available') ? await firstAvailable(tx, range) : undefined;
  const places = [
    ...ran,
    ...heads,
    ...(available === undefined ? [] : [available]),
    ...(await firstExecuting(tx, range)),
  ];
  if (places.length === 0) return undefined;
  return places.reduce((a, b) => (descending ? Math.max(a, b) : Math.min(a, b)));
}

/** The first place of what executes, as a list of one or none. */
async function firstExecuting(tx: Transaction, range: PlaceRange): Promise<number[]> {
  const { queue, states, descending } = range;
  if (!states.includes('executing')) return [];
  const values = new Values();
  const of = queue === undefined ? '' : `and jobs.queue = ${values.add(queue)}`;
  const [row] = await tx.once(
    `select ${descending ? 'max' : 'min'}(jobs.seq) from @jobs as jobs where ${EXECUTING} ${of}
      and ${within(range, values)}`,
    values.list,
  );
  const first = integerOrNull(row?.[0] ?? null);
  return first === null ? [] : [first];
}

/** The newest place of all jobs; 0: there is none. */
export async function lastPlace(tx: Transaction): Promise<number> {
  const all = { states: JOB_STATES, above: 0, below: Number.MAX_SAFE_INTEGER };
  return (await firstPlace(tx, { ...all, descending: true })) ?? 0;
}
