import { type Clock, sleep } from '../kernel/clock.ts';
import { type ErrorCode, RotaError } from '../kernel/error.ts';

/** Failures after which the same request may be sent again: nobody was there, or nobody knows whether it happened. */
const PASSING: ReadonlySet<ErrorCode> = new Set(['unavailable', 'timeout', 'connection', 'overloaded']);
const WAIT_MS_MIN = 50;
const WAIT_MS_MAX = 2_000;

/** How long one try waits for its answer at most, in milliseconds. */
export const TRY_MS_MAX = 10_000;

/** What tries again. */
export interface Trier {
  clock: Clock;
  /** Aborts when nothing can come of it any more: the try that follows is the last one. */
  closed: AbortSignal;
}

/**
 * Tries again and again what may be repeated, until it succeeds, is refused, or the time is over.
 * @param attempt one try, given how long it may take in milliseconds
 * @param deadlineMs for how long, in milliseconds
 * @throws what the last try threw
 */
export async function untilDeadline<T>(
  attempt: (tryMs: number) => Promise<T>,
  deadlineMs: number,
  { clock, closed }: Trier,
): Promise<T> {
  const endMs = clock.monotonicMs() + deadlineMs;
  for (let waitMs = WAIT_MS_MIN; ; waitMs = Math.min(waitMs * 2, WAIT_MS_MAX)) {
    try {
      return await attempt(Math.max(1, Math.min(TRY_MS_MAX, endMs - clock.monotonicMs())));
    } catch (error) {
      const passing = error instanceof RotaError && PASSING.has(error.code);
      if (!passing || closed.aborted || clock.monotonicMs() + waitMs >= endMs) throw error;
    }
    await sleep(clock, waitMs, closed);
  }
}
