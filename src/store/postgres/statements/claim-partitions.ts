import { integer, text } from '../../cell.ts';
import type { QueueRule } from '../queue-rules.ts';
import { texts } from '../sql-list.ts';
import type { Transaction } from '../transaction.ts';
import { allows } from '../verb.ts';

/** What of a queue with partitions is claimed. */
export interface PartitionPick {
  now: number;
  rule: QueueRule;
  /** Rows that are wanted. */
  limit: number;
  /** Only these types, as a list; all when left out. */
  types: string | undefined;
}

/** One priority's part of a pick. */
interface Level extends PartitionPick {
  priority: number;
  /** The ids that were picked; those of earlier priorities are among them. */
  picked: string[];
  /** How many of each key execute, with those that were picked. */
  running: Map<string, number>;
}

/** Keys that are looked for in one step. */
const KEYS_STEP_MAX = 1_000;

const FROM = `from @jobs where queue = $1 and ${allows('claim')} and partition_key is not null`;

const NEXT_PRIORITY = `select priority ${FROM} and priority > $2 order by queue, priority limit 1`;

const leap = (after: string): string => `(select partition_key ${FROM} and priority = $2 and partition_key > ${after}
  order by queue, priority, partition_key limit 1)`;

const KEYS_AFTER = `with recursive keys (key) as (select ${leap('$3')}
    union all select ${leap('keys.key')} from keys where keys.key is not null)
  select key from keys where key is not null limit $4`;

/** One statement for many keys: each a short walk through its part of the index. */
const rowsOf = (types: string): string => `select wanted.key, job.id
  from unnest($3::text[]) with ordinality as wanted (key, nth) cross join lateral
    (select id, scheduled_at, seq ${FROM} and priority = $2 and partition_key = wanted.key
      and (deadline_at is null or deadline_at > $4) ${types}
      order by scheduled_at, seq limit $5 offset $6) as job
  order by wanted.nth, job.scheduled_at, job.seq`;

const ROWS = rowsOf('');
const ROWS_OF_TYPES = rowsOf('and type = any($7::text[])');

/**
 * Picks jobs of a queue by partition: of each priority its keys in turn, each once before any is served twice, from where
 * the last claim stopped; within a key in order. So no partition waits for another one, full or not. The keys are found
 * by leaps through their index: a claim costs what it takes and the full partitions that it passes, of which there are
 * at most as many as jobs execute. How many jobs wait, and in how many partitions, does not matter. The queue is locked.
 */
export async function pickPartitions(tx: Transaction, pick: PartitionPick): Promise<string[]> {
  const picked: string[] = [];
  const running = await runningOf(tx, pick.rule.queue);
  for (let priority = -1; picked.length < pick.limit; ) {
    const [next] = await tx.lists(NEXT_PRIORITY, [pick.rule.queue, priority]);
    if (next === undefined) break;
    priority = integer(next[0]);
    await pickLevel(tx, { ...pick, priority, picked, running });
  }
  return picked;
}

/** How many jobs of each partition execute. */
export async function runningOf(tx: Transaction, queue: string): Promise<Map<string, number>> {
  const rows = await tx.lists(
    `select partition_key, count(*) from @jobs where queue = $1 and state = 'executing' and partition_key is not null
      group by partition_key`,
    [queue],
  );
  return new Map(rows.map(([key, jobs]) => [text(key), integer(jobs)]));
}

async function pickLevel(tx: Transaction, level: Level): Promise<void> {
  const { rule, priority, picked, limit } = level;
  const turn = openKeys(tx, level, tx.turns.last(rule.queue, priority));
  for (let more = true; more && picked.length < limit; ) {
    let open: string[] = [];
    while (more && open.length < limit - picked.length) {
      const next = await turn.next();
      open.push(...(next.value ?? []));
      more = next.done !== true;
    }
    // With every key in hand the room is shared out; else each is served once, and the others after it.
    for (let after = 0; open.length > 0 && picked.length < limit; ) {
      const each = shareOf(level, open.length);
      open = await round(tx, level, { keys: open, each, after });
      const last = open.at(-1);
      if (after === 0 && last !== undefined) tx.turns.served(rule.queue, priority, last);
      after += each;
    }
  }
}

function shareOf({ rule, picked, limit }: Level, keys: number): number {
  return Math.max(1, Math.min(Math.floor((limit - picked.length) / keys), rule.partition?.limit ?? 1));
}

/** The keys of a priority that are not full, once round from where the last claim stopped, some at a time. */
async function* openKeys(tx: Transaction, level: Level, cursor: string): AsyncGenerator<string[], undefined> {
  let chunk = level.limit - level.picked.length;
  let after = cursor;
  let wrapped = cursor === '';
  for (;;) {
    const rows = await tx.lists(KEYS_AFTER, [level.rule.queue, level.priority, after, chunk]);
    const keys = rows.map(([key]) => text(key));
    // The index is in the order of bytes, which JavaScript's own order is not for all texts.
    const end = wrapped && cursor !== '' ? keys.findIndex((key) => isAfter(key, cursor)) : -1;
    const open = (end < 0 ? keys : keys.slice(0, end)).filter((key) => roomOf(level, key) > 0);
    if (open.length > 0) yield open;
    if (end >= 0) return undefined;
    if (keys.length === chunk) {
      after = keys.at(-1) ?? after;
      // Passing many full ones takes fewer and larger steps.
      chunk = Math.min(2 * chunk, KEYS_STEP_MAX);
    } else if (wrapped) return undefined;
    else [after, wrapped] = ['', true];
  }
}

const isAfter = (key: string, cursor: string): boolean => Buffer.compare(Buffer.from(key), Buffer.from(cursor)) > 0;

function roomOf({ rule, running }: Level, key: string): number {
  return (rule.partition?.limit ?? 0) - (running.get(key) ?? 0);
}

interface Share {
  keys: readonly string[];
  each: number;
  after: number;
}

/**
 * Picks up to so many jobs of each key, after those that it has given; all keys have given the same so far.
 * @returns the keys that gave so many, in their order
 */
async function round(tx: Transaction, level: Level, { keys, ...share }: Share): Promise<string[]> {
  const { picked, limit } = level;
  const served: string[] = [];
  for (let from = 0; from < keys.length && picked.length < limit; ) {
    const end = from + Math.ceil((limit - picked.length) / share.each);
    served.push(...(await serve(tx, level, { keys: keys.slice(from, end), ...share })));
    from = end;
  }
  return served;
}

async function serve(tx: Transaction, level: Level, { keys, each, after }: Share): Promise<string[]> {
  const { rule, priority, now, types, picked, running, limit } = level;
  const values = [rule.queue, priority, texts(keys), now, each, after];
  const rows = types === undefined ? await tx.lists(ROWS, values) : await tx.lists(ROWS_OF_TYPES, [...values, types]);
  const got = new Map<string, number>();
  for (const [keyCell, id] of rows) {
    const key = text(keyCell);
    if (picked.length === limit) break;
    if (roomOf(level, key) <= 0) continue;
    got.set(key, (got.get(key) ?? 0) + 1);
    running.set(key, (running.get(key) ?? 0) + 1);
    picked.push(text(id));
  }
  return keys.filter((key) => got.get(key) === each);
}
