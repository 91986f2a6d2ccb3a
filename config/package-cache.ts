import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** How long an entry lives, and from when. */
export interface Lifetime {
  ttlMs: number;
  /** Milliseconds since the epoch; default now. */
  now?: number;
}

/** A cache of JSON values that expire, in a SQLite file of its own: it survives restarts and never weighs on the jobs. */
export interface PackageCache {
  /** The value, or undefined when there is none or it has expired. The caller names the type of what it put there. */
  get<Value>(key: string, now?: number): Value | undefined;
  /** Stores any JSON value, over an older one. */
  put(key: string, value: unknown, lifetime: Lifetime): void;
  /** Removes up to `limit` expired entries, the longest expired first. @returns how many it removed */
  removeExpired(limit: number, now?: number): number;
  /** How many entries there are, expired ones included. */
  count(): number;
  close(): void;
}

/** Opens `package-cache.db` in the data folder, and makes both if they are not there yet. */
export function openPackageCache(dataFolder: string): PackageCache {
  mkdirSync(dataFolder, { recursive: true });
  // Each thread that runs handlers opens the file for itself, so a writer waits for another instead of failing.
  const database = new DatabaseSync(join(dataFolder, 'package-cache.db'), { timeout: 5_000 });
  // What is lost here in a power cut is computed again: NORMAL saves a sync for each write.
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS entries (
      key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS entries_by_expiry ON entries (expires_at);
  `);
  const select = database.prepare('SELECT value FROM entries WHERE key = ? AND expires_at > ?');
  const upsert = database.prepare('INSERT OR REPLACE INTO entries (key, value, expires_at) VALUES (?, ?, ?)');
  const remove = database.prepare(`
    DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)
  `);
  const count = database.prepare('SELECT count(*) AS entries FROM entries');

  return {
    get(key, now = Date.now()) {
      const row = select.get(key, now);
      return row === undefined ? undefined : JSON.parse(String(row.value));
    },
    put(key, value, { ttlMs, now = Date.now() }) {
      upsert.run(key, JSON.stringify(value), Math.round(now + ttlMs));
    },
    removeExpired: (limit, now = Date.now()) => Number(remove.run(now, limit).changes),
    count: () => Number(count.get()?.entries),
    close: () => database.close(),
  };
}
