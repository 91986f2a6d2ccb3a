import { JOB_STATES, type JobState } from '../../job/state.ts';
import { integer, text } from '../cell.ts';
import { stateOf } from '../job-row.ts';
import type { JobFilter } from '../job-store.ts';
import { allOf, conditionsOf, indexFor } from './job-filter.ts';
import { limitOf, type StoreWorld } from './verb.ts';

/** A part of a walk in order of insertion: which rows, between which places (both excluded). */
export interface Walk {
  filter: JobFilter;
  descending: boolean;
  above: number;
  below: number;
  limit: number;
}

/**
 * The places of jobs in order of insertion. A filter by reference or schedule has its index. Queues and states have one
 * index by (queue, state), walked once for each pair that has jobs and merged, so that ten retryable jobs are found
 * among a million completed ones; what is available or executes is found by the index of claims or of workers. The rest
 * (type, tag, times) is looked for row by row.
 */
export function walkJobs(world: StoreWorld, walk: Walk): number[] {
  return byIndexOrTable(walk.filter) ? walkOne(world, walk) : walkPairs(world, walk);
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
    for (const index of byIndexes(pair)) {
      const source = `jobs ${index} and queue = ? and ${rest.sql}`;
      found.push(...places(world, { walk, source, values: [pair.queue, ...rest.values] }));
    }
  }
  return found.sort((a, b) => (walk.descending ? b - a : a - b)).slice(0, walk.limit);
}

interface Pair {
  queue: string;
  state: JobState;
  jobs: number;
}

/** The indexes that have a queue's jobs of a state, each with the condition that it is known by. */
function byIndexes({ state, jobs }: Pair): string[] {
  const equal = `state = '${state}'`;
  if (state === 'executing') return [`indexed by jobs_executing where ${equal}`];
  if (state !== 'available') {
    return [`indexed by jobs_listed where ${equal} and state <> 'available' and state <> 'executing'`];
  }
  if (jobs > SORTED_MAX) return [`not indexed where ${equal}`];
  const both = ['claim where aside is null', 'aside where aside is not null'];
  return both.map((index) => `indexed by jobs_${index} and ${equal}`);
}

function places(world: StoreWorld, from: { walk: Walk; source: string; values: (string | number)[] }): number[] {
  const { walk, source, values } = from;
  const direction = walk.descending ? 'desc' : 'asc';
  const statement = world.lists(
    `select seq from ${source} and seq > ? and seq < ? order by seq ${direction} ${limitOf('?')}`,
  );
  return statement.all(...values, walk.above, walk.below, walk.limit).map(([seq]) => integer(seq));
}

function pairsWithJobs(world: StoreWorld): Pair[] {
  world.counts.flush();
  const rows = world.lists('select queue, state, jobs from job_counts where jobs > 0').all();
  return rows.map(([queue, state, jobs]) => ({ queue: text(queue), state: stateOf(state), jobs: integer(jobs) }));
}
