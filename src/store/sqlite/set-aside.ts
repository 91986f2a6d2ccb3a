import type { StatementSync } from 'node:sqlite';
import { text } from '../cell.ts';

/** The types of which jobs were set aside, by queue: read once and kept in memory, for this process owns the store alone. */
export class SetAside {
  #byQueue: Map<string, Set<string>> | undefined;
  readonly #all: StatementSync;
  readonly #put: StatementSync;
  readonly #forget: StatementSync;

  constructor(prepare: (sql: string) => StatementSync) {
    this.#all = prepare('select queue, type from set_aside');
    this.#put = prepare('insert or ignore into set_aside (queue, type) values (?, ?)');
    this.#forget = prepare('delete from set_aside where queue = ?');
  }

  /** Those of one queue; undefined: none were. */
  of(queue: string): ReadonlySet<string> | undefined {
    return this.#read().get(queue);
  }

  /** Jobs of these types are being set aside. */
  add(queue: string, types: Iterable<string>): void {
    const known = this.#read().get(queue) ?? new Set();
    for (const type of types) {
      if (!known.has(type)) this.#put.run(queue, type);
      known.add(type);
    }
    this.#read().set(queue, known);
  }

  /** None of a queue's jobs waits any more. */
  forget(queue: string): void {
    if (this.#read().delete(queue)) this.#forget.run(queue);
  }

  /** Reads anew when next asked: the group was rolled back. */
  drop(): void {
    this.#byQueue = undefined;
  }

  #read(): Map<string, Set<string>> {
    if (this.#byQueue === undefined) {
      const byQueue = new Map<string, Set<string>>();
      for (const row of this.#all.all()) {
        const queue = text(row.queue);
        byQueue.set(queue, (byQueue.get(queue) ?? new Set()).add(text(row.type)));
      }
      this.#byQueue = byQueue;
    }
    return this.#byQueue;
  }
}
