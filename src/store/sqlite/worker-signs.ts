import type { StatementSync } from 'node:sqlite';

/** A sign of life younger than this is not written again until somebody asks who is dead. */
const WRITE_EVERY_MS = 1_000;

interface Sign {
  node: string | null;
  seenAt: number;
  /** What the table says; negative infinity when it may say less. */
  writtenAt: number;
}

/**
 * Workers' last signs of life. They come with every claim and settlement, so the newest stands in memory (this process
 * owns the store alone) and the table follows at most once a second, and before anybody is declared dead.
 */
export class WorkerSigns {
  readonly #signs = new Map<string, Sign>();
  readonly #write: StatementSync;

  constructor(prepare: (sql: string) => StatementSync) {
    this.#write = prepare(`insert into workers (worker, node, seen_at) values (?, ?, ?)
      on conflict (worker) do update set node = coalesce(excluded.node, node), seen_at = excluded.seen_at`);
  }

  /** Takes a sign of life. `node` is null where the message did not say. */
  seen(worker: string, node: string | null, now: number): void {
    let sign = this.#signs.get(worker);
    if (sign === undefined) {
      sign = { node, seenAt: now, writtenAt: Number.NEGATIVE_INFINITY };
      this.#signs.set(worker, sign);
    }
    sign.node = node ?? sign.node;
    sign.seenAt = now;
    // A clock that stepped back is written too, or the worker could not be found dead until the clock is there again.
    if (Math.abs(now - sign.writtenAt) >= WRITE_EVERY_MS) this.#put(worker, sign);
  }

  /** Writes every sign that the table does not have yet, inside the group's transaction. */
  writeAll(): void {
    for (const [worker, sign] of this.#signs) if (sign.writtenAt !== sign.seenAt) this.#put(worker, sign);
  }

  /** Forgets workers without a sign since a time. */
  forget(before: number): void {
    for (const [worker, sign] of this.#signs) if (sign.seenAt < before) this.#signs.delete(worker);
  }

  /** The group was rolled back: nothing is known to be written. */
  drop(): void {
    for (const sign of this.#signs.values()) sign.writtenAt = Number.NEGATIVE_INFINITY;
  }

  #put(worker: string, sign: Sign): void {
    this.#write.run(worker, sign.node, sign.seenAt);
    sign.writtenAt = sign.seenAt;
  }
}
