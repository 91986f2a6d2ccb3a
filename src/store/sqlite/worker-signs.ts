import type { StatementSync } from 'node:sqlite';
import { assert } from '../../kernel/error.ts';
import { integer } from '../cell.ts';

/** A sign of life is not written again so soon after one that was, unless somebody asks who is dead. */
const WRITE_EVERY_MS = 10_000;

interface Sign {
  /** What rows of jobs name this worker by; null when it is not known to be stored. */
  key: number | null;
  node: string | null;
  seenAt: number;
  /** What the table says; negative infinity while that is not known. */
  writtenAt: number;
}

/**
 * Workers' last signs of life. They come with every claim and settlement, so the newest stands in memory (this process
 * owns the store alone) and the table follows now and then, and before anybody is declared dead: an idle queue's poll
 * should cost no sync of the disk. What a killed process did not write is made up for by the lease that everybody is
 * given after a start.
 */
export class WorkerSigns {
  readonly #signs = new Map<string, Sign>();
  readonly #write: StatementSync;

  constructor(prepare: (sql: string) => StatementSync) {
    this.#write = prepare(`insert into workers (worker, node, seen_at) values (?, ?, ?)
      on conflict (worker) do update set node = coalesce(excluded.node, node), seen_at = excluded.seen_at
      returning key`);
  }

  /** Takes a sign of life and answers the worker's key. `node` is null where the message did not say. */
  seen(worker: string, node: string | null, now: number): number {
    let sign = this.#signs.get(worker);
    if (sign === undefined) {
      sign = { key: null, node, seenAt: now, writtenAt: Number.NEGATIVE_INFINITY };
      this.#signs.set(worker, sign);
    }
    const moved = node !== null && node !== sign.node;
    if (moved) sign.node = node;
    sign.seenAt = now;
    // A clock that stepped back is written too, or the worker could not be found dead until the clock is there again.
    if (moved || sign.key === null) return this.#put(worker, sign);
    if (Math.abs(now - sign.writtenAt) >= WRITE_EVERY_MS) this.#putOld(now);
    return sign.key;
  }

  /** Once one is due, all that soon would be are written: a hundred idle queues so cost one sync of the disk, not each its own. */
  #putOld(now: number): void {
    for (const [worker, sign] of this.#signs) {
      const { seenAt, writtenAt } = sign;
      if (seenAt !== writtenAt && Math.abs(now - writtenAt) >= WRITE_EVERY_MS / 2) this.#put(worker, sign);
    }
  }

  /** Writes the signs without which the table would be wrong about who was seen before a time. */
  write(before: number): void {
    for (const [worker, sign] of this.#signs) {
      const { writtenAt, seenAt } = sign;
      if (writtenAt !== seenAt && Math.min(writtenAt, seenAt) < before) this.#put(worker, sign);
    }
  }

  /** Forgets workers without a sign since a time. */
  forget(before: number): void {
    for (const [worker, sign] of this.#signs) if (sign.seenAt < before) this.#signs.delete(worker);
  }

  /** The group was rolled back: nothing is known to be stored. */
  drop(): void {
    for (const sign of this.#signs.values()) {
      sign.key = null;
      sign.writtenAt = Number.NEGATIVE_INFINITY;
    }
  }

  #put(worker: string, sign: Sign): number {
    const row = this.#write.get(worker, sign.node, sign.seenAt);
    assert(row !== undefined, 'a worker that was written has a key');
    sign.key = integer(row.key);
    sign.writtenAt = sign.seenAt;
    return sign.key;
  }
}
