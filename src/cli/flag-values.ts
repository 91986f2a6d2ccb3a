import { parseDuration } from '../kernel/duration.ts';
import { UsageError } from './usage-error.ts';

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
 * A whole number from 1 on that a flag was given.
 * @throws UsageError
 */
export function wholeNumber(flag: string, text: string, max: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= max) return number;
  throw new UsageError(`${flag} ${text} is out of range`, `use a whole number from 1 to ${max}`);
}
