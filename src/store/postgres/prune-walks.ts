import type { Pair } from './job-places.ts';

/**
 * How far pruning has come in each queue and state, in order of insertion, and whose turn is next. A hint: lost with the
 * store, each store has its own, and what a transaction that failed says here is only looked at again later.
 */
export class PruneWalks {
  readonly #reached = new Map<string, number>();
  #turns: readonly Pair[] = [];
  #goesOn = false;

  /** Whose turn is next, and whether the pass goes on: else it began long ago, and others may have become due. */
  turns(): { pairs: readonly Pair[]; goesOn: boolean } {
    return { pairs: this.#turns, goesOn: this.#goesOn };
  }

  /** Leaves these to the next request; `goesOn` where it follows at once. */
  leave(pairs: readonly Pair[], goesOn: boolean): void {
    this.#turns = pairs;
    this.#goesOn = goesOn && pairs.length > 0;
  }

  /** The place behind which a walk goes on; 0: at the start. */
  reachedIn(pair: Pair): number {
    return this.#reached.get(nameOf(pair)) ?? 0;
  }

  /** Notes how far a walk came; undefined: to its end, the next one begins anew. */
  reached(pair: Pair, seq: number | undefined): void {
    if (seq === undefined) this.#reached.delete(nameOf(pair));
    else this.#reached.set(nameOf(pair), seq);
  }
}

/** One text for each queue and state. */
export const nameOf = ({ queue, state }: Pair): string => `${queue} ${state}`;
