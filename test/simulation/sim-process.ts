import type { Clock, TimerHandle } from '../../src/kernel/clock.ts';
import type { VirtualClock } from '../../src/testing/testing.ts';

/** How one machine's clock differs from the world's. */
export interface ClockFault {
  /** How far its wall time is ahead, in milliseconds. */
  skewMs: number;
  /** How much of its own time passes in one of the world's. */
  rate: number;
}

interface OwnTimer {
  inner: TimerHandle;
  over: boolean;
}

/**
 * One simulated program: all of its input comes through {@link enter} and all of its output asks {@link passes}, so that
 * it can be killed between any two things that others could notice, and frozen. What a killed program still does in its
 * own memory reaches nobody. Its clock goes by the world's, with faults of its own.
 */
export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  /** The same time for what is no part of Rota: its timers may outlive a stop. */
  readonly handlerClock: Clock;
  readonly #world: VirtualClock;
  readonly #onKilled: () => void;
  readonly #timers = new Set<OwnTimer>();
  readonly #handlerTimers = new Set<OwnTimer>();
  #held: (() => void)[] | undefined;
  #dead = false;
  #passesLeft = Number.POSITIVE_INFINITY;
  #wallOffsetMs: number;
  readonly #rate: number;

  constructor(name: string, world: VirtualClock, options: { clock: ClockFault; onKilled: () => void }) {
    this.name = name;
    this.#world = world;
    this.#onKilled = options.onKilled;
    this.#wallOffsetMs = options.clock.skewMs;
    this.#rate = options.clock.rate;
    this.clock = {
      now: () => Math.floor(world.now() + this.#wallOffsetMs + world.monotonicMs() * (this.#rate - 1)),
      monotonicMs: () => world.monotonicMs() * this.#rate,
      setTimeout: (fn, ms) => this.#arm(fn, ms, this.#timers),
      clearTimeout: (handle) => this.#disarm(handle),
    };
    this.handlerClock = { ...this.clock, setTimeout: (fn, ms) => this.#arm(fn, ms, this.#handlerTimers) };
  }

  get dead(): boolean {
    return this.#dead;
  }

  get frozen(): boolean {
    return this.#held !== undefined;
  }

  /** How many of its timers wait. */
  get timers(): number {
    return this.#timers.size;
  }

  /** Lets something in: at once, when it thaws, or never. */
  enter(input: () => void): void {
    if (this.#dead) return;
    if (this.#held !== undefined) this.#held.push(input);
    else input();
  }

  /** Whether something may go out now. The program may be killed by asking. */
  passes(): boolean {
    if (this.#dead) return false;
    this.#passesLeft -= 1;
    if (this.#passesLeft <= 0) this.kill();
    return !this.#dead;
  }

  /** Ends it at once, or right before the given number of further outputs. */
  kill(afterPasses = 0): void {
    if (this.#dead) return;
    if (afterPasses > 0) {
      this.#passesLeft = afterPasses;
      return;
    }
    this.#dead = true;
    this.#held = undefined;
    for (const timers of [this.#timers, this.#handlerTimers]) {
      for (const timer of timers) this.#world.clearTimeout(timer.inner);
      timers.clear();
    }
    this.#onKilled();
  }

  /** Stops it as a debugger or a suspended machine does: nothing comes in any more. */
  freeze(): void {
    if (!this.#dead) this.#held ??= [];
  }

  /** Lets it go on: what waited comes in one by one. */
  thaw(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const input of held) this.#world.setTimeout(() => this.enter(input), 0);
  }

  /** Makes its wall time jump. */
  jump(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  #arm(fn: () => void, ms: number, timers: Set<OwnTimer>): TimerHandle {
    if (this.#dead) return undefined;
    const timer: OwnTimer = { inner: undefined, over: false };
    const fire = (): void => {
      if (timer.over) return;
      timers.delete(timer);
      timer.over = true;
      fn();
    };
    // As Node's timers: whole milliseconds, at least one.
    const wholeMs = ms >= 1 ? Math.trunc(ms) : 1;
    timer.inner = this.#world.setTimeout(() => this.enter(fire), wholeMs / this.#rate);
    timers.add(timer);
    return timer;
  }

  #disarm(handle: TimerHandle): void {
    // Handles are opaque to callers; these are ours.
    const timer = handle as OwnTimer | undefined;
    if (timer === undefined || timer === null) return;
    timer.over = true;
    const known = this.#timers.delete(timer) || this.#handlerTimers.delete(timer);
    if (known) this.#world.clearTimeout(timer.inner);
  }
}
