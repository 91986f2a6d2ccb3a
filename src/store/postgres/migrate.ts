import { createHash } from 'node:crypto';
import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import { integer, text } from '../cell.ts';
import { Connection } from './connection.ts';
import { faultOf, isConfigFault } from './fault.ts';
import { lockOf } from './group.ts';
import { jobs } from './migrations/001-jobs.ts';
import { workersAndNodes } from './migrations/002-workers-and-nodes.ts';
import { schedules } from './migrations/003-schedules.ts';
import { rejectedMessages } from './migrations/004-rejected-messages.ts';
import { queues } from './migrations/005-queues.ts';
import { requests } from './migrations/006-requests.ts';
import { setAside } from './migrations/007-set-aside.ts';
import { placed } from './migrations/008-placed.ts';
import type { ServerPool } from './server-pool.ts';
import { Statements } from './statements.ts';

/** One step of the schema; its place (from 1) is the version that it leads to. Frozen once shipped: a test has sums. */
export interface Migration {
  name: string;
  sql: string;
}

/** Every migration in order. */
export const MIGRATIONS: readonly Migration[] = [
  { name: 'jobs', sql: jobs },
  { name: 'workers and nodes', sql: workersAndNodes },
  { name: 'schedules', sql: schedules },
  { name: 'rejected messages', sql: rejectedMessages },
  { name: 'queues', sql: queues },
  { name: 'requests', sql: requests },
  { name: 'set aside', sql: setAside },
  { name: 'placed', sql: placed },
];

/** What tells which migrations were run: made before the first. */
export const MIGRATIONS_TABLE = `create table @migrations (version integer primary key, name text not null,
  checksum text not null, at timestamptz not null default clock_timestamp())`;

/** What opening waits and complains with. */
export interface MigrateWorld {
  clock: Clock;
  warn?: (message: string) => void;
  signal?: AbortSignal;
}

/** PostgreSQL 13, the first with transaction ids that are never used again (`xid8`). */
export const SERVER_VERSION_MIN = 130_000;
const RETRY_MS = 1_000;

/** The sum of a migration, kept beside it to notice that a schema was not made by this text. */
export function checksumOf({ sql }: Migration): string {
  return createHash('sha256').update(sql).digest('hex').slice(0, 16);
}

/**
 * Brings a schema to the newest version, as soon as the server can be reached. Several may do so at once.
 * @throws RotaError `invalid_config` when the config cannot be right, or the schema is newer than this program
 */
export async function migrateWhenThere(pool: ServerPool, schema: string, world: MigrateWorld): Promise<void> {
  for (let told = false; ; told = true) {
    try {
      const connection = await Connection.of(pool);
      try {
        await migrate(connection, schema, world.warn ?? (() => {}));
      } finally {
        connection.release();
      }
      return;
    } catch (thrown) {
      if (isConfigFault(thrown)) {
        throw new RotaError('invalid_config', `the store cannot be opened: ${errorText(thrown)}`, { cause: thrown });
      }
      if (faultOf(thrown) === 'request' || world.signal?.aborted) throw thrown;
      if (!told) world.warn?.(`waiting for the database: ${errorText(thrown)}`);
    }
    await sleep(world.clock, RETRY_MS, world.signal);
  }
}

async function migrate(connection: Connection, schema: string, warn: (message: string) => void): Promise<void> {
  const [version] = await connection.lists({ text: "select current_setting('server_version_num')" }, []);
  if (Number(version?.[0]) < SERVER_VERSION_MIN) {
    throw new RotaError('invalid_config', 'the store needs PostgreSQL 13 or later');
  }
  const statements = new Statements(schema, false);
  const lock = `select pg_advisory_xact_lock(${lockOf(schema, 'migrations')})`;
  const before = await migrationsRun(connection, schema);
  check(before, warn);
  for (let version = before.length; version < MIGRATIONS.length; ) {
    await connection.script(`begin isolation level read committed read write; ${lock}`);
    try {
      // Another one may have been here while this one waited for the lock.
      version = (await migrationsRun(connection, schema)).length + 1;
      const migration = MIGRATIONS[version - 1];
      if (migration !== undefined) await apply(connection, { migration, version, schema, statements });
      await connection.script('commit');
    } catch (thrown) {
      if (faultOf(thrown) !== 'connection') await connection.script('rollback');
      throw thrown;
    }
  }
}

interface Step {
  migration: Migration;
  version: number;
  schema: string;
  statements: Statements;
}

async function apply(connection: Connection, { migration, version, schema, statements }: Step): Promise<void> {
  if (version === 1) {
    const [there] = await connection.lists({ text: 'select 1 from pg_namespace where nspname = $1' }, [schema]);
    // Asking first, for the right to make schemas is not needed where an administrator has made it.
    if (there === undefined) await connection.script(`create schema "${schema}"`);
    await connection.script(statements.text(MIGRATIONS_TABLE));
  }
  await connection.script(statements.text(migration.sql));
  await connection.run(
    { text: statements.text('insert into @migrations (version, name, checksum) values ($1, $2, $3)') },
    [version, migration.name, checksumOf(migration)],
  );
}

function check(rows: readonly MigrationRun[], warn: (message: string) => void): void {
  if (rows.length > MIGRATIONS.length) {
    const versions = `is at version ${rows.length}, this program knows ${MIGRATIONS.length}`;
    throw new RotaError('invalid_config', `the store's schema ${versions}: it was written by a newer Rota`);
  }
  for (const drifted of driftOf(rows)) {
    warn(`the store's schema has drifted: migration ${drifted} is not the one of this program`);
  }
}

/** A migration that was run in a schema. */
export interface MigrationRun {
  version: number;
  name: string;
  checksum: string;
}

/** The migrations that were run in a schema, in order; none where there is no such schema. */
export async function migrationsRun(connection: Connection, schema: string): Promise<MigrationRun[]> {
  // Asked of the catalogue's rows: `to_regclass` may answer from a cache of before another one's migration was waited for.
  const [there] = await connection.lists(
    { text: "select 1 from pg_tables where schemaname = $1 and tablename = 'migrations'" },
    [schema],
  );
  if (there === undefined) return [];
  const sql = new Statements(schema, false).text('select version, name, checksum from @migrations order by 1');
  const rows = await connection.lists({ text: sql }, []);
  return rows.map(([version, name, checksum]) => ({
    ...{ version: integer(version), name: text(name), checksum: text(checksum) },
  }));
}

/** Those that were run with another text than this program's, like `2 (nodes)`. */
export function driftOf(rows: readonly MigrationRun[]): string[] {
  return rows.flatMap(({ version, name, checksum }) => {
    const migration = MIGRATIONS[version - 1];
    return migration === undefined || checksumOf(migration) === checksum ? [] : [`${version} (${name})`];
  });
}
