import type { Clock } from '../kernel/clock.ts';
import { ERROR_STATUS, errorText, RotaError, statusOf } from '../kernel/error.ts';

/** How often an endpoint was asked since its server started, and how long that took together. */
export interface EndpointCounts {
  requests: number;
  errors: number;
  /** The status and the message, as in `404:there is no job …`; empty when there was none. */
  lastError: string;
  /** Milliseconds from each request to its answer. */
  busyMs: number;
}

/** An error as services in other languages write their last one: status and sentence. */
function told(error: unknown): string {
  const code = error instanceof RotaError && error.code in ERROR_STATUS ? error.code : 'unavailable';
  return `${statusOf(code)}:${errorText(error)}`;
}

/** Counts requests by endpoint, where they are served. Names that were not given at the start are not counted. */
export class RequestCounts {
  readonly #clock: Clock;
  readonly #counts: Map<string, EndpointCounts>;

  constructor(clock: Clock, names: readonly string[]) {
    this.#clock = clock;
    this.#counts = new Map(names.map((name) => [name, { requests: 0, errors: 0, lastError: '', busyMs: 0 }]));
  }

  /**
   * Deals with a request and counts it.
   * @param refuse is told what dealing with it threw
   */
  async count(name: string, deal: () => Promise<void>, refuse: (error: unknown) => void): Promise<void> {
    const counts = this.#counts.get(name);
    const beganMs = this.#clock.monotonicMs();
    try {
      await deal();
    } catch (error) {
      refuse(error);
      if (counts !== undefined) {
        counts.errors += 1;
        counts.lastError = told(error);
      }
    }
    if (counts === undefined) return;
    counts.requests += 1;
    counts.busyMs += this.#clock.monotonicMs() - beganMs;
  }

  /** All counts as plain data. */
  view(): Record<string, EndpointCounts> {
    return Object.fromEntries(this.#counts);
  }
}
