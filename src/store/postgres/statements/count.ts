import { JOB_STATES, type JobState } from '../../../job/state.ts';
import { type Cell, integer, text } from '../../cell.ts';
import { stateOf } from '../../job-row.ts';
import type { JobCounts, JobFilter } from '../../job-store.ts';
import { conditionOf, Values } from '../job-filter.ts';
import { AVAILABLE_PARTS, EXECUTING, OF_PAIR, PLACED_STATES, withPairs } from '../job-places.ts';
import { words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';

/** How many jobs there are. By queue and state alone the indexes are counted, without the rows; else the rows. */
export const count: Verb<'count'> = oneByOne(async (tx, { options: { filter } }: Asked<'count'>) => {
  let total = 0;
  // Every state is there, also with none.
  const byState = new Map<JobState, number>(JOB_STATES.map((state) => [state, 0]));
  const byQueue = new Map<string, number>();
  for (const [queueCell, stateCell, jobsCell] of await counted(tx, filter)) {
    const [queue, state, jobs] = [text(queueCell), stateOf(stateCell), integer(jobsCell)];
    total += jobs;
    byState.set(state, (byState.get(state) ?? 0) + jobs);
    byQueue.set(queue, (byQueue.get(queue) ?? 0) + jobs);
  }
  // A map becomes an object with an entry for each state.
  return { total, byState: Object.fromEntries(byState) as JobCounts['byState'], byQueue: Object.fromEntries(byQueue) };
});

async function counted(tx: Transaction, filter: JobFilter): Promise<Cell[][]> {
  const values = new Values();
  if (!isIndexed(filter)) {
    const condition = conditionOf(filter, values);
    const rows = `from @jobs as jobs where ${condition} group by 1, 2`;
    return await tx.once(`select jobs.queue, jobs.state, count(*) ${rows}`, values.list);
  }
  const { queue, states = JOB_STATES } = filter;
  const of = queue === undefined ? undefined : values.add(queue);
  const pairs = withPairs(of, values.add(words(PLACED_STATES.filter((state) => states.includes(state)))));
  const parts = [
    ...(states.includes('available') ? AVAILABLE_PARTS : []),
    ...(states.includes('executing') ? [EXECUTING] : []),
  ];
  const others = parts.map(
    (part) => `union all select jobs.queue, jobs.state, count(*) from @jobs as jobs
    where ${part} ${of === undefined ? '' : `and jobs.queue = ${of}`} group by 1, 2`,
  );
  const sql = `${pairs} select pair.queue, pair.state, placed.jobs from pair cross join lateral
    (select count(*) as jobs from @jobs as jobs where ${OF_PAIR}) as placed where placed.jobs > 0 ${others.join(' ')}`;
  return await tx.once(sql, values.list);
}

/** Whether the indexes of queues and states answer a filter. */
function isIndexed({ type, tag, reference, schedule, before, after }: JobFilter): boolean {
  return [type, tag, reference, schedule, before, after].every((part) => part === undefined);
}
