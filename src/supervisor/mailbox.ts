import { nextTurn } from '../kernel/clock.ts';

/** After this many messages the event loop gets a turn, so that a storm of restarts starves nobody. */
const MESSAGES_PER_TURN_MAX = 100;

/**
 * A FIFO queue that is served one message at a time, each to its end. Serving begins in a microtask, never inside
 * `post`: a message may be posted from inside an actor's own transition.
 */
export class Mailbox<T> {
  readonly #serve: (message: T) => Promise<void>;
  #waiting: T[] = [];
  #serving = false;
  #servedThisTurn = 0;

  /** @param serve must not reject */
  constructor(serve: (message: T) => Promise<void>) {
    this.#serve = serve;
  }

  post(message: T): void {
    this.#waiting.push(message);
    if (this.#serving) return;
    this.#serving = true;
    queueMicrotask(() => void this.#drain());
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      for (const message of batch) {
        if (++this.#servedThisTurn > MESSAGES_PER_TURN_MAX) {
          await new Promise<void>(nextTurn);
          this.#servedThisTurn = 1;
        }
        await this.#serve(message);
      }
    }
    this.#serving = false;
  }
}
