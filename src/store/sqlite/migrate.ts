import type { DatabaseSync } from 'node:sqlite';
import { RotaError } from '../../kernel/error.ts';
import { jobs } from './migrations/001-jobs.ts';
import { workersAndNodes } from './migrations/002-workers-and-nodes.ts';
import { schedules } from './migrations/003-schedules.ts';
import { rejectedMessages } from './migrations/004-rejected-messages.ts';
import { queues } from './migrations/006-queues.ts';
import { setAside } from './migrations/007-set-aside.ts';
import { partitionLines } from './migrations/008-partition-lines.ts';

/** Every migration in order; its place (from 1) is the version that it leads to. Frozen once shipped: a test has sums. */
export const MIGRATIONS: readonly string[] = [
  ...[jobs, workersAndNodes, schedules, rejectedMessages, queues, setAside],
  partitionLines,
];

/** `Rota` in ASCII: what marks a SQLite file as ours. */
const APPLICATION_ID = 0x526f7461;

/**
 * Makes sure that a database is a store that this program can bring up to date, before anything of it is changed.
 * @throws RotaError `invalid_config` when it is newer than this program, or some other program's
 */
export function checkVersion(db: DatabaseSync, path: string): void {
  const version = pragma(db, 'user_version');
  const application = pragma(db, 'application_id');
  const { tables } = db.prepare('select count(*) as tables from sqlite_schema').get() ?? {};
  if (application !== APPLICATION_ID && (version !== 0 || application !== 0 || tables !== 0)) {
    throw new RotaError('invalid_config', `${path} is the database of another program, not a store of Rota's`);
  }
  if (version > MIGRATIONS.length) {
    const versions = `is at version ${version}, this program knows ${MIGRATIONS.length}`;
    throw new RotaError('invalid_config', `the store ${path} ${versions}: it was written by a newer Rota`);
  }
}

/** Brings a checked database to the newest version, each step in a transaction of its own. */
export function migrate(db: DatabaseSync): void {
  const version = pragma(db, 'user_version');
  for (let next = version + 1; next <= MIGRATIONS.length; next++) {
    db.exec('begin immediate');
    try {
      db.exec(MIGRATIONS[next - 1] ?? '');
      db.exec(`pragma application_id = ${APPLICATION_ID}; pragma user_version = ${next}; commit`);
    } catch (thrown) {
      if (db.isTransaction) db.exec('rollback');
      throw thrown;
    }
  }
}

function pragma(db: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(db.prepare(`pragma ${name}`).get()?.[name]);
}
