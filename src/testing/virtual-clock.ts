import { type Clock, nextTurn, type TimerHandle } from '../kernel/clock.ts';

interface VirtualTimer {
  readonly dueMs: number;
  /** Timers that are due together fire in the order in which they were made. */
  readonly order: number;
  readonly fn: () => void;
}

/** More turns of the event loop than this without coming to rest is taken for an endless loop. */
const TURNS_MAX = 100_000;

/**
 * A clock that stands still until a test moves it. Between two timers the event loop is run until it comes to rest
 * (promises and immediates; not files, sockets, threads or child processes), so that whatever a timer sets
 * off is over before the next one fires. A whole node can run on it, and runs the same way each time.
 */
export class VirtualClock implements Clock {
  #monotonicMs = 0;
  #wallOffsetMs: number;
  #orders = 0;
  readonly #timers: VirtualTimer[] = []; // a binary heap: the next one first
  readonly #cleared = new WeakSet<VirtualTimer>();
  #pending = 0;

  /** @param wallMs the wall time at the beginning, in milliseconds since the epoch */
  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallOffsetMs = wallMs;
  }

  now(): number {
    return this.#wallOffsetMs + Math.floor(this.#monotonicMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimeout(fn: () => void, ms: number): TimerHandle {
    const delayMs = Number.isNaN(ms) ? 0 : Math.max(ms, 0); // fires at once, as Node's timers do
    const timer: VirtualTimer = { dueMs: this.#monotonicMs + delayMs, order: this.#orders++, fn };
    this.#push(timer);
    this.#pending += 1;
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    if (!isTimer(handle) || this.#cleared.has(handle)) return;
    this.#cleared.add(handle);
    this.#pending -= 1;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#pending;
  }

  /** When the next timer is due, in monotonic milliseconds. */
  get nextDueMs(): number | undefined {
    this.#dropCleared();
    return this.#timers[0]?.dueMs;
  }

  /** Makes wall time jump to `ms` since the epoch. Timers and monotonic time are not touched. */
  setWall(ms: number): void {
    this.#wallOffsetMs = ms - Math.floor(this.#monotonicMs);
  }

  /** Lets `ms` milliseconds pass and fires what becomes due, in order, each at its time. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await this.settle();
    for (let dueMs = this.nextDueMs; dueMs !== undefined && dueMs <= untilMs; dueMs = this.nextDueMs) {
      const timer = this.#pop();
      this.#monotonicMs = Math.max(this.#monotonicMs, dueMs);
      if (timer) {
        this.#cleared.add(timer);
        this.#pending -= 1;
        timer.fn();
      }
      await this.settle();
    }
    this.#monotonicMs = Math.max(this.#monotonicMs, untilMs);
  }

  /**
   * Lets `ms` milliseconds pass at once, as for a machine that was suspended: what becomes due on the way fires late, in
   * order, all of it at the new time. For stretches in which nothing but housekeeping is due.
   */
  async leap(ms: number): Promise<void> {
    await this.settle();
    this.#monotonicMs += Math.max(ms, 0);
    await this.advance(0);
  }

  /** Lets no time pass, but all that is under way come to rest. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      await new Promise<void>(nextTurn);
      if (!process.getActiveResourcesInfo().includes('Immediate')) return;
    }
    throw new Error(`the event loop did not come to rest in ${TURNS_MAX} turns`);
  }

  #dropCleared(): void {
    for (let next = this.#timers[0]; next && this.#cleared.has(next); next = this.#timers[0]) this.#pop();
  }

  #push(timer: VirtualTimer): void {
    const heap = this.#timers;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (!parent || !isBefore(timer, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = timer;
  }

  #pop(): VirtualTimer | undefined {
    const heap = this.#timers;
    const top = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return top;
    let index = 0;
    for (;;) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      const takeRight = left !== undefined && right !== undefined && isBefore(right, left);
      const child = takeRight ? right : left;
      if (!child || !isBefore(child, last)) break;
      heap[index] = child;
      index = 2 * index + (takeRight ? 2 : 1);
    }
    heap[index] = last;
    return top;
  }
}

function isBefore(a: VirtualTimer, b: VirtualTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

function isTimer(handle: unknown): handle is VirtualTimer {
  return typeof handle === 'object' && handle !== null && 'dueMs' in handle;
}
