import type { Job } from '../../../job/job.ts';
import { JOB_STATES, type JobState } from '../../../job/state.ts';
import { assert } from '../../../kernel/error.ts';
import { utf8Bytes } from '../../../kernel/json.ts';
import type { JobFilter, StoreOptions } from '../../job-store.ts';
import { integer, text } from '../cell.ts';
import { allOf, conditionsOf, indexFor } from '../job-filter.ts';
import { JOB_COLUMNS, jobOf, stateOf } from '../job-row.ts';
import { Refusal, type StoreWorld, type Verb } from '../verb.ts';

/** Jobs are read so many at a time. */
const STEP_ROWS = 32;

/** What the names and times of a job may take more on the wire than here, in bytes of JSON. */
const FRAME_BYTES = 256;

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
 * among a million completed ones; what is available or executes is found by the index of claims or of workers. The rest
 * (type, tag, times) is looked for row by row.
 */
export function list(world: StoreWorld): Verb<'list'> {
  const whole = world.rows(
    `select seq, ${JOB_COLUMNS} from (select value as wanted from json_each(?)) cross join jobs on seq = wanted`,
  );

  /** The jobs at these places, in their order, as many as fit; read in small steps, for one may have a megabyte. */
  function jobsAt(seqs: readonly number[], bytesMax: number): Job[] {
    const jobs: Job[] = [];
    let bytes = 0;
    for (let from = 0; from < seqs.length; from += STEP_ROWS) {
      const step = seqs.slice(from, from + STEP_ROWS);
      const rows = new Map(whole.all(JSON.stringify(step)).map((row) => [integer(row.seq), row]));
      for (const seq of step) {
        const row = rows.get(seq);
        assert(row !== undefined, 'a job that was just found is there');
        const job = jobOf(row);
        bytes += FRAME_BYTES + utf8Bytes(JSON.stringify(job));
        if (bytes > bytesMax && jobs.length > 0) return jobs;
        jobs.push(job);
      }
    }
    return jobs;
  }

  return (options) => {
    const { filter, limit, order } = options;
    const from = startOf(options);
    if (from === undefined) return new Refusal('invalid_request', 'the cursor is not one of a page in this order');
    const descending = order === 'desc';
    const walk: Walk = { filter, descending, from, limit: limit + 1 };
    const seqs = byIndexOrTable(filter) ? walkOne(world, walk) : walkPairs(world, walk);
    const page = seqs.slice(0, limit);
    const jobs = jobsAt(page, options.bytesMax ?? Number.POSITIVE_INFINITY);
    const last = page[jobs.length - 1];
    return { jobs, cursor: seqs.length > jobs.length && last !== undefined ? cursorOf(order, last) : null };
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

/** Up to so many available jobs of a queue are read and sorted; among more, walking the table finds a page sooner. */
const SORTED_MAX = 20_000;

/** Walks the index of queues and states once for each pair that has jobs, and merges. */
function walkPairs(world: StoreWorld, walk: Walk): number[] {
  const { states = JOB_STATES, queue, ...others } = walk.filter;
  const rest = allOf(conditionsOf(others));
  const found: number[] = [];
  for (const pair of pairsWithJobs(world)) {
    if (!states.includes(pair.state) || (queue ?? pair.queue) !== pair.queue) continue;
    const source = `jobs ${byIndex(pair)} where queue = ? and ${stateIs(pair.state)} and ${rest.sql}`;
    found.push(...places(world, { walk, source, values: [pair.queue, ...rest.values] }));
  }
  return found.sort((a, b) => (walk.descending ? b - a : a - b)).slice(0, walk.limit);
}

interface Pair {
  queue: string;
  state: JobState;
  jobs: number;
}

function byIndex({ state, jobs }: Pair): string {
  if (state === 'executing') return 'indexed by jobs_executing';
  if (state !== 'available') return 'indexed by jobs_listed';
  return jobs <= SORTED_MAX ? 'indexed by jobs_claim' : 'not indexed';
}

/** A state as the partial index that has it knows it. */
function stateIs(state: JobState): string {
  const equal = `state = '${state}'`;
  return state === 'available' || state === 'executing'
    ? equal
    : `${equal} and state <> 'available' and state <> 'executing'`;
}

function places(world: StoreWorld, from: { walk: Walk; source: string; values: (string | number)[] }): number[] {
  const { walk, source, values } = from;
  const direction = walk.descending ? 'desc' : 'asc';
  const statement = world.lists(`select seq from ${source} and ${beyond(walk)} order by seq ${direction} limit ?`);
  return statement.all(...values, walk.from, walk.limit).map(([seq]) => integer(seq));
}

const beyond = (walk: Walk): string => `seq ${walk.descending ? '<' : '>'} ?`;

function pairsWithJobs(world: StoreWorld): Pair[] {
  world.counts.flush();
  const rows = world.lists('select queue, state, jobs from job_counts where jobs > 0').all();
  return rows.map(([queue, state, jobs]) => ({ queue: text(queue), state: stateOf(state), jobs: integer(jobs) }));
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
