import { at, ISSUES_MAX, type Issues } from './check.ts';
import { errorText } from './error.ts';

/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** How deep arrays and objects may nest in anything that comes from outside. */
export const NESTING_DEPTH_MAX = 64;

/**
 * A key that JSON may have and nothing here takes: an assignment to it sets an object's prototype, the library of
 * MessagePack reads no body that has it, and no honest caller sends it.
 */
const FORBIDDEN_KEY = '__proto__';

/**
 * Checks that a decoded value is JSON, whatever codec it came through: no binary, dates, extensions, NaN or infinities,
 * no lone `undefined`, at most {@link NESTING_DEPTH_MAX} levels, and no key {@link FORBIDDEN_KEY}.
 * Walks without recursion, so that depth costs no stack.
 * @returns true when nothing was recorded
 */
export function checkJson(value: unknown, path: string, issues: Issues): boolean {
  return checkJsonAt(value, path, { depth: 1, issues });
}

/** {@link checkJson} for a value that stands inside another one: at level `depth`, where the outermost is 1. */
export function checkJsonAt(value: unknown, path: string, place: { depth: number; issues: Issues }): boolean {
  const { depth, issues } = place;
  // Most values have no fault, and then nobody asks for paths.
  if (!Number.isNaN(jsonBytesMost(value, depth))) return true;
  const open: { value: unknown; path: string; depth: number }[] = [{ value, path, depth }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const fault = faultOf(next.value, next.depth);
    if (fault !== undefined) {
      issues.add(next.path, fault);
      return false;
    }
    if (typeof next.value !== 'object' || next.value === null) continue;
    for (const key of Object.keys(next.value)) {
      if (key === FORBIDDEN_KEY) {
        issues.add(at(next.path, key), FORBIDDEN);
        return false;
      }
      const child = (next.value as Record<string, unknown>)[key];
      if (child === null || typeof child === 'string' || typeof child === 'boolean') continue;
      open.push({ value: child, path: at(next.path, key), depth: next.depth + 1 });
    }
  }
  return true;
}

/** Bytes that a character has in JSON at most: `\u0000`. */
const CHARACTER_BYTES_MAX = 6;
/** Bytes that a number has at most: `-1.7976931348623157e+308`. */
const NUMBER_BYTES_MAX = 24;

/**
 * How many bytes a value takes as JSON at most, which is up to six times what it takes: measured, a fifth of what
 * writing it costs.
 * @param depth the level that it stands at, where the outermost is 1
 * @returns NaN unless it is JSON by {@link checkJsonAt} at the first look
 */
export function jsonBytesMost(value: unknown, depth = 1): number {
  switch (typeof value) {
    case 'string':
      return value.length * CHARACTER_BYTES_MAX + 2;
    case 'number':
      return Number.isFinite(value) ? NUMBER_BYTES_MAX : Number.NaN;
    case 'boolean':
      return 5;
    case 'object':
      if (value === null) return 4;
      if (depth > NESTING_DEPTH_MAX) return Number.NaN;
      return Array.isArray(value) ? listBytesMost(value, depth) : recordBytesMost(value, depth);
    default:
      return Number.NaN;
  }
}

function listBytesMost(list: readonly unknown[], depth: number): number {
  let bytes = 2;
  for (const entry of list) {
    bytes += jsonBytesMost(entry, depth + 1) + 1;
    // At once, for what refers to itself more than once has no end.
    if (Number.isNaN(bytes)) break;
  }
  return bytes;
}

function recordBytesMost(record: object, depth: number): number {
  const prototype = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) return Number.NaN;
  let bytes = 2;
  for (const key in record) {
    if (key === FORBIDDEN_KEY) return Number.NaN;
    bytes += key.length * CHARACTER_BYTES_MAX + 4 + jsonBytesMost((record as Record<string, unknown>)[key], depth + 1);
    if (Number.isNaN(bytes)) break;
  }
  return bytes;
}

/** A copy of a value; undefined unless that is JSON, as {@link jsonBytesMost} has it. Measured, twice what that costs. */
function jsonCopy(value: unknown, depth = 1): Json | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : undefined;
    case 'object':
      if (value === null) return null;
      if (depth > NESTING_DEPTH_MAX) return undefined;
      return Array.isArray(value) ? listCopy(value, depth) : recordCopy(value, depth);
    default:
      return undefined;
  }
}

function listCopy(list: readonly unknown[], depth: number): Json | undefined {
  const copy: Json[] = [];
  for (const entry of list) {
    const copied = jsonCopy(entry, depth + 1);
    if (copied === undefined) return undefined;
    copy.push(copied);
  }
  return copy;
}

function recordCopy(record: object, depth: number): Json | undefined {
  const prototype = Object.getPrototypeOf(record);
  if (prototype !== Object.prototype && prototype !== null) return undefined;
  const copy: { [key: string]: Json } = {};
  for (const key in record) {
    if (key === FORBIDDEN_KEY) return undefined;
    const copied = jsonCopy((record as Record<string, unknown>)[key], depth + 1);
    if (copied === undefined) return undefined;
    copy[key] = copied;
  }
  return copy;
}

/** Whether a record has no members. */
export function isEmpty(record: object): boolean {
  for (const _key in record) return false;
  return true;
}

const NO_JSON = 'must be a value that JSON has';
const FORBIDDEN = 'is not allowed as a key';

function faultOf(value: unknown, depth: number, { anyClass = false } = {}): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : 'must be a finite number';
    case 'object': {
      if (value === null) return undefined;
      if (depth > NESTING_DEPTH_MAX) return `must nest at most ${NESTING_DEPTH_MAX} levels`;
      if (Array.isArray(value) || anyClass) return undefined;
      const prototype = Object.getPrototypeOf(value);
      return prototype === Object.prototype || prototype === null ? undefined : NO_JSON;
    }
    default:
      return NO_JSON;
  }
}

/**
 * The JSON that a value of a program stands for: members that are undefined are left out, and what has a `toJSON` (a
 * date, a URL) is what that says. What JSON would lose without a word is an issue: functions, symbols, bigints, numbers
 * that are not finite, maps, sets, binary; and what {@link checkJson} refuses: a cycle, which nests too deep, and the key
 * {@link FORBIDDEN_KEY}. Nothing of it is shared with the value, which may be changed afterwards.
 * @returns undefined when something was recorded, or when the value is undefined
 */
export function jsonOf(value: unknown, path: string, issues: Issues): Json | undefined {
  const before = issues.list.length;
  try {
    // Most values are JSON as they stand.
    const copy = jsonCopy(value);
    if (copy !== undefined) return copy;
    const json = written(value, path, { depth: 1, issues });
    return issues.list.length === before ? json : undefined;
  } catch (error) {
    return issues.add(path, `cannot be read: ${errorText(error)}`);
  }
}

function written(given: unknown, path: string, { depth, issues }: { depth: number; issues: Issues }): Json | undefined {
  // What refers to itself more than once has no end.
  if (issues.list.length >= ISSUES_MAX) return undefined;
  const value = hasOwnJson(given) ? given.toJSON() : given;
  if (value === undefined) return undefined;
  const fault = isOpaque(value) ? NO_JSON : faultOf(value, depth, { anyClass: true });
  if (fault !== undefined) return issues.add(path, fault);
  const inner = { depth: depth + 1, issues };
  if (Array.isArray(value)) return value.map((entry, index) => written(entry, at(path, index), inner) ?? null);
  // What is left of a value without a fault is plain, or an object with members.
  if (typeof value !== 'object' || value === null) return value as Json;
  const members = Object.entries(value).map(([key, entry]) => {
    const place = at(path, key);
    return [key, key === FORBIDDEN_KEY ? issues.add(place, FORBIDDEN) : written(entry, place, inner)] as const;
  });
  return Object.fromEntries(members.filter((member): member is [string, Json] => member[1] !== undefined));
}

const hasOwnJson = (value: unknown): value is { toJSON(): unknown } =>
  typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function';

/** Objects whose content is not in their members. */
const isOpaque = (value: unknown): boolean =>
  value instanceof Map || value instanceof Set || value instanceof ArrayBuffer || ArrayBuffer.isView(value);

/** Two JSON values with the same content have the same canonical text: keys sorted, no white space. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.keys(value)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key] ?? null)}`);
    return `{${entries.join(',')}}`;
  }
  return JSON.stringify(value);
}

/** How many bytes of UTF-8 a text takes. */
export const utf8Bytes = (text: string): number => Buffer.byteLength(text, 'utf8');
