import type { Random } from '../kernel/identity.ts';
import { SupervisorError } from './supervisor-error.ts';

/**
 * Waits between restarts, beyond OTP: `minMs` before the first, doubled each time up to `maxMs`.
 * A child that ran for `maxMs` begins at `minMs` again.
 */
export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
  /** The share of the wait, 0 to 1, that is random: a wait of w becomes w·(1 − jitter) to w. Default 0. */
  readonly jitter?: number;
}

/** Doubling stops here, so that the power stays a safe number. */
const EXPONENT_MAX = 40;

/**
 * The wait before a restart, in milliseconds.
 * @param attempt how many restarts in a row came before, from 0
 */
export function backoffMs(backoff: Backoff, attempt: number, random: Random): number {
  const fullMs = Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.min(attempt, EXPONENT_MAX));
  return fullMs * (1 - (backoff.jitter ?? 0) * random());
}

/** @throws {SupervisorError} `invalid_backoff` */
export function checkBackoff(backoff: Backoff | undefined, whose: string): Backoff | undefined {
  if (backoff === undefined) return undefined;
  const { minMs, maxMs, jitter = 0 } = backoff ?? {};
  const fits = isAmount(minMs) && isAmount(maxMs) && minMs <= maxMs && isAmount(jitter) && jitter <= 1;
  if (fits) return backoff;
  throw new SupervisorError(
    'invalid_backoff',
    `backoff of ${whose} needs 0 <= minMs <= maxMs and a jitter from 0 to 1`,
  );
}

function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
