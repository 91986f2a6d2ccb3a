import { readFileSync } from 'node:fs';

/** The version in our package.json, which lies two folders up both in the repository and where it was compiled. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return String((JSON.parse(text) as { version: unknown }).version);
}
