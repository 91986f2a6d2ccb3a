import {
  arrayOf,
  at,
  type Check,
  duration,
  type Issues,
  integer,
  isRecord,
  numberIn,
  object,
  oneOf,
  optional,
  string,
} from '../kernel/check.ts';
import { isJobType, isToken, TOKEN_RULE } from '../kernel/identity.ts';
import { checkJsonAt, type Json, jsonBytesMost, utf8Bytes } from '../kernel/json.ts';
import { LIMITS, PRIORITIES } from './limits.ts';
import type { BackoffPolicy } from './retry-policy.ts';

/** The level of a job's fields in its body. */
const FIELD_DEPTH = 2;

/** A queue name. */
export const queueName = string({ max: 64, accept: isToken, what: `a queue name: ${TOKEN_RULE}` });
/** A job type. */
export const jobType = string({ max: 128, accept: isJobType, what: 'a job type: 1 to 128 of A-Z a-z 0-9 _ . : -' });

/** A priority, answered as its number. */
export const priority: Check<number> = (value, path, issues) => {
  if (typeof value === 'string' && Object.hasOwn(PRIORITIES, value))
    return PRIORITIES[value as keyof typeof PRIORITIES];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 9) return value;
  return issues.add(path, `must be a whole number from 0 to 9 or one of ${Object.keys(PRIORITIES).join(', ')}`);
};

const backoffFields = object({
  kind: oneOf(['exponential', 'linear', 'constant']),
  base: duration,
  max: optional(duration),
  jitter: optional(numberIn(0, 1)),
});

/** A backoff as the wire writes it, answered as it is stored. */
export const backoff: Check<BackoffPolicy> = (value, path, issues) => {
  const read = backoffFields(value, path, issues);
  if (read === undefined) return undefined;
  return {
    kind: read.kind,
    baseMs: read.base,
    ...(read.max === undefined ? {} : { maxMs: read.max }),
    ...(read.jitter === undefined ? {} : { jitter: read.jitter }),
  };
};

/** One tag. It is looked for as text, which half a surrogate pair is not: it would be found in one store and not in another. */
export const tag = string({
  max: LIMITS.tagLengthMax,
  accept: (text) => text.isWellFormed(),
  what: `a text of 1 to ${LIMITS.tagLengthMax} characters`,
});
const tagTexts = arrayOf(tag, { max: LIMITS.tagsMax });

/** Tags, answered in lower case and without repeats. */
export const tags: Check<string[]> = (value, path, issues) => {
  const read = tagTexts(value, path, issues);
  return read && [...new Set(read.map((text) => text.toLowerCase()))];
};

/**
 * Checks JSON that stands in a job's field, and its size. A body's nesting is what is limited, and the job is its first
 * level.
 */
function isJsonField(value: unknown, path: string, limit: { bytesMax: number; issues: Issues }): boolean {
  // What may be too large is measured; most is far from it.
  if (jsonBytesMost(value, FIELD_DEPTH) <= limit.bytesMax) return true;
  const place = { depth: FIELD_DEPTH, issues: limit.issues };
  return checkJsonAt(value, path, place) && jsonWithin(value, path, limit);
}

/** Free JSON for people and programs around a job: an object of at most 64 KiB. */
export const meta: Check<{ [key: string]: Json }> = (value, path, issues) => {
  if (!isRecord(value)) return issues.add(path, 'must be an object');
  return isJsonField(value, path, { bytesMax: LIMITS.metaBytesMax, issues })
    ? (value as { [key: string]: Json })
    : undefined;
};

// Stored as text of its own, not as JSON: half a surrogate pair would come back as another character.
const referencePart = string({
  max: LIMITS.referencePartLengthMax,
  accept: (text) => text.isWellFormed(),
  what: `a text of 1 to ${LIMITS.referencePartLengthMax} characters`,
});
/** What a job stands for outside. */
export const reference = object({ type: referencePart, id: referencePart });

/** Marks an issue as one of size, so that its request is answered 413. */
const TOO_LARGE = 'is too large';

/** Whether something was over its size. */
export const isTooLarge = (issues: Issues): boolean => issues.list.some(({ message }) => message.startsWith(TOO_LARGE));

/** Whether a JSON value is within a size; records the issue otherwise. */
export function jsonWithin(value: unknown, path: string, limit: { bytesMax: number; issues: Issues }): boolean {
  const bytes = utf8Bytes(JSON.stringify(value));
  if (bytes <= limit.bytesMax) return true;
  limit.issues.add(path, `${TOO_LARGE}: ${bytes} bytes of JSON, at most ${limit.bytesMax}`);
  return false;
}

/** A job's args: an object or an array of at most 256 KiB of JSON. */
export const args: Check<Json> = (value, path, issues) => {
  if (typeof value !== 'object' || value === null) return issues.add(path, 'must be an object or an array');
  return isJsonField(value, path, { bytesMax: LIMITS.argsBytesMax, issues }) ? (value as Json) : undefined;
};

/** The fields that a type may set for its jobs and a request may set for one. */
export const jobDefaultFields = {
  maxAttempts: optional(integer(1, LIMITS.attemptsMax)),
  backoff: optional(backoff),
  timeout: optional(duration),
  priority: optional(priority),
};

/** Prefixes the paths of issues found deeper, for values that were checked on their own. */
export function nested(found: readonly { path: string; message: string }[], path: string, issues: Issues): void {
  for (const issue of found) issues.add(issue.path === '' ? path : at(path, issue.path), issue.message);
}
