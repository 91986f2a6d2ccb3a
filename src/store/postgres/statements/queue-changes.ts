import { integer, text } from '../../cell.ts';
import { nothingSaid, saidAfter } from '../../queue-change.ts';
import type { QueueChange, QueueRecord } from '../../queue-record.ts';
import { lastPlace } from '../job-places.ts';
import type { QueueRule } from '../queue-rules.ts';
import { texts } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, type Verb } from '../verb.ts';
import { windowOf } from './queue-room.ts';

/** The records of rules, with what was said of how many a node runs. */
async function recordsOf(tx: Transaction, rules: readonly QueueRule[]): Promise<QueueRecord[]> {
  if (rules.length === 0) return [];
  const rows = await tx.lists(
    'select queue, node, jobs from @queue_scales where queue = any($1::text[]) order by node',
    [texts(rules.map(({ queue }) => queue))],
  );
  return rules.map((rule) => {
    const mine = rows.filter(([queue]) => queue === rule.queue);
    const scales = new Map(mine.map(([, node, jobs]) => [text(node), integer(jobs)]));
    const scale = scales.get('') ?? null;
    scales.delete('');
    return { ...rule, scale, scaleByNode: Object.fromEntries(scales) };
  });
}

/** What operators have said of queues. */
export const queues: Verb<'queues'> = oneByOne(async (tx, { options: { queues: names } }: Asked<'queues'>) =>
  recordsOf(tx, names === undefined ? tx.queues.all() : names.flatMap((name) => tx.queues.of(name) ?? [])),
);

/** When a queue's rate lets the next job start. */
export const nextStart: Verb<'nextStart'> = oneByOne(async (tx, { options: { now, queue } }: Asked<'nextStart'>) => {
  const rule = tx.queues.of(queue);
  const at = rule === undefined ? null : ((await windowOf(tx, rule))?.nextAt(now) ?? null);
  return { at: at === Number.POSITIVE_INFINITY ? null : at };
});

/**
 * Changes what is said of one queue, for the very next claim. Another path of partitions begins to sort what is there;
 * until that is done no job of the queue starts, so that the limit holds for all of them from now on. The group holds the
 * lock of rules alone, so no job is being inserted meanwhile.
 */
export const changeQueue: Verb<'changeQueue'> = oneByOne(async (tx, { options }: Asked<'changeQueue'>) => {
  const { queue, change } = options;
  const rule = tx.queues.of(queue);
  const [known] = rule === undefined ? [] : await recordsOf(tx, [rule]);
  const before = known ?? nothingSaid(queue);
  const after = saidAfter(before, change);
  if (after === undefined) return { queue: before, changed: false };
  await write(tx, { after, before, scale: change.scale });
  await tx.queues.reread(tx);
  const written = tx.queues.of(queue);
  const [record] = written === undefined ? [] : await recordsOf(tx, [written]);
  return { queue: record ?? before, changed: true };
});

interface Written {
  after: QueueRecord;
  before: QueueRecord;
  scale: QueueChange['scale'];
}

async function write(tx: Transaction, { after, before, scale }: Written): Promise<void> {
  const { queue, paused, globalLimit, rate, partition } = after;
  const limits = [globalLimit, rate?.limit ?? null, rate?.periodMs ?? null];
  await tx.run(
    `insert into @queues (queue, paused, global_limit, rate_limit, rate_period_ms, partition_by, partition_limit)
      values ($1, $2, $3, $4, $5, $6, $7)
      on conflict (queue) do update set paused = excluded.paused, global_limit = excluded.global_limit,
        rate_limit = excluded.rate_limit, rate_period_ms = excluded.rate_period_ms,
        partition_by = excluded.partition_by, partition_limit = excluded.partition_limit`,
    [queue, Number(paused), ...limits, partition?.by ?? null, partition?.limit ?? null],
  );
  if (scale !== undefined) await writeScale(tx, queue, scale);
  if (rate === null) await tx.run('delete from @queue_starts where queue = $1', [queue]);
  if (partition?.by === before.partition?.by) return;
  const end = partition === null ? 0 : await lastPlace(tx);
  const sorted = end === 0 ? [null, null] : [0, end];
  await tx.run('update @queues set sorted_to = $1, sort_end = $2 where queue = $3', [...sorted, queue]);
}

async function writeScale(
  tx: Transaction,
  queue: string,
  { node, limit }: NonNullable<QueueChange['scale']>,
): Promise<void> {
  if (limit === null) {
    await tx.run('delete from @queue_scales where queue = $1 and node = $2', [queue, node ?? '']);
    return;
  }
  await tx.run(
    `insert into @queue_scales (queue, node, jobs) values ($1, $2, $3)
      on conflict (queue, node) do update set jobs = excluded.jobs`,
    [queue, node ?? '', limit],
  );
}
