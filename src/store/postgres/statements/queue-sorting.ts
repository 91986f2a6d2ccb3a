import type { Job } from '../../../job/job.ts';
import { INCOMPLETE_STATES } from '../../../job/state.ts';
import { type Cell, integer, json, text } from '../../cell.ts';
import { firstPlace } from '../job-places.ts';
import { walkJobs } from '../job-walk.ts';
import { texts, words } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';
import { WINDOW_ROWS } from './sweep.ts';

/** Writes the partition of a job anew, by what it says then. In queues without partitions nothing is read. */
export async function sortJob(tx: Transaction, queue: string, id: string): Promise<void> {
  if (tx.queues.of(queue)?.partition != null) await sortJobs(tx, [id]);
}

async function sortJobs(tx: Transaction, ids: readonly string[]): Promise<void> {
  const rows = await tx.lists(
    'select id, queue, args, meta from @jobs where id = any($1::uuid[]) order by seq + 0 for update',
    [words(ids)],
  );
  await tx.run(
    `update @jobs as jobs set partition_key = sorted.key from unnest($1::uuid[], $2::text[]) as sorted (id, key)
      where jobs.id = sorted.id`,
    [words(rows.map(([id]) => text(id))), texts(rows.map((row) => keyOf(tx, row)))],
  );
}

function keyOf(tx: Transaction, [, queue, args, meta]: readonly Cell[]): string | null {
  return tx.queues.keyOf(text(queue), { args: json(args), meta: json<Job['meta'] | null>(meta) ?? {} });
}

/**
 * One step through the jobs that were there when a queue was given partitions, in order of insertion. Newer ones are
 * stored with their partition, and one that has ended is given it when it is retried.
 */
export const sortPartitions: Verb<'sortPartitions'> = oneByOne(async (tx, { options }: Asked<'sortPartitions'>) => {
  const { queue, limit } = options;
  const [place] = await tx.lists(
    'select sorted_to, sort_end from @queues where queue = $1 and sorted_to is not null for update',
    [queue],
  );
  if (place === undefined) return { done: true };
  const [from, end] = [integer(place[0]), integer(place[1])];
  const filter = { queue, states: INCOMPLETE_STATES };
  const first = await firstPlace(tx, { ...filter, above: from, below: end + 1 });
  const above = first === undefined ? end : first - 1;
  const upTo = Math.min(end, above + WINDOW_ROWS);
  const range = { descending: false, above, below: upTo + 1, limit };
  const places = above < end ? await walkJobs(tx, { filter, ...range }) : [];
  if (places.length > 0) {
    await sortJobs(
      tx,
      places.map(({ id }) => id),
    );
  }
  const reached = places.length < limit ? upTo : (places.at(-1)?.seq ?? upTo);
  const done = reached >= end;
  const sorted = done ? [null, null] : [reached, end];
  await tx.run('update @queues set sorted_to = $1, sort_end = $2 where queue = $3', [...sorted, queue]);
  if (done) await tx.queues.reread(tx);
  return { done };
});
