import { type Clock, nextTurn, type TimerHandle } from '../kernel/clock.ts';

interface TurnTimer {
  cleared: boolean;
}

/**
 * A clock whose timers without a delay fire in the next turn of the event loop, whether or not somebody lets time pass:
 * they are no matter of time. So what a test asks of a node is answered while virtual time stands.
 */
export class EagerClock implements Clock {
  readonly #clock: Clock;
  readonly #turns = new WeakSet<object>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  setTimeout(fn: () => void, ms: number): TimerHandle {
    if (ms > 0) return this.#clock.setTimeout(fn, ms);
    const timer: TurnTimer = { cleared: false };
    this.#turns.add(timer);
    nextTurn(() => {
      if (!timer.cleared) fn();
    });
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    if (this.#isTurn(handle)) handle.cleared = true;
    else this.#clock.clearTimeout(handle);
  }

  #isTurn(handle: TimerHandle): handle is TurnTimer {
    return typeof handle === 'object' && handle !== null && this.#turns.has(handle);
  }
}
