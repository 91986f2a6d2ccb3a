/** Deliveries in a row before the event loop gets a turn, so that actors that only talk to each other starve no timer. */
const DELIVERIES_PER_TURN = 512;

/** Deliveries that may wait; beyond it the next one is dropped. */
const DELIVERIES_MAX = 262_144;

/**
 * Runs deliveries one after the other, never inside the call that made them: in a microtask, and after
 * {@link DELIVERIES_PER_TURN} of them in a later turn of the event loop.
 */
export class TurnQueue {
  readonly #laterTurn: (fn: () => void) => void;
  #queue: (() => void)[] = [];
  #scheduled = false;
  #budget = DELIVERIES_PER_TURN;

  /** @param laterTurn calls a function in a later turn of the event loop; a simulation gives its own */
  constructor(laterTurn: (fn: () => void) => void) {
    this.#laterTurn = laterTurn;
  }

  /**
   * Takes a delivery, which must not throw.
   * @returns false when it was dropped because too many wait
   */
  push(delivery: () => void): boolean {
    if (this.#queue.length >= DELIVERIES_MAX) return false;
    this.#queue.push(delivery);
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#schedule();
    }
    return true;
  }

  #schedule(): void {
    if (this.#budget > 0) queueMicrotask(this.#run);
    else {
      this.#laterTurn(() => {
        this.#budget = DELIVERIES_PER_TURN;
        this.#run();
      });
    }
  }

  readonly #run = (): void => {
    const batch = this.#queue;
    this.#queue = [];
    let taken = 0;
    while (taken < batch.length && this.#budget > 0) {
      batch[taken]?.();
      taken += 1;
      this.#budget -= 1;
    }
    if (taken < batch.length) this.#queue = [...batch.slice(taken), ...this.#queue];
    this.#scheduled = this.#queue.length > 0;
    if (this.#scheduled) this.#schedule();
  };
}
