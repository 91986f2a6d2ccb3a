import { integer, text } from '../cell.ts';
import { Connection } from './connection.ts';
import { driftOf, MIGRATIONS, migrationsRun, SERVER_VERSION_MIN } from './migrate.ts';
import { driftOfSchema, type SchemaDrift } from './schema-catalogue.ts';
import { ServerPool, Servers } from './server-pool.ts';
import { readStoreUrl } from './store-url.ts';

/** What a database says of the store in it. */
export interface SchemaState {
  /** Of the server, like `17.2`. */
  server: string;
  /** Whether that is one which can hold a store. */
  serves: boolean;
  schema: string;
  /** How many migrations were run in it, and how many this program knows. */
  version: number;
  known: number;
  /** Migrations that were run with another text than this program's. */
  drifted: string[];
  /** How what there is differs from what the migrations that were run make. */
  drift: SchemaDrift;
  /** Whether the user may make what is missing. */
  mayMigrate: boolean;
}

/**
 * Looks at a store's schema and changes nothing, but that what it is compared with stands beside it for a moment.
 * @throws what the server or the way to it says
 */
export async function examineSchema(place: string): Promise<SchemaState> {
  const { schema, ...hosts } = readStoreUrl(place);
  const pool = new ServerPool(new Servers(hosts), { max: 1, settings: false });
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
  const [about] = await connection.lists(
    {
      text: `select current_setting('server_version'), current_setting('server_version_num')::integer,
        coalesce((select has_schema_privilege(oid, 'create')::integer from pg_namespace where nspname = $1),
          has_database_privilege(current_database(), 'create')::integer)`,
    },
    [schema],
  );
  const [server, number, may] = about ?? [];
  const serves = integer(number) >= SERVER_VERSION_MIN;
  const rows = await migrationsRun(connection, schema);
  const version = rows.length;
  const comparable = serves && version > 0 && version <= MIGRATIONS.length;
  return {
    ...{ server: text(server), serves, schema, version, known: MIGRATIONS.length, drifted: driftOf(rows) },
    drift: comparable ? await driftOfSchema(connection, schema, version) : { differences: [] },
    mayMigrate: integer(may) === 1,
  };
}
