import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { errorText, RotaError } from '../../kernel/error.ts';

/** Makes what was written to an open file durable, or throws. */
export type SyncFile = (fd: number) => void;

/**
 * Syncs the write-ahead log of a database after each commit, in SQLite's place: what `synchronous = full` does inside of the
 * commit is a step of its own, so that something can be done before it. SQLite goes on to sync where it copies the log into the
 * database file, as `synchronous = normal` says.
 *
 * After a sync that failed nobody knows what of the log is on the disk, and another one need not say it again: before anything
 * else is done the whole log is then copied into the database file.
 */
export class LogSync {
  readonly #db: DatabaseSync;
  readonly #syncFile: SyncFile;
  #fd: number | undefined;
  #isInDoubt = false;

  private constructor(db: DatabaseSync, { fd, syncFile }: { fd: number; syncFile: SyncFile }) {
    this.#db = db;
    this.#fd = fd;
    this.#syncFile = syncFile;
  }

  /**
   * Takes the syncs over.
   * @returns undefined for a database in memory
   * @throws RotaError `invalid_config` when the log cannot be opened
   */
  static of(db: DatabaseSync, syncFile: SyncFile = fdatasyncSync): LogSync | undefined {
    const file = db.location();
    if (file === null) return undefined;
    try {
      // For writing: without that some systems sync nothing. SQLite keeps its locks on the other file.
      const fd = openSync(`${file}-wal`, 'r+');
      db.exec('pragma synchronous = normal');
      return new LogSync(db, { fd, syncFile });
    } catch (thrown) {
      throw new RotaError('invalid_config', `the log of ${file} cannot be opened: ${errorText(thrown)}`, {
        cause: thrown,
      });
    }
  }

  /** Makes all that is committed durable. @throws when nobody knows whether it is */
  sync(): void {
    if (this.#fd === undefined) throw new RotaError('closed', 'the store was closed meanwhile');
    try {
      this.#syncFile(this.#fd);
    } catch (thrown) {
      this.#isInDoubt = true;
      throw thrown;
    }
  }

  /** Makes durable what a sync that failed has left in doubt. @throws when that fails too */
  settleDoubt(): void {
    if (!this.#isInDoubt) return;
    const copied = this.#db.prepare('pragma wal_checkpoint(truncate)').get();
    if (copied?.busy !== 0) throw new RotaError('unavailable', 'the log could not be copied into the database');
    this.#isInDoubt = false;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
