import { type Cell, textOrNull } from '../cell.ts';

/** A list of numbers as PostgreSQL reads arrays; null is SQL's null. */
export function numbers(values: readonly (number | null)[]): string {
  return values.includes(null) ? `{${values.map((value) => value ?? 'NULL').join(',')}}` : `{${values.join(',')}}`;
}

/** A list of texts as PostgreSQL reads arrays; null is SQL's null. */
export function texts(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** A list of texts that have none of `" \ , { }` or spaces and are not the word null, for example ids. */
export function words(values: readonly string[]): string {
  return `{${values.join(',')}}`;
}

/**
 * JSON texts as one, for `string_to_array(…, chr(31))`: they have no control characters, so that none needs quoting, here
 * and there.
 */
export function jsonTexts<T>(values: readonly T[], write: (value: T) => string): string {
  return values.map(write).join('\u001f');
}

/**
 * Reads an array of whole numbers, none of them negative or null, as PostgreSQL writes it; null is none. Digit by digit, so
 * that no text is made for each.
 */
export function numbersIn(cell: Cell): number[] {
  const list: number[] = [];
  const written = textOrNull(cell) ?? '{}';
  let number = 0;
  for (let at = 1; written.length > 2 && at < written.length; at++) {
    const digit = written.charCodeAt(at) - ZERO;
    if (digit >= 0 && digit <= 9) number = number * 10 + digit;
    else {
      list.push(number);
      number = 0;
    }
  }
  return list;
}

const ZERO = '0'.charCodeAt(0);

function quoted(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}
