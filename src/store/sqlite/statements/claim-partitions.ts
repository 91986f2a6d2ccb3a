import type { SQLOutputValue } from 'node:sqlite';
import { integer, text } from '../../cell.ts';
import type { QueueRule } from '../queue-rules.ts';
import { allows, type ListStatement, limitOf, type StoreWorld } from '../verb.ts';
import type { PutInOrder } from './claim-in-order.ts';

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

/** Where a round through the keys of a priority is. */
interface Turn {
  /** The key that it began after; empty: at the first. */
  readonly from: string;
  /** The key that it has come to. */
  after: string;
  /** It has been past the last key, and goes on from the first up to where it began. */
  wrapped: boolean;
  over: boolean;
}

/** Keys that are looked for in one step. */
const KEYS_STEP_MAX = 1_000;
/**
 * Up to so many rows are found by leaps from head to head: 4 µs each; in one statement they cost 40 µs and 3 each. It is
 * also about how many keys a claim goes to: a larger one takes several jobs of each in its turn, for every key has pages of
 * its own in the index, and each page that is changed costs 20 µs.
 */
const LEAPS_MAX = 32;
/** After so many full keys the rest is looked for many at a time. */
const FULL_PASSED_MAX = 16;
/** From so many rows of each key on, one statement reads them; below, going round so often is cheaper. */
const SHARE_MIN = 4;

/**
 * Picks jobs of a queue by partition: of each priority its keys in turn from where the last claim stopped, none twice
 * before each had its turn; a turn is one job, in claims of more than 32 a few. Within a key in order. So no partition
 * waits for another one, full or not. The keys are found by leaps through their index: a claim costs what it takes and
 * the full partitions that it passes, of which there are at most as many as jobs execute. How many jobs wait, and in how
 * many partitions, does not matter.
 */
export class PartitionPicker {
  readonly #world: StoreWorld;
  readonly #inOrder: PutInOrder;
  readonly #nextPriority: ListStatement;
  readonly #head: (pick: Pick<PartitionPick, 'types'>) => ListStatement;
  readonly #keysAfter: ListStatement;
  readonly #rows: (pick: Pick<PartitionPick, 'types'>, most: number) => ListStatement;
  /** The key that was served last, by queue and priority. Lost with the process, which does no harm. */
  readonly #cursors = new Map<string, string>();

  /** @param columns of a row, beginning with the place */
  constructor(world: StoreWorld, columns: string, inOrder: PutInOrder) {
    this.#world = world;
    this.#inOrder = inOrder;
    const from = `from jobs indexed by jobs_partition
      where queue = ?1 and ${allows('claim')} and partition_key is not null and aside is not null`;
    this.#nextPriority = world.lists(`select priority ${from} and priority > ?2 order by priority limit 1`);
    const leap = (after: string): string =>
      `(select partition_key ${from} and priority = ?2 and partition_key > ${after} order by partition_key limit 1)`;
    this.#keysAfter = world.lists(`with recursive keys (key) as (select ${leap('?3')}
        union all select ${leap('keys.key')} from keys where keys.key is not null)
      select key from keys where key is not null ${limitOf('?4')}`);
    const ofTypes = (place: number): string => `and type in (select value from json_each(?${place}))`;
    const headOf = (types: string): ListStatement =>
      world.lists(`select ${columns}, partition_key ${from} and priority = ?2 and partition_key > ?3
          and (deadline_at is null or deadline_at > ?4) ${types}
        order by partition_key, scheduled_at, seq limit 1`);
    const heads = { all: headOf(''), some: headOf(ofTypes(5)) };
    this.#head = ({ types }) => heads[types === undefined ? 'all' : 'some'];
    // One statement for many keys: one for each costs five times as much, most of it the call.
    const rowsOf = (types: string, some: string): ListStatement =>
      world.lists(`select ${columns}, wanted from (select value as wanted from json_each(?3)) cross join jobs
        on seq ${some} (select seq ${from} and priority = ?2 and partition_key = wanted
          and (deadline_at is null or deadline_at > ?4) ${types} order by scheduled_at, seq ${limitOf('?5')} offset ?6)`);
    const all = { one: rowsOf('', '='), many: rowsOf('', 'in') };
    const some = { one: rowsOf(ofTypes(7), '='), many: rowsOf(ofTypes(7), 'in') };
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

  /** Each key in its turn before any has a second one; then what room is left is shared out among those that may have more. */
  #pickLevel(level: Level): void {
    const { rule, priority, picked, limit } = level;
    const place = `${rule.queue} ${priority}`;
    const from = this.#cursors.get(place) ?? '';
    const turn: Turn = { from, after: from, wrapped: from === '', over: false };
    const [had, room] = [picked.size, limit - picked.size];
    const quantum = Math.max(1, Math.min(Math.ceil(room / LEAPS_MAX), rule.partition?.limit ?? 1));
    let served = room <= LEAPS_MAX ? this.#leap(level, turn) : [];
    for (let chunk = Math.ceil(room / quantum); !turn.over && picked.size < limit; ) {
      const keys = this.#openKeys(level, turn, chunk);
      served.push(...this.#round(level, { keys, each: quantum, after: 0 }));
      // Passing many full ones takes fewer and larger steps.
      chunk = Math.min(2 * chunk, KEYS_STEP_MAX);
    }
    const last = [...picked.values()].at(-1);
    if (last !== undefined && picked.size > had) this.#cursors.set(place, last);
    for (let after = quantum; picked.size < limit; ) {
      const keys = served.filter((key) => this.#roomOf(level, key) > 0);
      if (keys.length === 0) break;
      const each = this.#shareOf(level, keys.length);
      served = this.#round(level, { keys, each, after });
      after += each;
    }
  }

  #shareOf({ rule, picked, limit }: Level, keys: number): number {
    const share = Math.min(Math.floor((limit - picked.size) / keys), rule.partition?.limit ?? 1);
    return share < SHARE_MIN ? 1 : share;
  }

  /**
   * Picks the first job of each key in turn, as far as the room goes or until many full keys were passed.
   * @returns the keys that gave one, in their order
   */
  #leap(level: Level, turn: Turn): string[] {
    const { rule, priority, now, types, picked, taken, limit } = level;
    const served: string[] = [];
    for (let passed = 0; picked.size < limit && passed < FULL_PASSED_MAX; ) {
      const values = [rule.queue, priority, turn.after, now] as const;
      const [row] = types === undefined ? this.#head(level).all(...values) : this.#head(level).all(...values, types);
      if (row === undefined) {
        if (turn.wrapped) {
          turn.over = true;
          break;
        }
        [turn.after, turn.wrapped] = ['', true];
        continue;
      }
      const key = text(row.pop());
      if (turn.wrapped && turn.from !== '' && key > turn.from) {
        turn.over = true;
        break;
      }
      turn.after = key;
      if (this.#roomOf(level, key) > 0) {
        taken.set(key, (taken.get(key) ?? 0) + 1);
        picked.set(row, key);
        served.push(key);
      } else passed += 1;
    }
    return served;
  }

  /** The keys of one step of a turn that are not full. */
  #openKeys(level: Level, turn: Turn, chunk: number): string[] {
    const { from, after, wrapped } = turn;
    const keys = this.#keysAfter.all(level.rule.queue, level.priority, after, chunk).map(([key]) => text(key));
    const end = wrapped && from !== '' ? keys.findIndex((key) => key > from) : -1;
    turn.over = wrapped && (end >= 0 || keys.length < chunk);
    if (keys.length === chunk) turn.after = keys.at(-1) ?? after;
    else [turn.after, turn.wrapped] = ['', true];
    return (end < 0 ? keys : keys.slice(0, end)).filter((key) => this.#roomOf(level, key) > 0);
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
    for (const row of each === 1 ? rows : this.#inTurn(rows)) {
      const key = text(row.pop());
      if (picked.size === limit) break;
      if (this.#roomOf(level, key) <= 0) continue;
      got.set(key, (got.get(key) ?? 0) + 1);
      taken.set(key, (taken.get(key) ?? 0) + 1);
      picked.set(row, key);
    }
    return keys.filter((key) => got.get(key) === each);
  }

  /** Rows of several keys, which come by key and place: those of each in the order of claims. */
  #inTurn(rows: readonly ListRow[]): ListRow[] {
    const byKey = new Map<unknown, ListRow[]>();
    for (const row of rows) {
      const its = byKey.get(row.at(-1));
      if (its === undefined) byKey.set(row.at(-1), [row]);
      else its.push(row);
    }
    return [...byKey.values()].flatMap((its) => this.#inOrder(its));
  }
}
