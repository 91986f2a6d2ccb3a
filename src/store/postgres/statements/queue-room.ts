import { RateWindow } from '../../../job/rate-window.ts';
import { integer } from '../../cell.ts';
import { isLimited, type QueueRule } from '../queue-rules.ts';
import { numbers, texts } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';

/**
 * Locks the rows of all queues that the group claims from whose limits count what executes, once and in one order, so that the
 * claims of all stores go in turn: what is counted from now on stays so until the group has committed. Before any job is
 * stored, for that may wait for a group that stores the same.
 */
export async function lockLimited(tx: Transaction): Promise<void> {
  const queues = [...tx.toLock].filter((queue) => {
    const rule = tx.queues.of(queue);
    return rule !== undefined && isLimited(rule);
  });
  tx.toLock.clear();
  if (queues.length === 0) return;
  await tx.run('select 1 from @queues where queue = any($1::text[]) order by queue for update', [texts(queues)]);
}

/** How many jobs of a queue may start now by what operators said of it, its partitions apart. */
export async function roomOf(tx: Transaction, rule: QueueRule, now: number): Promise<number> {
  if (rule.paused || rule.sorting) return 0;
  const free = rule.globalLimit === null ? Number.POSITIVE_INFINITY : rule.globalLimit - (await executing(tx, rule));
  if (free <= 0) return 0;
  const window = await windowOf(tx, rule, now);
  return Math.max(0, Math.min(free, window?.room(now) ?? Number.POSITIVE_INFINITY));
}

/** Counts starts against a queue's rate. */
export async function noteStarts(
  tx: Transaction,
  rule: QueueRule,
  { jobs, now }: { jobs: number; now: number },
): Promise<void> {
  if (jobs === 0) return;
  const window = await windowOf(tx, rule);
  if (window !== null) await writeStarts(tx, rule, window.note(now, jobs));
}

async function writeStarts(
  tx: Transaction,
  rule: QueueRule,
  { write, from }: ReturnType<RateWindow['note']>,
): Promise<void> {
  await tx.run('delete from @queue_starts where queue = $1 and since < $2', [
    rule.queue,
    Math.min(from, Number.MAX_SAFE_INTEGER),
  ]);
  await tx.run(
    `insert into @queue_starts (queue, since, at, starts)
      select $1, * from unnest($2::bigint[], $3::bigint[], $4::integer[])
      on conflict (queue, since) do update set at = excluded.at, starts = excluded.starts`,
    [
      rule.queue,
      numbers(write.map(({ since }) => since)),
      numbers(write.map(({ at }) => at)),
      numbers(write.map(({ starts }) => starts)),
    ],
  );
}

/**
 * The starts of a queue with a rate; null: it has none. With `now`, of a locked queue: after a step back of the clock what
 * lies ahead counts as of now, and is written so, or it would count as of each later now.
 */
export async function windowOf(tx: Transaction, rule: QueueRule, now?: number): Promise<RateWindow | null> {
  const { queue, rate } = rule;
  if (rate === null) return null;
  const rows = await tx.lists('select since, at, starts from @queue_starts where queue = $1 order by since', [queue]);
  const buckets = rows.map(([since, at, starts]) => ({
    since: integer(since),
    at: integer(at),
    starts: integer(starts),
  }));
  const window = new RateWindow(rate, buckets);
  const ahead = now !== undefined && buckets.some(({ at }) => at > now);
  if (ahead) await writeStarts(tx, rule, window.note(now, 0));
  return window;
}

async function executing(tx: Transaction, { queue }: QueueRule): Promise<number> {
  const [row] = await tx.lists("select count(*) from @jobs where queue = $1 and state = 'executing'", [queue]);
  return integer(row?.[0]);
}
