import { closeSync, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { errorText, RotaError } from '../../kernel/error.ts';
import { isDiskFull } from './fault-codes.ts';

/** What may be otherwise than usual. */
export interface LogSyncOptions {
  /** Makes what was written to an open file durable, or throws. Default: `fdatasync`. */
  syncFile?: (fd: number) => void;
  /** Hears that nobody knows what is durable: everything is refused from now on, until the store is opened again. */
  onBroken?: (error: RotaError) => void;
}

/**
 * A longer log is copied into the database file, in bytes. SQLite does it at 4 MiB unless it is told otherwise; what is
 * inserted, claimed and ended until this is written back once, which is worth 1.05 of the rate.
 */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const REWRITTEN_BYTES = 1024 * 1024;

/**
 * Syncs the write-ahead log of a database behind its commits, in SQLite's place: what `synchronous = full` does inside of a
 * commit is a step of its own, so that something can be done before it. Behind the sync, and not inside of a commit either, it
 * has SQLite copy a long log into the database file and begin a new one.
 *
 * After a sync that failed nobody knows what of the log is on the disk, and the next one would not say it again: what the
 * system still has in memory counts as written (https://wiki.postgresql.org/wiki/Fsync_Errors). So nothing is read or written
 * any more until the store is opened anew, and whoever opens it writes what is there of the log once more.
 */
export class LogSync {
  readonly #db: DatabaseSync;
  readonly #options: LogSyncOptions;
  readonly #changes: StatementSync;
  #fd: number | undefined;
  /** How many rows had been changed at the last sync. */
  #synced: unknown;
  #broken: RotaError | undefined;

  private constructor(db: DatabaseSync, file: string, options: LogSyncOptions) {
    this.#db = db;
    this.#options = options;
    this.#changes = db.prepare('select total_changes() as rows');
    // For writing: without that some systems sync nothing. SQLite's locks are on the other file.
    this.#fd = openSync(`${file}-wal`, 'r+');
  }

  /**
   * Takes the syncs over, and makes what an earlier owner left in the log durable.
   * @returns undefined for a database in memory
   * @throws RotaError `invalid_config` when the log cannot be opened, `unavailable` when the disk fails it
   */
  static of(db: DatabaseSync, options: LogSyncOptions): LogSync | undefined {
    const file = db.location();
    if (file === null) return undefined;
    const log = opened(() => new LogSync(db, file, options), file);
    try {
      log.#rewrite();
      db.exec(
        `pragma synchronous = normal; pragma wal_autocheckpoint = 0; pragma journal_size_limit = ${LOG_BYTES_MAX}`,
      );
      return log;
    } catch (thrown) {
      log.close();
      throw new RotaError('unavailable', `the disk fails the log of ${file}: ${errorText(thrown)}`, { cause: thrown });
    }
  }

  /** @throws RotaError `unavailable` when nothing is to be read or written any more */
  check(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** Makes all that is committed durable. @throws RotaError `unavailable` when nobody knows whether it is */
  sync(): void {
    if (this.#fd === undefined) throw new RotaError('unavailable', 'the store was closed while it wrote');
    const changes = this.#changes.get()?.rows;
    if (changes === this.#synced) return;
    try {
      this.#syncFile(this.#fd);
    } catch (thrown) {
      throw this.#breaks(thrown);
    }
    this.#synced = changes;
    if (fstatSync(this.#fd).size <= LOG_BYTES_MAX) return;
    try {
      this.#copy();
    } catch (thrown) {
      // What is answered now is durable; what comes must not be built on what may not be.
      this.#breaks(thrown);
    }
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }

  #syncFile(fd: number): void {
    (this.#options.syncFile ?? fdatasyncSync)(fd);
  }

  /** Writes what is in the log over itself, for the disk may have less of it than the system says; that needs no space. */
  #rewrite(): void {
    const fd = this.#fd;
    if (fd === undefined) return;
    const chunk = Buffer.alloc(REWRITTEN_BYTES);
    for (let at = 0; ; ) {
      const bytes = readSync(fd, chunk, 0, chunk.length, at);
      if (bytes === 0) break;
      at += writeSync(fd, chunk, 0, bytes, at);
    }
    this.#syncFile(fd);
  }

  /**
   * Copies the log into the database file and makes that durable; it is then written over from its start, and cut to the size
   * above. On a full disk the log goes on.
   */
  #copy(): void {
    try {
      this.#db.exec('pragma wal_checkpoint(passive)');
    } catch (thrown) {
      if (!isDiskFull(thrown)) throw thrown;
    }
  }

  #breaks(cause: unknown): RotaError {
    const message = `nobody knows whether it is stored, for the disk did not sync: ${errorText(cause)}`;
    this.#broken = new RotaError('unavailable', message, { cause });
    this.#options.onBroken?.(this.#broken);
    return this.#broken;
  }
}

function opened(open: () => LogSync, file: string): LogSync {
  try {
    return open();
  } catch (thrown) {
    throw new RotaError('invalid_config', `the log of ${file} cannot be opened: ${errorText(thrown)}`, {
      cause: thrown,
    });
  }
}
