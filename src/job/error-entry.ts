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

/** What marks a cut, and how many bytes it takes. */
const CUT = { mark: '…', bytes: 3 };
/** Bytes that JSON writes for one unit of a string at most: a control character is `\u0001`. */
const UNIT_BYTES_MAX = 6;

const jsonBytes = (text: string): number => utf8Bytes(JSON.stringify(text)) - 2;

/**
 * Cuts a text to the size that an error may have, at a whole character. Sizes are those of the JSON that holds it, so
 * that a job at all its limits still fits into a reply, whatever its errors are full of.
 */
export function clipText(text: string, bytesMax: number = LIMITS.errorTextBytesMax): string {
  if (text.length * UNIT_BYTES_MAX <= bytesMax) return text;
  if (text.length <= bytesMax && jsonBytes(text) <= bytesMax) return text;
  let kept = 0;
  let bytes = CUT.bytes;
  for (const character of text) {
    bytes += jsonBytes(character);
    if (bytes > bytesMax) break;
    kept += character.length;
  }
  return `${text.slice(0, kept)}${CUT.mark}`;
}

/** The error list with one more entry, the oldest dropped beyond the limit. */
export function withError(errors: readonly JobErrorEntry[], entry: JobErrorEntry): JobErrorEntry[] {
  return [...errors, { ...entry, message: clipText(entry.message) }].slice(-LIMITS.errorsKeptMax);
}
