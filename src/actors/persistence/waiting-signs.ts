import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import type { StoreOptions } from '../../store/job-store.ts';
import type { WaitingClaims } from './waiting-claims.ts';

/** What {@link WaitingSigns} needs. */
export interface WaitingSignsWorld {
  clock: Clock;
  leaseMs: number;
  /** Tells the store; it need not succeed, for the next time comes soon. */
  touch(signs: StoreOptions<'touch'>): Promise<unknown>;
}

/** A claim that waits is a sign of life of its worker: the store hears of it, four times a lease. */
export class WaitingSigns {
  readonly #waiting: WaitingClaims;
  readonly #world: WaitingSignsWorld;
  #timer: TimerHandle;

  constructor(waiting: WaitingClaims, world: WaitingSignsWorld) {
    this.#waiting = waiting;
    this.#world = world;
  }

  start(): void {
    const { clock, leaseMs, touch } = this.#world;
    this.#timer = clock.setTimeout(() => {
      const workers = this.#waiting.workers();
      if (workers.length > 0) touch({ now: clock.now(), workers }).catch(() => {});
      this.start();
    }, leaseMs / 4);
  }

  stop(): void {
    this.#world.clock.clearTimeout(this.#timer);
  }
}
