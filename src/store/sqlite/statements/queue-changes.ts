import { integer } from '../../cell.ts';
import { nothingSaid, saidAfter } from '../../queue-change.ts';
import type { QueueChange, QueueRecord } from '../../queue-record.ts';
import type { QueueRule } from '../queue-rules.ts';
import type { StoreWorld, Verb } from '../verb.ts';

const recordOf = ({ window: _window, ...record }: QueueRule): QueueRecord => record;

/** What operators have said of queues. */
export function queues(world: StoreWorld): Verb<'queues'> {
  return ({ queues: names }) => {
    const rules = names === undefined ? world.queues.all() : names.flatMap((name) => world.queues.of(name) ?? []);
    return rules.map(recordOf);
  };
}

/** When a queue's rate lets the next job start. */
export function nextStart(world: StoreWorld): Verb<'nextStart'> {
  return ({ now, queue }) => {
    const at = world.queues.of(queue)?.window?.nextAt(now) ?? null;
    return { at: at === Number.POSITIVE_INFINITY ? null : at };
  };
}

/**
 * Changes what is said of one queue, for the very next claim. Another path of partitions begins to sort what is there;
 * until that is done no job of the queue starts, so that the limit holds for all of them from now on.
 */
export function changeQueue(world: StoreWorld): Verb<'changeQueue'> {
  const put = world.rows(`insert into queues (queue, paused, global_limit, rate_limit, rate_period_ms, partition_by,
      partition_limit) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (queue) do update set paused = excluded.paused, global_limit = excluded.global_limit,
      rate_limit = excluded.rate_limit, rate_period_ms = excluded.rate_period_ms,
      partition_by = excluded.partition_by, partition_limit = excluded.partition_limit`);
  const putScale = world.rows('insert or replace into queue_scales (queue, node, jobs) values (?, ?, ?)');
  const liftScale = world.rows('delete from queue_scales where queue = ? and node = ?');
  const forgetStarts = world.rows('delete from queue_starts where queue = ?');
  const sort = world.rows('update queues set sorted_to = ?, sort_end = ? where queue = ?');
  const last = world.rows('select max(seq) as seq from jobs');

  function write(after: QueueRecord, before: QueueRecord, scale: QueueChange['scale']): void {
    const { queue, paused, globalLimit, rate, partition } = after;
    const limits = [globalLimit, rate?.limit ?? null, rate?.periodMs ?? null] as const;
    put.run(queue, Number(paused), ...limits, partition?.by ?? null, partition?.limit ?? null);
    if (scale !== undefined && scale.limit === null) liftScale.run(queue, scale.node ?? '');
    else if (scale !== undefined) putScale.run(queue, scale.node ?? '', scale.limit);
    if (rate === null) forgetStarts.run(queue);
    if (partition?.by === before.partition?.by) return;
    const end = integer(last.get()?.seq ?? 0);
    if (partition === null || end === 0) sort.run(null, null, queue);
    else sort.run(0, end, queue);
  }

  return ({ queue, change }) => {
    const rule = world.queues.of(queue);
    const before = rule === undefined ? nothingSaid(queue) : recordOf(rule);
    const after = saidAfter(before, change);
    if (after === undefined) return { queue: before, changed: false };
    write(after, before, change.scale);
    world.queues.drop();
    const written = world.queues.of(queue);
    return { queue: written === undefined ? before : recordOf(written), changed: true };
  };
}
