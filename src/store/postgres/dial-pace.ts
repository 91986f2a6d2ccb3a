import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/identity.ts';

/** How long no dial follows the first that failed, in milliseconds; doubled with each, up to the most. */
const FIRST_MS = 125;
const MOST_MS = 1_000;

/** A dial that was begun: exactly one of its outcomes is to be told. */
export interface Dial {
  reached(): void;
  failed(thrown: unknown): void;
}

/**
 * How soon a server that could not be reached is dialled again, by all pools of a store together. While it is away one
 * dial at a time tries it out, in the end once in a second to a second and a half (by chance, so that the nodes of a fleet
 * do not come all at once), and everybody else is told at once what the last one met. Once one has reached it all may.
 */
export class DialPace {
  readonly #clock: Clock;
  readonly #random: Random;
  #failures = 0;
  #failure: unknown;
  #openAtMs = 0;
  #tryingOut = false;

  constructor({ clock, random }: { clock: Clock; random: Random }) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Begins a dial; where none is to be made now, what the last one failed with. */
  begin(): Dial | { refusal: unknown } {
    const before = this.#failures;
    if (before > 0) {
      if (this.#tryingOut || this.#clock.monotonicMs() < this.#openAtMs) return { refusal: this.#failure };
      this.#tryingOut = true;
    }
    return {
      reached: () => {
        this.#failures = 0;
        this.#tryingOut = false;
      },
      failed: (thrown) => {
        // Of several that were begun at once the first that fails speaks for all.
        if (this.#failures === before) this.#fail(thrown);
      },
    };
  }

  #fail(thrown: unknown): void {
    const waitMs = Math.min(MOST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#failure = thrown;
    this.#tryingOut = false;
    this.#openAtMs = this.#clock.monotonicMs() + waitMs * (1 + this.#random() / 2);
  }
}
