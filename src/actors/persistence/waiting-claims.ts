import type { ClaimedJob } from '../../job/job.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import type { ClaimOptions } from '../../store/job-store.ts';

/** A claim that found nothing and waits for the first job. */
export interface WaitingClaim {
  options: Omit<ClaimOptions, 'now'>;
  /** Called once: with the jobs, or with none when its time is over. */
  answer(jobs: ClaimedJob[]): void;
}

interface Entry extends WaitingClaim {
  timer: TimerHandle;
  /** A try is under way for it; it is not tried twice at once. */
  trying: boolean;
}

/** Claims that may wait at once, over all queues; one more is answered at once with nothing. */
const WAITING_MAX = 10_000;

/** The claims that wait, by queue, in the order they came. Each leaves by an answer or by its time. */
export class WaitingClaims {
  readonly #clock: Clock;
  readonly #byQueue = new Map<string, Set<Entry>>();
  #size = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#size;
  }

  /** Lets a claim wait for `waitMs`. */
  park(claim: WaitingClaim, waitMs: number): void {
    const { queue } = claim.options;
    if (this.#size >= WAITING_MAX) {
      claim.answer([]);
      return;
    }
    const entry: Entry = {
      ...claim,
      trying: false,
      timer: this.#clock.setTimeout(() => {
        if (this.#remove(entry)) entry.answer([]);
      }, waitMs),
    };
    const waiting = this.#byQueue.get(queue) ?? new Set();
    this.#byQueue.set(queue, waiting.add(entry));
    this.#size += 1;
  }

  /**
   * The claims to try again now that a queue has work: the first ones, until their limits add up to `jobs`. They stay
   * parked until {@link settle} says what they got.
   */
  candidates(queue: string, jobs: number): WaitingClaim[] {
    const chosen: Entry[] = [];
    let room = 0;
    for (const entry of this.#byQueue.get(queue) ?? []) {
      if (room >= jobs) break;
      if (entry.trying) continue;
      entry.trying = true;
      chosen.push(entry);
      room += entry.options.limit;
    }
    return chosen;
  }

  /**
   * Ends a candidate's try: with jobs it is answered, with none it waits on.
   * @returns false when its time was over meanwhile: the jobs are nobody's
   */
  settle(claim: WaitingClaim, jobs: ClaimedJob[]): boolean {
    // Only candidates() hands claims out, and it hands out entries.
    const entry = claim as Entry;
    entry.trying = false;
    if (jobs.length === 0) return true;
    if (!this.#remove(entry)) return false;
    claim.answer(jobs);
    return true;
  }

  /** Answers a worker's claims of a queue with nothing; how many there were. */
  withdraw(queue: string, worker: string): number {
    const mine = [...(this.#byQueue.get(queue) ?? [])].filter(({ options }) => options.worker === worker);
    for (const entry of mine) if (this.#remove(entry)) entry.answer([]);
    return mine.length;
  }

  /** The workers that wait: a waiting claim is a sign of life. */
  workers(): { worker: string; node: string }[] {
    return [...this.#byQueue.values()].flatMap((entries) =>
      [...entries].map(({ options: { worker, node } }) => ({ worker, node })),
    );
  }

  /** Answers everybody with nothing. */
  clear(): void {
    for (const entries of this.#byQueue.values()) {
      for (const entry of entries) if (this.#remove(entry)) entry.answer([]);
    }
  }

  #remove(entry: Entry): boolean {
    const waiting = this.#byQueue.get(entry.options.queue);
    if (!waiting?.delete(entry)) return false;
    if (waiting.size === 0) this.#byQueue.delete(entry.options.queue);
    this.#clock.clearTimeout(entry.timer);
    this.#size -= 1;
    return true;
  }
}
