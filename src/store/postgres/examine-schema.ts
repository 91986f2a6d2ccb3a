import { integer, text } from '../cell.ts';
import { Connection, openPool } from './connection.ts';
import { checksumOf, MIGRATIONS } from './migrate.ts';
import { Statements } from './statements.ts';
import { readStoreUrl } from './store-url.ts';

/** What a database says of the store in it. */
export interface SchemaState {
  /** Of the server, like `17.2`. */
  server: string;
  schema: string;
  /** How many migrations were run in it, and how many this program knows. */
  version: number;
  known: number;
  /** Migrations that were run with another text than this program's. */
  drifted: string[];
}

/**
 * Looks at a store's schema and changes nothing.
 * @throws what the server or the way to it says
 */
export async function examineSchema(place: string): Promise<SchemaState> {
  const { url, schema } = readStoreUrl(place);
  const pool = openPool(url, 1);
  try {
    const connection = await Connection.of(pool);
    try {
      return await stateOf(connection, schema);
    } finally {
      connection.release();
    }
  } finally {
    await pool.end();
  }
}

async function stateOf(connection: Connection, schema: string): Promise<SchemaState> {
  const [server] = await connection.lists({ text: "select current_setting('server_version')" }, []);
  const [there] = await connection.lists({ text: 'select to_regclass($1)::text' }, [`"${schema}".migrations`]);
  const sql = new Statements(schema, false).text('select version, name, checksum from @migrations order by 1');
  const rows = there?.[0] === null ? [] : await connection.lists({ text: sql }, []);
  const drifted = rows.flatMap(([version, name, checksum]) => {
    const migration = MIGRATIONS[integer(version) - 1];
    const same = migration === undefined || checksumOf(migration) === text(checksum);
    return same ? [] : [`${integer(version)} (${text(name)})`];
  });
  return { server: text(server?.[0]), schema, version: rows.length, known: MIGRATIONS.length, drifted };
}
