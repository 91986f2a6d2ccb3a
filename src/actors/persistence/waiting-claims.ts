import type { ClaimedJob } from '../../job/job.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import type { ClaimOptions } from '../../store/job-store.ts';

/** A claim that found nothing and waits for the first job. */
export interface WaitingClaim {
  options: Omit<ClaimOptions, 'now'>;
  /** Its worker is one of this process, which ends with it. */
  isOwn: boolean;
  /** Called once: with the jobs, or with none when its time is over. */
  answer(jobs: ClaimedJob[]): void;
  /** Called instead when the store fails it. */
  refuse(error: unknown): void;
}

/** What the end of a try means: answered, waiting on, to be tried again, or too late (the jobs are nobody's). */
export type TryEnd = 'answered' | 'waiting' | 'again' | 'late';

interface Entry extends WaitingClaim {
  timer: TimerHandle;
  /** The same for claims that take the same types. */
  appetite: string;
  /** A try is under way for it; it is not tried twice at once. */
  trying: boolean;
  /** Work came while it was being tried, perhaps behind its back: an empty try is repeated. */
  again: boolean;
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

  /** Whether a claim of a queue waits. */
  has(queue: string): boolean {
    return this.#byQueue.has(queue);
  }

  /** How many jobs of a queue claims wait for that are not being tried. */
  awaited(queue: string): number {
    let jobs = 0;
    for (const { trying, options } of this.#byQueue.get(queue) ?? []) if (!trying) jobs += options.limit;
    return jobs;
  }

  /** The queues that somebody waits for. */
  queues(): string[] {
    return [...this.#byQueue.keys()];
  }

  /**
   * Lets a claim wait for up to `waitMs`. It stands here before its first try, which the caller begins at once, so that
   * no work can come between an empty try and the waiting.
   * @returns the claim to try; undefined: too many wait, and it was answered with nothing
   */
  park(claim: WaitingClaim, waitMs: number): WaitingClaim | undefined {
    const { queue } = claim.options;
    if (this.#size >= WAITING_MAX) {
      claim.answer([]);
      return undefined;
    }
    const entry: Entry = {
      ...claim,
      appetite: claim.options.types?.toSorted().join(' ') ?? '*',
      trying: true,
      again: false,
      timer: this.#clock.setTimeout(() => {
        if (this.#remove(entry)) entry.answer([]);
      }, waitMs),
    };
    const waiting = this.#byQueue.get(queue) ?? new Set();
    this.#byQueue.set(queue, waiting.add(entry));
    this.#size += 1;
    return entry;
  }

  /**
   * The claims to try again now that a queue has work, in the order they came: those that take a type which is there,
   * as long as the limits of those chosen before leave some of it. They stay parked until {@link settle} says what they
   * got. One that is chosen in vain costs a look; one that is left out would wait for nothing.
   * @param jobs how many there are by type, or of any type; undefined: it is not known, so all are tried
   */
  candidates(queue: string, jobs?: ReadonlyMap<string, number> | number): WaitingClaim[] {
    const chosen: Entry[] = [];
    const roomOf = new Map<string, number>();
    for (const entry of this.#byQueue.get(queue) ?? []) {
      const { appetite, options } = entry;
      const room = roomOf.get(appetite) ?? 0;
      if (jobs !== undefined && room >= eatable(jobs, options.types)) continue;
      if (entry.trying) {
        entry.again = true;
        continue;
      }
      entry.trying = true;
      chosen.push(entry);
      roomOf.set(appetite, room + options.limit);
    }
    return chosen;
  }

  /** Ends a try: with jobs the claim is answered, with none it waits on, or is tried again where work came meanwhile. */
  settle(claim: WaitingClaim, jobs: ClaimedJob[]): TryEnd {
    // Only park() and candidates() hand claims out, and they hand out entries.
    const entry = claim as Entry;
    if (jobs.length > 0) {
      if (!this.#remove(entry)) return 'late';
      claim.answer(jobs);
      return 'answered';
    }
    const again = entry.again && (this.#byQueue.get(entry.options.queue)?.has(entry) ?? false);
    entry.again = false;
    entry.trying = again;
    return again ? 'again' : 'waiting';
  }

  /** Ends a claim whose try the store failed. */
  fail(claim: WaitingClaim, error: unknown): void {
    if (this.#remove(claim as Entry)) claim.refuse(error);
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

/** How many of the jobs a claim takes, were there no other. */
function eatable(jobs: ReadonlyMap<string, number> | number, types: readonly string[] | undefined): number {
  if (typeof jobs === 'number') return jobs;
  let sum = 0;
  for (const type of types ?? jobs.keys()) sum += jobs.get(type) ?? 0;
  return sum;
}
