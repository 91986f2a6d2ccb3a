import { DatabaseSync } from 'node:sqlite';
import { errorText, RotaError } from '../../kernel/error.ts';
import { RESULT, resultCode } from './fault-codes.ts';
import { checkVersion, migrate } from './migrate.ts';

/** Where a store lives and how far it may grow. */
export interface DatabaseOptions {
  /** A file, or `:memory:`. Its folder must exist. */
  path: string;
  /** How long opening waits for another owner to let go, in milliseconds. Default 2,000. */
  ownerWaitMs?: number;
  /** The file's largest size in pages of 4 KiB; beyond it writes are refused as on a full disk. Default: SQLite's. */
  pagesMax?: number;
}

const OWNER_WAIT_MS = 2_000;

/**
 * Opens and migrates a database that this process owns alone until it is closed or dies.
 *
 * `synchronous = full` syncs the WAL at each commit: what was acknowledged survives power loss. A store takes these syncs over,
 * see `LogSync`. `locking_mode = exclusive` keeps out every other process (and spares the shared-memory file); the lock dies
 * with its owner, so a `kill -9` leaves nothing to clean up. The pages that SQLite itself keeps, 4 MiB of them, are no more
 * than a few commits change: with 32 MiB the rate was the same under steady load.
 * @throws RotaError `unavailable` when another living process owns it, `invalid_config` when it cannot be a store
 */
export function openDatabase(options: DatabaseOptions): DatabaseSync {
  const { path, ownerWaitMs = OWNER_WAIT_MS, pagesMax } = options;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: ownerWaitMs, enableForeignKeyConstraints: false });
    db.exec('pragma locking_mode = exclusive');
    checkVersion(db, path);
    db.exec(`pragma journal_mode = wal; pragma synchronous = full; pragma cache_size = -4096;
      pragma temp_store = memory`);
    migrate(db);
    if (pagesMax !== undefined) db.exec(`pragma max_page_count = ${Math.trunc(pagesMax)}`);
    // The lock is taken by the first write, also when there was nothing to migrate.
    db.exec('begin immediate; commit');
    return db;
  } catch (thrown) {
    if (db?.isOpen) db.close();
    throw openError(path, thrown);
  }
}

function openError(path: string, thrown: unknown): unknown {
  if (thrown instanceof RotaError) return thrown;
  const code = resultCode(thrown);
  if (code === RESULT.busy || code === RESULT.locked) {
    return new RotaError('unavailable', `the store ${path} is owned by another living process`, { cause: thrown });
  }
  if (code === RESULT.notadb || code === RESULT.corrupt) {
    return new RotaError('invalid_config', `${path} is no SQLite database, or a damaged one`, { cause: thrown });
  }
  return new RotaError('invalid_config', `the store ${path} cannot be opened: ${errorText(thrown)}`, { cause: thrown });
}
