import type { StatementSync } from 'node:sqlite';
import { integer, text } from '../cell.ts';

/** One queue's executing jobs by partition. */
interface Running {
  /** The partition of each, by its place. */
  keys: Map<number, string>;
  byKey: Map<string, number>;
}

/**
 * How many jobs of each partition execute, for queues that are claimed from by partition. Counted from the rows when
 * first asked for, then kept in step by the two ways in and out of `executing`: the claim and `AttemptEnd`.
 */
export class RunningPartitions {
  readonly #queues = new Map<string, Running>();
  readonly #read: StatementSync;

  constructor(prepare: (sql: string) => StatementSync) {
    this.#read = prepare(`select seq, partition_key from jobs indexed by jobs_executing
      where state = 'executing' and queue = ? and partition_key is not null`);
  }

  /** How many of a partition execute. */
  count(queue: string, key: string): number {
    return this.#of(queue).byKey.get(key) ?? 0;
  }

  /** One was claimed. */
  claimed(queue: string, seq: number, key: string): void {
    const { keys, byKey } = this.#of(queue);
    keys.set(seq, key);
    byKey.set(key, (byKey.get(key) ?? 0) + 1);
  }

  /** One executes no more; of a queue without partitions nothing is known. */
  ended(queue: string, seq: number): void {
    const running = this.#queues.get(queue);
    const key = running?.keys.get(seq);
    if (running === undefined || key === undefined) return;
    running.keys.delete(seq);
    const left = (running.byKey.get(key) ?? 1) - 1;
    if (left === 0) running.byKey.delete(key);
    else running.byKey.set(key, left);
  }

  /** Counts anew when next asked. */
  drop(): void {
    this.#queues.clear();
  }

  #of(queue: string): Running {
    let running = this.#queues.get(queue);
    if (running === undefined) {
      running = { keys: new Map(), byKey: new Map() };
      this.#queues.set(queue, running);
      for (const row of this.#read.all(queue)) this.claimed(queue, integer(row.seq), text(row.partition_key));
    }
    return running;
  }
}
