import { createRequire } from 'node:module';

/** The version in our own package.json, found by our own name both in the repository and where we are installed. */
export function packageVersion(): string {
  const description: { version?: unknown } = createRequire(import.meta.url)('rota/package.json');
  return String(description.version);
}
