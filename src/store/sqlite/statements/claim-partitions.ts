import type { SQLOutputValue } from 'node:sqlite';
import { integer, text } from '../cell.ts';
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

/** A key that is not full, and how many of it were picked at this priority. */
interface Visit {
  key: string;
  here: number;
}

/** Keys that are looked for beyond those wanted, because some will be full. */
const KEYS_MORE = 16;

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
  readonly #rows: ListStatement;
  readonly #rowsOfTypes: ListStatement;
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
    const rowsOf = `select ${columns} ${from} and priority = ?2 and partition_key = ?3
      and (deadline_at is null or deadline_at > ?4)`;
    const order = 'order by scheduled_at, seq limit ?5 offset ?6';
    this.#rows = world.lists(`${rowsOf} ${order}`);
    this.#rowsOfTypes = world.lists(`${rowsOf} and type in (select value from json_each(?7)) ${order}`);
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
    let open: Visit[] = [];
    for (const visit of this.#openKeys(level, this.#cursors.get(place) ?? '')) {
      if (this.#take(level, visit, 1) === 1) {
        this.#cursors.set(place, visit.key);
        open.push(visit);
      }
      if (picked.size === limit) return;
    }
    // Every key had its turn and there is room left: it is shared out.
    while (open.length > 0 && picked.size < limit) {
      const share = Math.max(1, Math.floor((limit - picked.size) / open.length));
      open = open.filter((visit) => {
        const wanted = Math.min(share, limit - picked.size);
        return this.#take(level, visit, wanted) === wanted;
      });
    }
  }

  /** All keys of a priority that are not full, once round from where the last claim stopped. */
  *#openKeys(level: Level, cursor: string): Generator<Visit> {
    const chunk = level.limit - level.picked.size + KEYS_MORE;
    let after = cursor;
    let wrapped = cursor === '';
    for (;;) {
      const keys = this.#keysAfter.all(level.rule.queue, level.priority, after, chunk).map(([key]) => text(key));
      for (const key of keys) {
        if (wrapped && cursor !== '' && key > cursor) return;
        if (this.#roomOf(level, key) > 0) yield { key, here: 0 };
      }
      if (keys.length === chunk) after = keys.at(-1) ?? after;
      else if (wrapped) return;
      else [after, wrapped] = ['', true];
    }
  }

  #roomOf({ rule, taken }: Level, key: string): number {
    const full = rule.partition?.limit ?? 0;
    return full - this.#world.queues.running.count(rule.queue, key) - (taken.get(key) ?? 0);
  }

  /** Picks up to so many jobs of a key; how many there were and may start. */
  #take(level: Level, visit: Visit, wanted: number): number {
    const { rule, priority, now, types, picked, taken } = level;
    const limit = Math.min(wanted, this.#roomOf(level, visit.key));
    if (limit <= 0) return 0;
    const values = [rule.queue, priority, visit.key, now, limit, visit.here] as const;
    const rows = types === undefined ? this.#rows.all(...values) : this.#rowsOfTypes.all(...values, types);
    for (const row of rows) picked.set(row, visit.key);
    visit.here += rows.length;
    taken.set(visit.key, (taken.get(visit.key) ?? 0) + rows.length);
    return rows.length;
  }
}
