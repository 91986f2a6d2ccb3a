/** What stands before a text that PostgreSQL could not hold as it is. */
const MARK = '\u0001';

/**
 * A text from outside as PostgreSQL can hold it: U+0000 and lone surrogates, which it refuses, are written as JSON does,
 * behind a mark. Any other text is itself, and equal texts are written alike.
 */
export function held(text: string): string {
  const plain = !text.includes('\u0000') && !text.startsWith(MARK) && text.isWellFormed();
  return plain ? text : MARK + JSON.stringify(text);
}

/** {@link held} of a text or null. */
export const heldOrNull = (text: string | null): string | null => (text === null ? null : held(text));

/** Reads what {@link held} wrote. */
export function unheld(text: string): string {
  // Only `held` writes the mark, before a JSON text.
  return text.startsWith(MARK) ? (JSON.parse(text.slice(1)) as string) : text;
}

/** {@link unheld} of a cell; what is no text stays as it is. */
export const unheldCell = (cell: unknown): unknown => (typeof cell === 'string' ? unheld(cell) : cell);
