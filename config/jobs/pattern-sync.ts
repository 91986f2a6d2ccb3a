import { readFile } from 'node:fs/promises';
import type { KV } from '@nats-io/kv';
import { defineJob, linear } from 'rota';
import type { FrameworkPattern, PatternStore } from '../pattern-store.ts';

const PATTERNS_FILE = new URL('./patterns.json', import.meta.url);

/**
 * Brings the patterns of `patterns.json` to the bucket `rota-patterns` and to a file in the data folder. It may run at
 * any time and any number of times: only what differs is written, and what is no longer listed is removed.
 */
export const patternSync = defineJob({
  type: 'pattern.sync',
  // The next sync is never far, so a failing one gives up soon: 10, 20, 30 and 40 s, and the schedule goes on.
  maxAttempts: 5,
  backoff: linear({ base: '10s' }),
  timeout: '1m',
  async run({ signal, log, services }) {
    const store: PatternStore = services.patterns;
    const patterns = await readPatterns();
    const bucket = await store.bucket();

    const counts = { written: 0, unchanged: 0, removed: 0 };
    for (const pattern of patterns) {
      signal.throwIfAborted();
      counts[await putPattern(bucket, pattern)] += 1;
    }
    const listed = new Set(patterns.map(({ name }) => name));
    for (const key of await keysOf(bucket, signal)) {
      if (listed.has(key)) continue;
      await bucket.purge(key);
      counts.removed += 1;
    }
    const exported = await store.writeFile(`${JSON.stringify(patterns, null, 2)}\n`);
    log.info({ ...counts, exported, file: store.file }, 'framework patterns synchronised');
    return counts;
  },
});

/** Read anew in each run, so that an edit takes effect without a restart. */
async function readPatterns(): Promise<FrameworkPattern[]> {
  const patterns: FrameworkPattern[] = JSON.parse(await readFile(PATTERNS_FILE, 'utf8'));
  const names = new Set(patterns.map(({ name }) => name));
  // A slip in the file must not empty the bucket, which is what other programs rely on.
  if (patterns.length === 0) throw new Error('patterns.json lists no pattern');
  if (names.size < patterns.length) throw new Error('patterns.json lists a name twice');
  return patterns;
}

async function putPattern(bucket: KV, pattern: FrameworkPattern): Promise<'written' | 'unchanged'> {
  const text = JSON.stringify(pattern);
  const entry = await bucket.get(pattern.name);
  if (entry?.operation === 'PUT' && entry.string() === text) return 'unchanged';
  await bucket.put(pattern.name, text);
  return 'written';
}

async function keysOf(bucket: KV, signal: AbortSignal): Promise<string[]> {
  const keys: string[] = [];
  const listing = await bucket.keys();
  // The listing waits for the server; stopping it is how an abort ends that wait.
  const stop = () => listing.stop();
  signal.addEventListener('abort', stop);
  try {
    for await (const key of listing) keys.push(key);
  } finally {
    signal.removeEventListener('abort', stop);
  }
  signal.throwIfAborted();
  return keys;
}
