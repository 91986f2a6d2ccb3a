import type { Clock } from '../../../src/kernel/clock.ts';

/** A clock that stands until it is told to go on; between two timers everything that waits on promises runs. */
export interface SteppedClock extends Clock {
  advance(ms: number): Promise<void>;
  /** Timers that are set. */
  readonly timers: number;
}

export function steppedClock(): SteppedClock {
  let nowMs = 0;
  let made = 0;
  const timers = new Map<number, { atMs: number; fn: () => void }>();
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    setTimeout(fn, ms) {
      made += 1;
      timers.set(made, { atMs: nowMs + ms, fn });
      return made;
    },
    clearTimeout: (handle) => void timers.delete(handle as number),
    get timers() {
      return timers.size;
    },
    async advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        await settle();
        const [next] = [...timers].sort(([idA, a], [idB, b]) => a.atMs - b.atMs || idA - idB);
        if (next === undefined || next[1].atMs > endMs) break;
        timers.delete(next[0]);
        nowMs = Math.max(nowMs, next[1].atMs);
        next[1].fn();
      }
      nowMs = endMs;
    },
  };
}
