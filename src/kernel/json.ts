import { at, type Issues } from './check.ts';

/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** How deep arrays and objects may nest in anything that comes from outside. */
export const NESTING_DEPTH_MAX = 64;

/**
 * Checks that a decoded value is JSON, whatever codec it came through: no binary, dates, extensions, NaN or infinities,
 * no lone `undefined`, at most {@link NESTING_DEPTH_MAX} levels, and no key `__proto__`, which no honest caller sends.
 * Walks without recursion, so that depth costs no stack.
 * @returns true when nothing was recorded
 */
export function checkJson(value: unknown, path: string, issues: Issues): boolean {
  const open: { value: unknown; path: string; depth: number }[] = [{ value, path, depth: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const fault = faultOf(next.value, next.depth);
    if (fault !== undefined) {
      issues.add(next.path, fault);
      return false;
    }
    if (typeof next.value !== 'object' || next.value === null) continue;
    for (const key of Object.keys(next.value)) {
      if (key === '__proto__') {
        issues.add(at(next.path, key), 'is not allowed as a key');
        return false;
      }
      const child = (next.value as Record<string, unknown>)[key];
      if (child === null || typeof child === 'string' || typeof child === 'boolean') continue;
      open.push({ value: child, path: at(next.path, key), depth: next.depth + 1 });
    }
  }
  return true;
}

function faultOf(value: unknown, depth: number): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : 'must be a finite number';
    case 'object': {
      if (value === null) return undefined;
      if (depth > NESTING_DEPTH_MAX) return `must nest at most ${NESTING_DEPTH_MAX} levels`;
      if (Array.isArray(value)) return undefined;
      const prototype = Object.getPrototypeOf(value);
      return prototype === Object.prototype || prototype === null ? undefined : 'must be a value that JSON has';
    }
    default:
      return 'must be a value that JSON has';
  }
}

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
