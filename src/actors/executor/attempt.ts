import type { AnyJobDefinition, HandlerContext, Isolation } from '../../job/definition.ts';
import { thrownError } from '../../job/error-entry.ts';
import { LIMITS } from '../../job/limits.ts';
import { isDirective, type Outcome, type OutcomeError } from '../../job/outcome.ts';
import { resultTooLarge } from '../../job/settlement.ts';
import { Issues, isRecord } from '../../kernel/check.ts';
import type { Clock } from '../../kernel/clock.ts';
import { parseDuration } from '../../kernel/duration.ts';
import { errorText } from '../../kernel/error.ts';
import { checkJson, type Json, utf8Bytes } from '../../kernel/json.ts';

/** One attempt about to run. */
export interface AttemptInput {
  definition: AnyJobDefinition;
  context: HandlerContext;
  attempt: number;
  /** Milliseconds from the handler's start; null: no limit. */
  timeoutMs: number | null;
  clock: Clock;
  /** Called when the time is over, so that the handler's signal aborts. */
  onTimeout(): void;
}

/** A running attempt. */
export interface RunningAttempt {
  /** How it ended; after a time-out at once, whatever the handler does. Never rejects. */
  outcome: Promise<Outcome>;
  /** Resolves when the handler has really returned or what it ran in has really ended, however late. Never rejects. */
  ended: Promise<unknown>;
  /** Ends the handler by force. Undefined where nothing can: in this thread. */
  terminate: (() => void) | undefined;
}

/** Where attempts run. */
export interface AttemptHost {
  run(input: AttemptInput): RunningAttempt;
}

/** The places that a job type may ask for. */
export type AttemptHosts = Readonly<Record<Isolation, AttemptHost>>;

/** This thread: for handlers that mostly wait. One that does not return keeps its slot. */
export const inlineHost: AttemptHost = { run: runAttempt };

/** Runs a handler in this thread and turns whatever it does into an outcome. */
export function runAttempt(input: AttemptInput): RunningAttempt {
  const { definition, attempt, timeoutMs, clock, onTimeout } = input;
  const handled = handle(input);
  if (timeoutMs === null) return { outcome: handled, ended: handled, terminate: undefined };

  const { promise: timeUp, resolve } = Promise.withResolvers<Outcome>();
  const timer = clock.setTimeout(() => {
    resolve(failedAttempt(timeoutError(timeoutMs), definition, attempt));
    onTimeout();
  }, timeoutMs);
  const outcome = Promise.race([handled, timeUp]).finally(() => clock.clearTimeout(timer));
  return { outcome, ended: handled, terminate: undefined };
}

const BEGUN = Promise.resolve();

/**
 * The handler begins in the next microtask, when whoever started it has noted the attempt. One that answers at once is not
 * waited for: an `await` leaves more behind than all else here.
 */
function handle(input: AttemptInput): Promise<Outcome> {
  return BEGUN.then(() => {
    try {
      const value: unknown = input.definition.run?.(input.context);
      return isThenable(value) ? awaited(value, input) : returned(value);
    } catch (thrown) {
      return threw(thrown, input);
    }
  });
}

async function awaited(value: PromiseLike<unknown>, input: AttemptInput): Promise<Outcome> {
  try {
    return returned(await value);
  } catch (thrown) {
    return threw(thrown, input);
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  ((typeof value === 'object' && value !== null) || typeof value === 'function') && 'then' in value;

function threw(thrown: unknown, { definition, attempt }: AttemptInput): Outcome {
  try {
    return failed(thrown, definition, attempt);
  } catch (fault) {
    // What cannot even be looked at, such as a proxy whose traps throw.
    return failed(fault, definition, attempt);
  }
}

/** What is recorded of an attempt whose time was over. */
export function timeoutError(timeoutMs: number): OutcomeError {
  return { kind: 'timeout', message: `the attempt took longer than its ${timeoutMs} ms` };
}

/** The outcome of an attempt that its handler did not end itself: the type's backoff decides when it runs again. */
export function failedAttempt(error: OutcomeError, definition: AnyJobDefinition, attempt: number): Outcome {
  return withBackoff({ outcome: 'fail', error }, definition, attempt);
}

function returned(value: unknown): Outcome {
  if (!isDirective(value)) return completed(value);
  switch (value.kind) {
    case 'snooze':
      return { outcome: 'snooze', forMs: value.forMs };
    case 'cancel':
    case 'discard':
      return { outcome: value.kind, reason: value.reason };
    case 'endSchedule':
      return { ...completed(value.value), endSchedule: true };
  }
}

/** A value becomes JSON as JSON.stringify has it: dates as text, undefined left out. What cannot costs only the result. */
function completed(value: unknown): Outcome & { outcome: 'complete' } {
  if (value === null || value === undefined) return { outcome: 'complete', result: null };
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    return { outcome: 'complete', result: null, resultFault: `the result is no JSON: ${errorText(error)}` };
  }
  if (text === undefined) return { outcome: 'complete', result: null };
  const bytes = utf8Bytes(text);
  if (bytes > LIMITS.resultBytesMax) return { outcome: 'complete', result: null, resultFault: resultTooLarge(bytes) };
  const result: Json = JSON.parse(text);
  const issues = new Issues();
  if (checkJson(result, 'result', issues)) return { outcome: 'complete', result };
  const { path, message } = issues.list[0] ?? { path: 'result', message: 'is no JSON' };
  return { outcome: 'complete', result: null, resultFault: `${path} ${message}` };
}

function failed(thrown: unknown, definition: AnyJobDefinition, attempt: number): Outcome {
  const outcome: Outcome & { outcome: 'fail' } = { outcome: 'fail', error: thrownError(thrown) };
  const retryInMs = retryInOf(thrown);
  return retryInMs === undefined ? withBackoff(outcome, definition, attempt) : { ...outcome, retryInMs };
}

function retryInOf(thrown: unknown): number | undefined {
  try {
    return isRecord(thrown) ? parseDuration(thrown.retryIn) : undefined;
  } catch {
    return undefined;
  }
}

/** A type's own backoff function is asked here, where it lives; the store knows only policies. */
function withBackoff(outcome: Outcome & { outcome: 'fail' }, definition: AnyJobDefinition, attempt: number): Outcome {
  if (definition.backoffFunction === undefined) return outcome;
  try {
    const retryInMs = parseDuration(definition.backoffFunction(attempt));
    return retryInMs === undefined ? outcome : { ...outcome, retryInMs };
  } catch {
    return outcome;
  }
}
