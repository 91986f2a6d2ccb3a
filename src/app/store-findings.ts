import { accessSync, closeSync, constants, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lookAtProcess } from '../actors/nats-server/process-look.ts';
import { isRecord } from '../kernel/check.ts';
import { errorText } from '../kernel/error.ts';
import type { SchemaState } from '../store/postgres/examine-schema.ts';
import type { SchemaDifference } from '../store/schema-parts.ts';
import { examineDatabaseSchema } from '../store/sqlite/examine-schema.ts';
import { MIGRATIONS } from '../store/sqlite/migrate.ts';
import type { Finding } from './finding.ts';
import type { Settings } from './settings.ts';

const FOLDER = 'data folder';
const STORE = 'store';

/** Looks at the data folder and, where the node has the role, at its store. Makes and migrates nothing. */
export async function examineStore({ dataFolder, store, roles }: Settings): Promise<Finding[]> {
  const owner = await livingOwner(join(dataFolder, 'rota.lock'));
  const folder = examineFolder(dataFolder, owner);
  if (!roles.has('store')) return [folder, { what: STORE, state: 'ok', found: 'not a role of this node' }];
  if (store.kind === 'postgres') return [folder, await examineServer(store.url)];
  if (store.path === ':memory:') {
    const found = 'in memory: all jobs are gone when the node ends';
    return [
      folder,
      { what: STORE, state: 'warning', found, remedy: 'leave --store out to keep them in the data folder' },
    ];
  }
  if (!existsSync(store.path)) {
    const parent = examineFolder(dirname(store.path), undefined);
    if (parent.state === 'wrong') return [folder, { ...parent, what: STORE }];
    return [folder, { what: STORE, state: 'ok', found: `${store.path} will be made` }];
  }
  return [folder, examineDatabase(store.path, owner)];
}

/** Asks the database server what is there. */
async function examineServer(url: string): Promise<Finding> {
  try {
    const { examineSchema } = await import('../store/postgres/examine-schema.ts');
    return schemaFinding(await examineSchema(url));
  } catch (error) {
    const remedy = 'see that the server runs and that --store names its host, database, user and password';
    return { what: STORE, state: 'wrong', found: errorText(error), remedy };
  }
}

function schemaFinding(state: SchemaState): Finding {
  const { server, serves, schema, version, known, drifted, drift, mayMigrate } = state;
  const found = `PostgreSQL ${server}, schema "${schema}" at version ${version}`;
  const wrong = (why: string, remedy: string): Finding => ({
    what: STORE,
    state: 'wrong',
    found: `${found}${why}`,
    remedy,
  });
  if (!serves) return wrong('; Rota needs 13 or newer', 'update the server, or name another one with --store');
  if (version > known) {
    return wrong(
      `, newer than the ${known} of this Rota`,
      'update Rota, or name another schema with ?schema= in --store',
    );
  }
  if (version < known && !mayMigrate) {
    const remedy = `grant it: "grant create on database …", or where the schema is there "grant create on schema ${schema} …"`;
    return wrong(`, and the user may not bring it to ${known}`, remedy);
  }
  const so = version < known ? `${found}; the next start brings it to ${known}` : found;
  if ('differences' in drift) return comparedFinding(so, drift.differences, drifted);
  const remedy =
    'that takes the right to make temporary tables ("grant temporary on database …"), and nobody who locks these';
  return { what: STORE, state: 'warning', found: `${so}; its tables were not compared: ${drift.unknown}`, remedy };
}

/** Differences that are told; what is beyond them is counted. */
const DIFFERENCES_MAX = 20;

/**
 * What comparing tables with those that the migrations make has come to.
 * @param drifted migrations that were run with another text than this program's
 */
function comparedFinding(
  found: string,
  differences: readonly SchemaDifference[],
  drifted: readonly string[] = [],
): Finding {
  const kinds = new Set(differences.map(({ kind }) => kind));
  const changed = kinds.has('broken') || kinds.has('drifted');
  const headline = [
    found,
    ...(drifted.length > 0 ? [`drifted: migration ${drifted.join(', ')}`] : []),
    ...(changed ? ['its tables have drifted:'] : []),
  ].join('; ');
  const told = differences.slice(0, DIFFERENCES_MAX).map(({ text }) => `  ${text}`);
  const more = differences.length - told.length;
  const all = [headline, ...told, ...(more > 0 ? [`  and ${more} more`] : [])].join('\n');
  if (!changed && drifted.length === 0) return { what: STORE, state: 'ok', found: all };
  return {
    ...{ what: STORE, state: kinds.has('broken') ? 'wrong' : 'warning', found: all },
    remedy: changed
      ? "put back what is named: a fresh store (another schema or file) has it as Rota's migrations make it"
      : 'another text made these tables, which are alike now: see that all nodes run the same Rota',
  };
}

function examineFolder(folder: string, owner: number | undefined): Finding {
  const existing = nearestExisting(folder);
  try {
    if (!statSync(existing).isDirectory()) throw new Error(`${existing} is no folder`);
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch (error) {
    const remedy = 'make it writable for this user, or choose another with --data';
    return { what: FOLDER, state: 'wrong', found: `${folder} cannot be written: ${errorText(error)}`, remedy };
  }
  if (existing !== folder) return { what: FOLDER, state: 'ok', found: `${folder} will be made` };
  const user = owner === undefined ? '' : `, in use by process ${owner}`;
  return { what: FOLDER, state: 'ok', found: `${folder} is writable${user}` };
}

function nearestExisting(path: string): string {
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  return existing;
}

/** The process that the lock file names, while it lives. */
async function livingOwner(lockFile: string): Promise<number | undefined> {
  try {
    const lock: unknown = JSON.parse(readFileSync(lockFile, 'utf8'));
    const pid = isRecord(lock) ? Number(lock.pid) : 0;
    return pid > 0 && (await lookAtProcess(pid)).kind === 'runs' ? pid : undefined;
  } catch {
    return undefined;
  }
}

function examineDatabase(path: string, owner: number | undefined): Finding {
  const remedy = 'name another file with --store sqlite:PATH, or move this one away';
  // What was written last may still stand in the log beside the file, and that is its owner's to read.
  if (owner !== undefined) return { what: STORE, state: 'ok', found: `${path}, open in process ${owner}` };
  try {
    if (hasLog(path)) {
      return {
        what: STORE,
        state: 'ok',
        found: `${path}, as a node that was killed left it: the next start recovers it`,
      };
    }
    const version = schemaVersion(path);
    const known = MIGRATIONS.length;
    if (version === undefined) return { what: STORE, state: 'wrong', found: `${path} is no SQLite database`, remedy };
    if (version > known) {
      const found = `${path} has schema ${version}, newer than the ${known} of this Rota`;
      return { what: STORE, state: 'wrong', found, remedy: 'update Rota, or name another file with --store' };
    }
    const found = `${path}, schema ${version}${version < known ? `; the next start brings it to ${known}` : ''}`;
    // Only where opening migrates nothing.
    return comparedFinding(found, version === known ? examineDatabaseSchema(path) : []);
  } catch (error) {
    return { what: STORE, state: 'wrong', found: errorText(error), remedy };
  }
}

/** Whether a write-ahead log with something in it lies beside the database. */
function hasLog(path: string): boolean {
  return (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/**
 * The `user_version` in a SQLite file's header (https://sqlite.org/fileformat.html#the_database_header), read without
 * SQLite, which would migrate it. Undefined for what is no database; an empty file is one at version 0.
 */
export function schemaVersion(path: string): number | undefined {
  const header = Buffer.alloc(100);
  const file = openSync(path, 'r');
  try {
    const bytes = readSync(file, header, 0, header.length, 0);
    if (bytes === 0) return 0;
    if (bytes < header.length || header.toString('latin1', 0, 16) !== 'SQLite format 3\0') return undefined;
    return header.readUInt32BE(60);
  } finally {
    closeSync(file);
  }
}
