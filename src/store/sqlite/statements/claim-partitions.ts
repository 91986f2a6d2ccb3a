import type { SQLOutputValue } from 'node:sqlite';
import { integer, text } from '../../cell.ts';
import type { QueueRule } from '../queue-rules.ts';
import { allows, type ListStatement, type StoreWorld } from '../verb.ts';

type ListRow = SQLOutputValue[];

/** What of a queue with partitions is claimed. */
export interface PartitionPick {
  now: number;
  rule: QueueRule;
  /** Rows that are wanted. */
  limit: number;
  /** Only these types, as a JSON list; all when left out. */
  types: string | undefined;
}

/** One priority's part of a pick. */
interface Level extends PartitionPick {
  priority: number;
  /** Rows with their keys; those of earlier priorities are among them. */
  picked: Map<ListRow, string>;
  /** How many of each key are among them. */
  taken: Map<string, number>;
}

/** Keys that are looked for in one step. */
const KEYS_STEP_MAX = 1_000;

/**
 * Picks jobs of a queue by partition: of each priority its keys in turn, each once before any is served twice, from where
 * the last claim stopped; within a key in order. So no partition waits for another one, full or not. The keys are found
 * by leaps through their index: a claim costs what it takes and the full partitions that it passes, of which there are
 * at most as many as jobs execute. How many jobs wait, and in how many partitions, does not matter.
 */
export class PartitionPicker {
  readonly #world: StoreWorld;
  readonly #nextPriority: ListStatement;
  readonly #keysAfter: ListStatement;
  readonly #rows: (pick: Pick<PartitionPick, 'types'>, most: number) => ListStatement;
  /** The key that was served last, by queue and priority. Lost with the process, which does no harm. */
  readonly #cursors = new Map<string, string>();

  /** @param columns of a row, beginning with the place */
  constructor(world: StoreWorld, columns: string) {
    this.#world = world;
    const from = `from jobs indexed by jobs_partition
      where queue = ?1 and ${allows('claim')} and partition_key is not null`;
    this.#nextPriority = world.lists(`select priority ${from} and priority > ?2 order by priority limit 1`);
    const leap = (after: string): string =>
      `(select partition_key ${from} and priority = ?2 and partition_key > ${after} order by partition_key limit 1)`;
    this.#keysAfter = world.lists(`with recursive keys (key) as (select ${leap('?3')}
        union all select ${leap('keys.key')} from keys where keys.key is not null)
      select key from keys where key is not null limit ?4`);
    // One statement for many keys: one for each costs five times as much, most of it the call.
    const rowsOf = (types: string, some: string): ListStatement =>
      world.lists(`select ${columns}, wanted from (select value as wanted from json_each(?3)) cross join jobs
        on seq ${some} (select seq ${from} and priority = ?2 and partition_key = wanted
          and (deadline_at is null or deadline_at > ?4) ${types} order by scheduled_at, seq limit ?5 offset ?6)`);
    const all = { one: rowsOf('', '='), many: rowsOf('', 'in') };
    const ofTypes = 'and type in (select value from json_each(?7))';
    const some = { one: rowsOf(ofTypes, '='), many: rowsOf(ofTypes, 'in') };
    this.#rows = ({ types }, most) => (types === undefined ? all : some)[most === 1 ? 'one' : 'many'];
  }

  /** Rows that may be claimed, each with its partition. */
  pick(pick: PartitionPick): Map<ListRow, string> {
    const { rule, limit } = pick;
    const [picked, taken] = [new Map<ListRow, string>(), new Map<string, number>()];
    for (let priority = -1; picked.size < limit; ) {
      const [next] = this.#nextPriority.all(rule.queue, priority);
      if (next === undefined) break;
      priority = integer(next[0]);
      this.#pickLevel({ ...pick, priority, picked, taken });
    }
    return picked;
  }

  #pickLevel(level: Level): void {
    const { rule, priority, picked, limit } = level;
    const place = `${rule.queue} ${priority}`;
    const turn = this.#openKeys(level, this.#cursors.get(place) ?? '');
    for (let more = true; more && picked.size < limit; ) {
      let open: string[] = [];
      while (more && open.length < limit - picked.size) {
        const { value = [], done = false } = turn.next();
        open.push(...value);
        more = !done;
      }
      // With every key in hand the room is shared out; else each is served once, and the others after it.
      for (let after = 0; open.length > 0 && picked.size < limit; ) {
        const each = this.#shareOf(level, open.length);
        open = this.#round(level, { keys: open, each, after });
        const last = open.at(-1);
        if (after === 0 && last !== undefined) this.#cursors.set(place, last);
        after += each;
      }
    }
  }

  #shareOf({ rule, picked, limit }: Level, keys: number): number {
    return Math.max(1, Math.min(Math.floor((limit - picked.size) / keys), rule.partition?.limit ?? 1));
  }

  /** The keys of a priority that are not full, once round from where the last claim stopped, some at a time. */
  *#openKeys(level: Level, cursor: string): Generator<string[], undefined> {
    let chunk = level.limit - level.picked.size;
    let after = cursor;
    let wrapped = cursor === '';
    for (;;) {
      const keys = this.#keysAfter.all(level.rule.queue, level.priority, after, chunk).map(([key]) => text(key));
      const end = wrapped && cursor !== '' ? keys.findIndex((key) => key > cursor) : -1;
      const open = (end < 0 ? keys : keys.slice(0, end)).filter((key) => this.#roomOf(level, key) > 0);
      if (open.length > 0) yield open;
      if (end >= 0) return;
      if (keys.length === chunk) {
        after = keys.at(-1) ?? after;
        // Passing many full ones takes fewer and larger steps.
        chunk = Math.min(2 * chunk, KEYS_STEP_MAX);
      } else if (wrapped) return;
      else [after, wrapped] = ['', true];
    }
  }

  #roomOf({ rule, taken }: Level, key: string): number {
    const full = rule.partition?.limit ?? 0;
    return full - this.#world.queues.running.count(rule.queue, key) - (taken.get(key) ?? 0);
  }

  /**
   * Picks up to so many jobs of each key, after those that it has given; all keys have given the same so far.
   * @returns the keys that gave so many, in their order
   */
  #round(level: Level, { keys, ...share }: { keys: readonly string[]; each: number; after: number }): string[] {
    const { picked, limit } = level;
    const served: string[] = [];
    for (let from = 0; from < keys.length && picked.size < limit; ) {
      const end = from + Math.ceil((limit - picked.size) / share.each);
      served.push(...this.#serve(level, keys.slice(from, end), share));
      from = end;
    }
    return served;
  }

  #serve(level: Level, keys: readonly string[], { each, after }: { each: number; after: number }): string[] {
    const { rule, priority, now, types, picked, taken, limit } = level;
    const values = [rule.queue, priority, JSON.stringify(keys), now, each, after] as const;
    const statement = this.#rows(level, each);
    const rows = types === undefined ? statement.all(...values) : statement.all(...values, types);
    const got = new Map<string, number>();
    for (const row of rows) {
      const key = text(row.pop());
      if (picked.size === limit) break;
      if (this.#roomOf(level, key) <= 0) continue;
      got.set(key, (got.get(key) ?? 0) + 1);
      taken.set(key, (taken.get(key) ?? 0) + 1);
      picked.set(row, key);
    }
    return keys.filter((key) => got.get(key) === each);
  }
}
