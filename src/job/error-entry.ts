import { utf8Bytes } from '../kernel/json.ts';
import type { JobErrorEntry } from './job.ts';
import { LIMITS } from './limits.ts';
import type { OutcomeError } from './outcome.ts';

/**
 * Tells anything that a handler threw: an Error, a string, `undefined`, a frozen or cyclic object, one whose getters
 * throw. Never throws itself.
 */
export function thrownError(thrown: unknown, kind: OutcomeError['kind'] = 'error'): OutcomeError {
  const stack = textOf(() => (thrown instanceof Error ? thrown.stack : undefined));
  return {
    kind,
    message: clipText(messageOf(thrown)),
    ...(stack === undefined ? {} : { stack: clipText(stack) }),
  };
}

function messageOf(thrown: unknown): string {
  if (thrown === undefined) return 'undefined was thrown';
  if (typeof thrown === 'string') return thrown === '' ? 'an empty string was thrown' : thrown;
  if (typeof thrown !== 'object' || thrown === null)
    return textOf(() => String(thrown)) ?? 'an unreadable value was thrown';
  const name = textOf(() => (thrown as { name?: unknown }).name);
  const message = textOf(() => (thrown as { message?: unknown }).message);
  if (message !== undefined && message !== '') return name && name !== 'Error' ? `${name}: ${message}` : message;
  return textOf(() => JSON.stringify(thrown)) ?? name ?? 'an object that cannot be described was thrown';
}

function textOf(read: () => unknown): string | undefined {
  try {
    const value = read();
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Cuts a text to the size that an error may have, at a whole character. */
export function clipText(text: string, bytesMax: number = LIMITS.errorTextBytesMax): string {
  if (text.length * 3 <= bytesMax || utf8Bytes(text) <= bytesMax) return text;
  const bytes = Buffer.from(text, 'utf8').subarray(0, bytesMax - 3);
  return `${bytes.toString('utf8').replace(/\uFFFD+$/, '')}…`;
}

/** The error list with one more entry, the oldest dropped beyond the limit. */
export function withError(errors: readonly JobErrorEntry[], entry: JobErrorEntry): JobErrorEntry[] {
  return [...errors, { ...entry, message: clipText(entry.message) }].slice(-LIMITS.errorsKeptMax);
}
