import { JOB_STATES, type JobState } from '../../../job/state.ts';
import type { JobFilter, StoreOptions } from '../../job-store.ts';
import { integer, text } from '../cell.ts';
import { allOf, conditionsOf, indexFor } from '../job-filter.ts';
import { JOB_COLUMNS, jobOf } from '../job-row.ts';
import { Refusal, type StoreWorld, type Verb } from '../verb.ts';

/** A page of a walk in order of insertion: which rows after which place. */
interface Walk {
  filter: JobFilter;
  descending: boolean;
  /** The last row of the page before. */
  from: number;
  limit: number;
}

/**
 * A page of jobs by order of insertion. A filter by reference or schedule has its index. Queues and states have one
 * index by (queue, state), walked once for each pair that has jobs and merged, so that ten retryable jobs are found
 * among a million completed ones. The rest (type, tag, times) is looked for row by row.
 */
export function list(world: StoreWorld): Verb<'list'> {
  const whole = world.rows(
    `select seq, ${JOB_COLUMNS} from (select value as wanted from json_each(?)) cross join jobs on seq = wanted`,
  );
  return (options) => {
    const { filter, limit, order } = options;
    const from = startOf(options);
    if (from === undefined) return new Refusal('invalid_request', 'the cursor is not one of a page in this order');
    const descending = order === 'desc';
    const walk: Walk = { filter, descending, from, limit: limit + 1 };
    const seqs = byIndexOrTable(filter) ? walkOne(world, walk) : walkPairs(world, walk);
    const page = seqs.slice(0, limit);
    const sign = descending ? -1 : 1;
    const rows = whole.all(JSON.stringify(page)).sort((a, b) => sign * (integer(a.seq) - integer(b.seq)));
    const last = page.at(-1);
    return { jobs: rows.map(jobOf), cursor: seqs.length > limit && last !== undefined ? cursorOf(order, last) : null };
  };
}

function byIndexOrTable(filter: JobFilter): boolean {
  return indexFor(filter) !== undefined || (filter.queue === undefined && filter.states === undefined);
}

/** Walks one index or the table, which are in order of insertion by themselves. */
function walkOne(world: StoreWorld, walk: Walk): number[] {
  const { sql, values } = allOf(conditionsOf(walk.filter));
  const index = indexFor(walk.filter);
  const by = index === undefined ? 'not indexed' : `indexed by ${index}`;
  return places(world, { walk, source: `jobs ${by} where ${sql}`, values });
}

/** Walks the index of queues and states once for each pair, and merges. What executes is few and read whole. */
function walkPairs(world: StoreWorld, walk: Walk): number[] {
  const { filter } = walk;
  const { states = JOB_STATES, queue, ...others } = filter;
  const rest = allOf(conditionsOf(others));
  const wanted = new Set(states);
  const found: number[] = [];
  for (const pair of pairsWithJobs(world)) {
    if (!wanted.has(pair.state) || (queue ?? pair.queue) !== pair.queue || pair.state === 'executing') continue;
    const source = `jobs indexed by jobs_listed where queue = ? and state = ? and state <> 'executing' and ${rest.sql}`;
    found.push(...places(world, { walk, source, values: [pair.queue, pair.state, ...rest.values] }));
  }
  if (wanted.has('executing')) {
    const { sql, values } = allOf(conditionsOf({ ...others, ...(queue === undefined ? {} : { queue }) }));
    const running = world.lists(
      `select seq from jobs indexed by jobs_executing where state = 'executing' and ${sql} and ${beyond(walk)}`,
    );
    for (const [seq] of running.all(...values, walk.from)) found.push(integer(seq));
  }
  return found.sort((a, b) => (walk.descending ? b - a : a - b)).slice(0, walk.limit);
}

function places(world: StoreWorld, from: { walk: Walk; source: string; values: (string | number)[] }): number[] {
  const { walk, source, values } = from;
  const direction = walk.descending ? 'desc' : 'asc';
  const statement = world.lists(`select seq from ${source} and ${beyond(walk)} order by seq ${direction} limit ?`);
  return statement.all(...values, walk.from, walk.limit).map(([seq]) => integer(seq));
}

const beyond = (walk: Walk): string => `seq ${walk.descending ? '<' : '>'} ?`;

function pairsWithJobs(world: StoreWorld): { queue: string; state: JobState }[] {
  world.counts.flush();
  const rows = world.rows('select queue, state from job_counts where jobs > 0').all();
  return rows.flatMap((row) => {
    const state = JOB_STATES.find((known) => known === row.state);
    return state === undefined ? [] : [{ queue: text(row.queue), state }];
  });
}

/** A cursor names its order, for going on in the other one would repeat rows. */
function cursorOf(order: 'asc' | 'desc', seq: number): string {
  return `${order === 'asc' ? 'a' : 'd'}${seq.toString(36)}`;
}

function startOf({ order, cursor }: StoreOptions<'list'>): number | undefined {
  const descending = order === 'desc';
  if (cursor === undefined) return descending ? Number.MAX_SAFE_INTEGER : 0;
  const seq = Number.parseInt(cursor.slice(1), 36);
  return Number.isSafeInteger(seq) && seq > 0 && cursorOf(order, seq) === cursor ? seq : undefined;
}
