/** At most `limit` starts in any `periodMs` milliseconds. */
export interface Rate {
  limit: number;
  periodMs: number;
}

/** Starts that are counted together, from the first to the last of them; milliseconds since the epoch. */
export interface StartBucket {
  since: number;
  at: number;
  starts: number;
}

/**
 * A start may be counted so long after the time it is stamped with, in milliseconds: a claim waits for its turn at a store
 * that may be stalled, and of several owners another one's may come first. Only what lies further ahead says that the clock
 * stepped back; a smaller step delays the starts of a queue with a rate by as much.
 */
const LATE_MS = 120_000;

/** Up to so many buckets each start keeps its own time; beyond it they are counted by the thousandth of the period. */
const EXACT_BUCKETS = 1_000;

/**
 * The starts of a queue in a sliding window: in no stretch of `periodMs`, wherever it begins, are there more than `limit`.
 * A bucket leaves the window with its newest start, so counting some together can only delay a start (by a thousandth of
 * the period), never let one too many through. At most {@link EXACT_BUCKETS} and a thousand more buckets. Pure: the
 * caller keeps what {@link note} changes.
 */
export class RateWindow {
  readonly rate: Rate;
  #buckets: StartBucket[];
  #total: number;
  /** A step back of the clock changed more than the newest bucket since the last note. */
  #moved = false;

  /** @param buckets what is known of the past, oldest first */
  constructor(rate: Rate, buckets: readonly StartBucket[] = []) {
    this.rate = rate;
    this.#buckets = buckets.map((bucket) => ({ ...bucket }));
    this.#total = buckets.reduce((sum, { starts }) => sum + starts, 0);
  }

  /** How many may start now. */
  room(stamped: number): number {
    this.#settle(this.#notBefore(stamped));
    return Math.max(0, this.rate.limit - this.#total);
  }

  /** When the next one may start; null: now. */
  nextAt(now: number): number | null {
    if (this.room(now) > 0) return null;
    let left = this.#total;
    for (const { at, starts } of this.#buckets) {
      left -= starts;
      if (left < this.rate.limit) return at + this.rate.periodMs;
    }
    // A limit of none: never by the passing of time.
    return Number.POSITIVE_INFINITY;
  }

  /**
   * Counts starts.
   * @returns what has changed: buckets to write, and from which on others are needed; Infinity: no others
   */
  note(stamped: number, starts: number): { write: readonly StartBucket[]; from: number } {
    const now = this.#notBefore(stamped);
    this.#settle(now);
    const { limit, periodMs } = this.rate;
    const last = this.#buckets.at(-1);
    const many = limit > EXACT_BUCKETS && this.#buckets.length >= EXACT_BUCKETS;
    const widthMs = many ? Math.max(1, periodMs / EXACT_BUCKETS) : 1;
    this.#total += starts;
    if (last !== undefined && now - last.since < widthMs) {
      last.at = now;
      last.starts += starts;
    } else this.#buckets.push({ since: now, at: now, starts });
    const moved = this.#moved;
    this.#moved = false;
    const write = this.#buckets.slice(moved ? 0 : -1).map((bucket) => ({ ...bucket }));
    return { write, from: moved ? Number.POSITIVE_INFINITY : (this.#buckets[0]?.since ?? now) };
  }

  /** A time that others came before counts as theirs: what started by then is in the window still. */
  #notBefore(stamped: number): number {
    const newest = this.#buckets.at(-1)?.at ?? stamped;
    return newest - stamped <= LATE_MS ? Math.max(newest, stamped) : stamped;
  }

  /** Lets go of what has left the window. After a step back of the clock, what lies ahead counts as of now. */
  #settle(now: number): void {
    const { periodMs } = this.rate;
    let gone = 0;
    for (const { at, starts } of this.#buckets) {
      if (at + periodMs > now) break;
      this.#total -= starts;
      gone += 1;
    }
    if (gone > 0) this.#buckets.splice(0, gone);
    if ((this.#buckets.at(-1)?.at ?? now) <= now) return;
    this.#moved = true;
    const ahead = this.#buckets.findIndex(({ at }) => at > now);
    const starts = this.#buckets.splice(ahead).reduce((sum, bucket) => sum + bucket.starts, 0);
    const last = this.#buckets.at(-1);
    if (last?.since === now) last.starts += starts;
    else this.#buckets.push({ since: now, at: now, starts });
  }
}
