import { isRecord } from '../kernel/check.ts';
import { parseTime } from '../kernel/clock.ts';
import { parseDuration } from '../kernel/duration.ts';
import type { Json } from '../kernel/json.ts';
import { readJson } from './json-input.ts';
import { UsageError } from './usage-error.ts';

/** Stands for a limit that is lifted. */
export const LIFTED = 'off';

/**
 * A duration that a flag was given, in milliseconds.
 * @throws UsageError
 */
export function durationFlag(flag: string, text: string): number {
  const ms = parseDuration(text);
  if (ms !== undefined) return ms;
  throw new UsageError(`${flag} ${text} is no duration`, 'write a number and a unit: 500ms, 30s, 5m, 2h, 7d');
}

/**
 * A whole number that a flag was given.
 * @param range from 1 to this, or both ends
 * @throws UsageError
 */
export function wholeNumber(flag: string, text: string, range: number | { min: number; max: number }): number {
  const { min, max } = typeof range === 'number' ? { min: 1, max: range } : range;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${flag} ${text} is out of range`, `use a whole number from ${min} to ${max}`);
}

/**
 * A time that a flag was given, as it stands there.
 * @throws UsageError
 */
export function timeFlag(flag: string, text: string): string {
  if (parseTime(text) !== undefined) return text;
  throw new UsageError(`${flag} ${text} is no time`, 'write it in UTC like 2026-01-31T10:00:00Z');
}

/**
 * The value of `--priority`.
 * @throws UsageError
 */
export function priorityFlag(text: string): number | 'critical' | 'high' | 'normal' | 'low' {
  const word = (['critical', 'high', 'normal', 'low'] as const).find((known) => known === text);
  if (word !== undefined) return word;
  if (/^[0-9]$/.test(text)) return Number(text);
  throw new UsageError(`--priority ${text} is none`, 'use 0 to 9, critical, high, normal or low');
}

/**
 * The value of `--meta`.
 * @throws UsageError
 */
export function metaFlag(text: string): Record<string, Json> {
  const meta = readJson(text, 'the text of --meta');
  if (isRecord(meta)) return meta;
  throw new UsageError('--meta is no JSON object', `write it like --meta '{"tenant":"acme"}'`);
}
