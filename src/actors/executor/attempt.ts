import type { AnyJobDefinition, HandlerContext } from '../../job/definition.ts';
import { thrownError } from '../../job/error-entry.ts';
import { LIMITS } from '../../job/limits.ts';
import { isDirective, type Outcome } from '../../job/outcome.ts';
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
  /** Resolves when the handler has really returned, however late. Never rejects. */
  ended: Promise<void>;
}

/** Runs a handler in this thread and turns whatever it does into an outcome. */
export function runAttempt(input: AttemptInput): RunningAttempt {
  const { definition, context, attempt, timeoutMs, clock, onTimeout } = input;
  const handled = Promise.resolve()
    .then(() => definition.run?.(context))
    .then(
      (value) => returned(value),
      (thrown: unknown) => failed(thrown, definition, attempt),
    );
  const ended = handled.then(() => undefined);
  if (timeoutMs === null) return { outcome: handled, ended };

  const { promise: timeUp, resolve } = Promise.withResolvers<Outcome>();
  const timer = clock.setTimeout(() => {
    const error = { kind: 'timeout' as const, message: `the attempt took longer than its ${timeoutMs} ms` };
    resolve(withBackoff({ outcome: 'fail', error }, definition, attempt));
    onTimeout();
  }, timeoutMs);
  const outcome = Promise.race([handled, timeUp]).finally(() => clock.clearTimeout(timer));
  return { outcome, ended };
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
  return { outcome: 'complete', result: null, resultFault: `the result ${issues.list[0]?.message ?? 'is no JSON'}` };
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
