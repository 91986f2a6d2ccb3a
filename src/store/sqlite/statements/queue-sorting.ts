import type { Job } from '../../../job/job.ts';
import { INCOMPLETE_STATES } from '../../../job/state.ts';
import { integer, json, text } from '../../cell.ts';
import { walkJobs } from '../job-walk.ts';
import type { StoreWorld, Verb } from '../verb.ts';

/** Places that one step looks at, at most: other queues' jobs may lie between. */
const WINDOW_ROWS = 20_000;

/** Writes the partition of the job at a place anew, by what it says then. */
export type SortJob = (queue: string, seq: number, to?: { isAside: boolean }) => void;

/** What sorts one job. In queues without partitions nothing is read. */
export function sortJob(world: StoreWorld): SortJob {
  const read = world.lists('select args, meta, type, state from jobs where seq = ?');
  const write = world.rows('update jobs set partition_key = ?, aside = ? where seq = ?');
  return (queue, seq, { isAside } = { isAside: false }) => {
    if (world.queues.of(queue)?.partition == null) return;
    const [row] = read.all(seq);
    if (row === undefined) return;
    const job = { args: json(row[0]), meta: json<Job['meta'] | null>(row[1]) ?? {} };
    const goesAside = isAside && row[3] === 'available';
    if (goesAside) world.queues.aside.add(queue, [text(row[2])]);
    write.run(world.queues.keyOf(queue, job), goesAside ? 1 : null, seq);
  };
}

/**
 * One step through the jobs that were there when a queue was given partitions, in order of insertion. Newer ones are
 * stored with their partition, and one that has ended is given it when it is retried.
 */
export function sortPartitions(world: StoreWorld): Verb<'sortPartitions'> {
  const where = world.rows('select sorted_to, sort_end from queues where queue = ? and sorted_to is not null');
  const after = world.rows('select seq from jobs where seq > ? order by seq limit 1');
  const move = world.rows('update queues set sorted_to = ?, sort_end = ? where queue = ?');
  const sort = sortJob(world);
  return ({ queue, limit }) => {
    const place = where.get(queue);
    if (place === undefined) return { done: true };
    const [from, end] = [integer(place.sorted_to), integer(place.sort_end)];
    const first = after.get(from);
    const above = first === undefined ? end : integer(first.seq) - 1;
    const upTo = Math.min(end, above + WINDOW_ROWS);
    const filter = { queue, states: INCOMPLETE_STATES };
    const seqs = above < end ? walkJobs(world, { filter, descending: false, above, below: upTo + 1, limit }) : [];
    // There may be more of them than a line takes.
    for (const seq of seqs) sort(queue, seq, { isAside: true });
    const reached = seqs.length < limit ? upTo : (seqs.at(-1) ?? upTo);
    const done = reached >= end;
    move.run(done ? null : reached, done ? null : end, queue);
    if (done) world.queues.drop();
    return { done };
  };
}
