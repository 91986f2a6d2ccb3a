import { INCOMPLETE_STATES, JOB_STATES, TERMINAL_STATES } from '../../../job/state.ts';
import { type Cell, integer, text } from '../../cell.ts';
import { stateOf } from '../../job-row.ts';
import type { JobCounts, JobFilter } from '../../job-store.ts';
import { conditionOf, Values } from '../job-filter.ts';
import { partsOf } from '../job-walk.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, isOneOf, oneByOne, type Verb } from '../verb.ts';

/** How many jobs there are. By queue and state alone the indexes are counted, without the rows; else the rows. */
export const count: Verb<'count'> = oneByOne(async (tx, { options: { filter } }: Asked<'count'>) => {
  const counts: JobCounts = {
    total: 0,
    // Every state is there, also with none.
    byState: Object.fromEntries(JOB_STATES.map((state) => [state, 0])) as JobCounts['byState'],
    byQueue: {},
  };
  for (const [queueCell, state, jobsCell] of await counted(tx, filter)) {
    const queue = text(queueCell);
    const jobs = integer(jobsCell);
    counts.total += jobs;
    counts.byState[stateOf(state)] += jobs;
    counts.byQueue[queue] = (counts.byQueue[queue] ?? 0) + jobs;
  }
  return counts;
});

/** Each part has an index of its own that holds queue and state; together they hold every job. */
const PARTS = [...INCOMPLETE_STATES.flatMap(partsOf), isOneOf(TERMINAL_STATES, 'jobs.state')];

async function counted(tx: Transaction, filter: JobFilter): Promise<Cell[][]> {
  const values = new Values();
  const condition = conditionOf(filter, values);
  const of = (part: string): string =>
    `select jobs.queue, jobs.state, count(*) as jobs from @jobs as jobs where ${part} and ${condition} group by 1, 2`;
  return await tx.once(isIndexed(filter) ? PARTS.map(of).join(' union all ') : of('true'), values.list);
}

/** Whether the indexes of queues and states answer a filter. */
function isIndexed({ type, tag, reference, schedule, before, after }: JobFilter): boolean {
  return [type, tag, reference, schedule, before, after].every((part) => part === undefined);
}
