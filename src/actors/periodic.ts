import type { Clock, TimerHandle } from '../kernel/clock.ts';
import type { Service } from './service.ts';

/** What comes again and on which clock. */
export interface PeriodicWorld {
  clock: Clock;
  /** One duty. Answers in how many milliseconds to come again; never rejects. */
  duty(): Promise<number>;
  /** When it is called first, in milliseconds. */
  firstMs: number;
}

/** A service with one duty that comes again and again, never twice at once. */
export class Periodic implements Service {
  readonly #world: PeriodicWorld;
  #timer: TimerHandle;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = false;

  constructor(world: PeriodicWorld) {
    this.#world = world;
    this.#arm(world.firstMs);
  }

  /** Calls the duty now instead of later; while it runs, once more right after. */
  poke(): void {
    if (this.#running !== undefined) this.#again = true;
    else this.#arm(0);
  }

  /** No more duties; resolves when the one that runs has ended. */
  async stop(): Promise<void> {
    this.kill();
    await this.#running;
  }

  kill(): void {
    this.#stopped = true;
    this.#world.clock.clearTimeout(this.#timer);
  }

  #arm(ms: number): void {
    if (this.#stopped) return;
    this.#world.clock.clearTimeout(this.#timer);
    this.#timer = this.#world.clock.setTimeout(() => {
      this.#running = this.#run();
    }, ms);
  }

  async #run(): Promise<void> {
    const nextMs = await this.#world.duty();
    const again = this.#again;
    this.#again = false;
    this.#running = undefined;
    this.#arm(again ? 0 : nextMs);
  }
}
