import type { Duration } from '../kernel/duration.ts';
import { parseDuration } from '../kernel/duration.ts';
import { RotaError } from '../kernel/error.ts';
import type { Json } from '../kernel/json.ts';
import type { ErrorKind } from './job.ts';

/** A failed attempt, told so that any process can read it. */
export interface OutcomeError {
  kind: Extract<ErrorKind, 'error' | 'timeout' | 'killed'>;
  message: string;
  stack?: string;
}

/**
 * How an attempt ended; the closed set that workers in any language settle with. `resultFault` on a completion tells
 * that the value could not be kept and why. `endSchedule` ends the schedule that made the job.
 */
export type Outcome = (
  | { outcome: 'complete'; result: Json; resultFault?: string }
  | { outcome: 'fail'; error: OutcomeError; retryInMs?: number }
  | { outcome: 'snooze'; forMs: number }
  | { outcome: 'cancel'; reason: string }
  | { outcome: 'discard'; reason: string }
  | { outcome: 'release' }
) & { endSchedule?: true };

/** Whether all that an outcome says is that its job is done. */
export const isBareCompletion = (outcome: Outcome): boolean =>
  outcome.outcome === 'complete' &&
  outcome.result === null &&
  outcome.resultFault === undefined &&
  outcome.endSchedule === undefined;

/** The mark that tells a directive from a handler's own result. */
const DIRECTIVE = Symbol.for('rota.directive');

/** What a handler may return instead of a result: made by {@link snooze}, {@link cancel}, {@link discard}, {@link endSchedule}. */
export type Directive = { [DIRECTIVE]: true } & (
  | { kind: 'snooze'; forMs: number }
  | { kind: 'cancel' | 'discard'; reason: string }
  | { kind: 'endSchedule'; value: unknown }
);

/**
 * Runs the job again later; the attempt is handed back.
 * @param delay how long, for example `"5m"`
 * @throws RotaError `invalid_request` when it is no duration
 */
export function snooze(delay: Duration): Directive {
  const forMs = parseDuration(delay);
  if (forMs === undefined)
    throw new RotaError('invalid_request', `snooze needs a duration like "5m", this is ${JSON.stringify(delay)}`);
  return { [DIRECTIVE]: true, kind: 'snooze', forMs };
}

/** Ends the job as `cancelled`. */
export const cancel = (reason: string): Directive => ({ [DIRECTIVE]: true, kind: 'cancel', reason: String(reason) });

/** Ends the job as `discarded`, whatever attempts are left. */
export const discard = (reason: string): Directive => ({ [DIRECTIVE]: true, kind: 'discard', reason: String(reason) });

/** Completes the job with a value and ends the schedule that made it. */
export const endSchedule = (value?: unknown): Directive => ({ [DIRECTIVE]: true, kind: 'endSchedule', value });

/** Whether a handler returned a directive. */
export function isDirective(value: unknown): value is Directive {
  return typeof value === 'object' && value !== null && DIRECTIVE in value;
}
