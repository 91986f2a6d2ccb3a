import { JOB_STATES } from '../../../job/state.ts';
import { integer, text } from '../../cell.ts';
import { stateOf } from '../../job-row.ts';
import type { JobCounts, JobFilter } from '../../job-store.ts';
import { allOf, conditionsOf, indexFor } from '../job-filter.ts';
import type { StoreWorld, Verb } from '../verb.ts';

/** How many jobs there are. By queue and state that is known at any size; any other filter counts its rows. */
export function count(world: StoreWorld): Verb<'count'> {
  return ({ filter }) => {
    world.counts.flush();
    const { sql, values } = allOf(conditionsOf(filter));
    const rows = isSummed(filter)
      ? world.lists(`select queue, state, jobs from job_counts where jobs > 0 and ${sql}`).all(...values)
      : world.lists(`select queue, state, count(*) from ${sourceOf(filter)} where ${sql} group by 1, 2`).all(...values);
    let total = 0;
    // Every state is there, also with none.
    const byState = new Map(JOB_STATES.map((state) => [state, 0]));
    const byQueue = new Map<string, number>();
    for (const [queueCell, stateCell, jobsCell] of rows) {
      const queue = text(queueCell);
      const state = stateOf(stateCell);
      const jobs = integer(jobsCell);
      total += jobs;
      byState.set(state, (byState.get(state) ?? 0) + jobs);
      byQueue.set(queue, (byQueue.get(queue) ?? 0) + jobs);
    }
    return {
      total,
      byState: Object.fromEntries(byState) as JobCounts['byState'],
      byQueue: Object.fromEntries(byQueue),
    };
  };
}

function sourceOf(filter: JobFilter): string {
  const index = indexFor(filter);
  return index === undefined ? 'jobs' : `jobs indexed by ${index}`;
}

/** Whether the sums per queue and state answer a filter. */
function isSummed(filter: JobFilter): boolean {
  const { type, tag, reference, schedule, before, after } = filter;
  return [type, tag, reference, schedule, before, after].every((part) => part === undefined);
}
