import { assert } from '../kernel/error.ts';
import type { Json } from '../kernel/json.ts';

/** One value of a row as the driver gives it: text, number or null. A column that was not selected is undefined. */
export type Cell = unknown;

/** A row read by column name. */
export type Row = Record<string, Cell>;

/** Reads a text. */
export function text(cell: Cell): string {
  assert(typeof cell === 'string', 'a text column holds a text');
  return cell;
}

/** Reads a text or null. */
export function textOrNull(cell: Cell): string | null {
  return cell === null ? null : text(cell);
}

/** Reads a whole number. */
export function integer(cell: Cell): number {
  assert(typeof cell === 'number', 'an integer column holds a number');
  return cell;
}

/** Reads a whole number or null. */
export function integerOrNull(cell: Cell): number | null {
  return cell === null ? null : integer(cell);
}

/** Reads a JSON text; null is null. The shape is what the adapter wrote from checked values, so the caller names it. */
export function json<T = Json>(cell: Cell): T {
  // Only its adapter writes the column, from a value of this very type.
  return (cell === null ? null : JSON.parse(text(cell))) as T;
}

/** Reads a JSON list; null is an empty one. */
export function jsonList<T>(cell: Cell): T[] {
  return cell === null ? [] : json<T[]>(cell);
}

/** Writes a JSON list or object; an empty one is kept as SQL's null. */
export function filledCell(value: object): string | null {
  const text = JSON.stringify(value);
  return text.length === 2 ? null : text;
}

/** Writes JSON; null is kept as SQL's null. */
export function jsonCell(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

/** One of a closed set of words, or null. */
export function wordOrNull<const T extends string>(cell: Cell, words: readonly T[]): T | null {
  if (cell === null) return null;
  const word = words.find((known) => known === cell);
  assert(word !== undefined, `a column holds one of ${words.join(', ')}`);
  return word;
}
