import type { Clock, TimerHandle } from '../kernel/clock.ts';

interface HandlerTimer {
  inner: TimerHandle;
  dueMs: number;
}

/**
 * The clock that a test and its services are given. It is the node's own time, and knows which timers are theirs, so
 * that none of them is passed over when time leaps.
 */
export class HandlerClock implements Clock {
  readonly #clock: Clock;
  readonly #onFire: () => void;
  readonly #timers = new Set<HandlerTimer>();

  /** @param onFire called before each timer's function */
  constructor(clock: Clock, onFire: () => void) {
    this.#clock = clock;
    this.#onFire = onFire;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  setTimeout(fn: () => void, ms: number): TimerHandle {
    const fire = (): void => {
      this.#timers.delete(timer);
      this.#onFire();
      fn();
    };
    const dueMs = this.#clock.monotonicMs() + Math.max(ms, 0);
    const timer: HandlerTimer = { inner: this.#clock.setTimeout(fire, ms), dueMs };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    // Handles are opaque to callers; ours are the ones that we know.
    const timer = handle as HandlerTimer;
    if (this.#timers.delete(timer)) this.#clock.clearTimeout(timer.inner);
  }

  /** When the next timer is due, in monotonic milliseconds; undefined: there is none. */
  get nextDueMs(): number | undefined {
    let next: number | undefined;
    for (const { dueMs } of this.#timers) if (next === undefined || dueMs < next) next = dueMs;
    return next;
  }
}
