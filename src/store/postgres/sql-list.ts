/** A list of numbers as PostgreSQL reads arrays; null is SQL's null. */
export function numbers(values: readonly (number | null)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}

/** A list of texts as PostgreSQL reads arrays; null is SQL's null. */
export function texts(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : quoted(value))).join(',')}}`;
}

/** A list of texts that have none of `" \ , { }` or spaces, for example ids. */
export function words(values: readonly string[]): string {
  return `{${values.join(',')}}`;
}

function quoted(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}
