import type { BusState } from './bus.ts';

/** A state and who wants to hear of its changes. */
export class StateSignal {
  readonly #listeners = new Set<(state: BusState) => void>();
  readonly #onError: ((error: unknown) => void) | undefined;
  #state: BusState;

  /** @param onError hears of a listener that throws; the others are called all the same */
  constructor(state: BusState, onError?: (error: unknown) => void) {
    this.#state = state;
    this.#onError = onError;
  }

  get state(): BusState {
    return this.#state;
  }

  /** Changes the state and tells it, unless it is that already. */
  set(state: BusState): void {
    if (this.#state === state) return;
    this.#state = state;
    for (const listener of [...this.#listeners]) {
      try {
        listener(state);
      } catch (error) {
        this.#onError?.(error);
      }
    }
  }

  /** Calls the listener at each change until the returned function is called. */
  on(listener: (state: BusState) => void): () => void {
    const own = (state: BusState): void => listener(state);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** Nobody hears of anything any more. */
  clear(): void {
    this.#listeners.clear();
  }
}
