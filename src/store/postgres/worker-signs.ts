/**
 * A sign of life is not written again so soon after one that was. Other stores know of it: they give workers whose row
 * is not theirs so much more time before they call them dead.
 */
export const WRITE_EVERY_MS = 5_000;

/** One worker's newest sign of life. */
export interface Sign {
  /** What rows of jobs name this worker by; undefined while it is not known to be stored. */
  key: number | undefined;
  node: string | null;
  seenAt: number;
  /** What the table says; negative infinity while that is not known. */
  writtenAt: number;
}

/**
 * Workers' last signs of life that came to this store. They come with every claim and settlement, so the newest stands
 * in memory and the table follows every few seconds, and before this store declares anybody dead: an idle queue's poll
 * should write nothing. Only what is committed is known here.
 */
export class WorkerSigns {
  readonly #signs = new Map<string, Sign>();

  /** Takes a sign of life; answers it where it must be written now. `node` is null where the message did not say. */
  seen(worker: string, node: string | null, now: number): Sign | undefined {
    let sign = this.#signs.get(worker);
    if (sign === undefined) {
      sign = { key: undefined, node, seenAt: now, writtenAt: Number.NEGATIVE_INFINITY };
      this.#signs.set(worker, sign);
    }
    const moved = node !== null && node !== sign.node;
    if (moved) sign.node = node;
    sign.seenAt = now;
    // A clock that stepped back is written too, or the worker could not be found dead until the clock is there again.
    const due = moved || sign.key === undefined || Math.abs(now - sign.writtenAt) >= WRITE_EVERY_MS;
    return due ? sign : undefined;
  }

  keyOf(worker: string): number | undefined {
    return this.#signs.get(worker)?.key;
  }

  /** The signs that the table does not have, and would be wrong without about who was seen before a time. */
  behind(before: number): Map<string, Sign> {
    return new Map(
      [...this.#signs].filter(
        ([, { writtenAt, seenAt }]) => writtenAt !== seenAt && Math.min(writtenAt, seenAt) < before,
      ),
    );
  }

  /** A sign is in the table. */
  stored(worker: string, key: number, seenAt: number): void {
    const sign = this.#signs.get(worker);
    if (sign === undefined) return;
    sign.key = key;
    sign.writtenAt = seenAt;
  }

  /** Forgets workers without a sign since a time. */
  forget(before: number): void {
    for (const [worker, sign] of this.#signs) if (sign.seenAt < before) this.#signs.delete(worker);
  }
}
