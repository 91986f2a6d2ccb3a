import { parseTime } from './clock.ts';
import { parseDuration } from './duration.ts';
import type { Issue } from './error.ts';
import { isUuidV7 } from './identity.ts';

/**
 * Collects what is wrong with one input. Each door (bus, config, command line, rows read back) checks through this, so
 * that a fault is always told the same way and all faults are told at once, up to {@link ISSUES_MAX}.
 */
export class Issues {
  readonly list: Issue[] = [];
  /** They only say whether there is a fault: nobody reads where and which. */
  readonly unread: boolean;

  constructor({ unread = false } = {}) {
    this.unread = unread;
  }

  add(path: string, message: string): undefined {
    if (this.list.length < ISSUES_MAX) this.list.push({ path, message });
    return undefined;
  }

  get none(): boolean {
    return this.list.length === 0;
  }
}

/** Beyond this many faults of one input the rest is not told. */
export const ISSUES_MAX = 50;

/** Reads one value at a path; records an issue and answers undefined when it does not fit. */
export type Check<T> = (value: unknown, path: string, issues: Issues) => T | undefined;

/** A path one step deeper: `at('', 'args')` is `args`, `at('3', 'args')` is `3.args`. */
export const at = (path: string, key: string | number): string => (path === '' ? String(key) : `${path}.${key}`);

/** A plain object: no array, and none of the classes that MessagePack decodes to (bytes, dates, extensions). */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return !ArrayBuffer.isView(value) && !(value instanceof Date);
}

/** Whether a text has more characters than this; one beyond the basic plane, like an emoji, is one, not two. */
const isLonger = (text: string, max: number): boolean =>
  text.length > max && (text.length > max * 2 || [...text].length > max);

/** A string of `min` to `max` characters, matched by `accept` where one is given. */
export function string(options: {
  min?: number;
  max: number;
  accept?: (text: string) => boolean;
  what: string;
}): Check<string> {
  const { min = 1, max, accept, what } = options;
  return (value, path, issues) => {
    if (typeof value !== 'string' || value.length < min || isLonger(value, max) || (accept && !accept(value))) {
      return issues.add(path, `must be ${what}`);
    }
    return value;
  };
}

/** A whole number from `min` to `max`, both included. */
export function integer(min: number, max: number): Check<number> {
  return (value, path, issues) =>
    typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max
      ? value
      : issues.add(path, `must be a whole number from ${min} to ${max}`);
}

/** A number from `min` to `max`, both included. */
export function numberIn(min: number, max: number): Check<number> {
  return (value, path, issues) =>
    typeof value === 'number' && value >= min && value <= max
      ? value
      : issues.add(path, `must be a number from ${min} to ${max}`);
}

/** True or false. */
export const boolean: Check<boolean> = (value, path, issues) =>
  typeof value === 'boolean' ? value : issues.add(path, 'must be true or false');

/** A {@link Duration}, answered in milliseconds. */
export const duration: Check<number> = (value, path, issues) =>
  parseDuration(value) ??
  issues.add(
    path,
    'must be a duration: milliseconds as a number, or a number with a unit (ms s m h d) like "30s", up to 100 years',
  );

/** An RFC 3339 UTC time, answered in milliseconds since the epoch. */
export const time: Check<number> = (value, path, issues) =>
  (typeof value === 'string' ? parseTime(value) : undefined) ??
  issues.add(path, 'must be a time like "2026-01-31T10:00:00.000Z" (RFC 3339, UTC, a real date)');

/** A UUIDv7; upper case is read as lower case. */
export const uuidV7: Check<string> = (value, path, issues) => {
  const text = typeof value === 'string' ? value.toLowerCase() : '';
  return isUuidV7(text) ? text : issues.add(path, 'must be a UUIDv7');
};

/** One of the listed words. */
export function oneOf<const T extends string>(words: readonly T[]): Check<T> {
  return (value, path, issues) =>
    words.find((word) => word === value) ??
    issues.add(path, `must be one of ${words.map((word) => `"${word}"`).join(', ')}`);
}

/** A list of at most `max` members, each checked. */
export function arrayOf<T>(member: Check<T>, options: { min?: number; max: number }): Check<T[]> {
  const { min = 0, max } = options;
  return (value, path, issues) => {
    if (!Array.isArray(value)) return issues.add(path, 'must be an array');
    if (value.length < min || value.length > max) {
      return issues.add(path, `must have ${min} to ${max} members, this has ${value.length}`);
    }
    const before = issues.list.length;
    // No path is written where nobody reads it.
    const pathOf = issues.unread ? () => '' : (index: number) => at(path, index);
    const read = value.map((entry, index) => member(entry, pathOf(index), issues));
    return issues.list.length === before ? (read as T[]) : undefined;
  };
}

/** The fields of an object: each a check, wrapped in {@link optional} where the field may be left out. */
export type Fields = Record<string, Check<unknown>>;
type Read<C> = C extends Check<infer T> ? T : never;
type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends { optional: true } ? K : never }[keyof F];
/** What {@link object} answers for given fields. */
export type Shape<F extends Fields> = { [K in Exclude<keyof F, OptionalKeys<F>>]: Read<F[K]> } & {
  [K in OptionalKeys<F>]?: Read<F[K]>;
};

/** Marks a field that may be left out. `null` counts as left out, since replies write absent fields as null. */
export function optional<T>(check: Check<T>): Check<T> & { optional: true } {
  const wrapped: Check<T> = (value, path, issues) => check(value, path, issues);
  return Object.assign(wrapped, { optional: true as const });
}

function unknownField(known: readonly string[]): string {
  return `is not a known field; ${known.length === 0 ? 'there are none here' : `known are ${known.join(', ')}`}`;
}

/**
 * An object with exactly these fields. Unknown fields are refused by name, so that a typing mistake never passes.
 * @param fields checks by field name
 */
export function object<F extends Fields>(fields: F): Check<Shape<F>> {
  const names = Object.keys(fields);
  const known = new Map(Object.entries(fields));
  const required = names.filter((name) => !isOptional(known.get(name)));
  /** Reads what has no fault: only the fields that are there are looked at, and no path is written. */
  const readFaultless = (value: Record<string, unknown>, unread: Issues): Shape<F> | undefined => {
    const before = unread.list.length;
    const read: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const check = known.get(key);
      if (check === undefined) return undefined;
      const entry = value[key];
      if (isLeftOut(entry, check)) continue;
      const result = check(entry, '', unread);
      if (result === undefined || unread.list.length > before) return undefined;
      read[key] = result;
    }
    return required.every((name) => name in read) ? (read as Shape<F>) : undefined;
  };
  const readAll = (value: Record<string, unknown>, path: string, issues: Issues): Shape<F> | undefined => {
    const before = issues.list.length;
    for (const key of Object.keys(value)) {
      if (!known.has(key)) issues.add(at(path, key), unknownField(names));
    }
    const read: Record<string, unknown> = {};
    for (const [name, check] of known) {
      const entry = Object.hasOwn(value, name) ? value[name] : undefined;
      if (isLeftOut(entry, check)) {
        if (!isOptional(check)) issues.add(at(path, name), 'is required');
        continue;
      }
      const result = check(entry, at(path, name), issues);
      if (result !== undefined) read[name] = result;
    }
    return issues.list.length === before ? (read as Shape<F>) : undefined;
  };
  return (value, path, issues) => {
    if (!isRecord(value)) return issues.add(path, 'must be an object');
    const read = readFaultless(value, issues.unread ? issues : new Issues({ unread: true }));
    if (read !== undefined) return read;
    return issues.unread ? issues.add(path, 'has a fault') : readAll(value, path, issues);
  };
}

/** Null counts as left out where a field may be. */
const isLeftOut = (entry: unknown, check: Check<unknown>): boolean =>
  entry === undefined || (entry === null && isOptional(check));
const isOptional = (check: Check<unknown> | undefined): boolean => check !== undefined && 'optional' in check;
