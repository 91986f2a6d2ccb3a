import { type ClientBase, Pool, type PoolClient, type PoolConfig } from 'pg';
import type { Cell, Row } from '../cell.ts';
import { connectText, faultOf, LostConnection, refusesSettings, sqlState } from './fault.ts';
import { ANSWER_TIMEOUT_MS, withSettings } from './settings.ts';
import type { Statement } from './statements.ts';

/** What a statement is given. Lists are written by `sql-list`. */
export type Value = string | number | null;

const CONNECT_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 30_000;

/** PostgreSQL's whole numbers (int8, int2, int4), all of ours safe in a double; everything else is read as text. */
const NUMBERS = new Set([20, 21, 23]);
const asNumber = (text: string): number => Number(text);
const asText = (text: string): string => text;
const types = { getTypeParser: (oid: number) => (NUMBERS.has(oid) ? asNumber : asText) };

/** A pool of connections. What is idle and breaks is forgotten; what is asked of it next gets another. */
export function openPool(url: string, max: number): Pool {
  const pool = new Pool({
    connectionString: url,
    max,
    types: types as PoolConfig['types'] & object,
    query_timeout: ANSWER_TIMEOUT_MS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    application_name: 'rota',
    keepAlive: true,
    allowExitOnIdle: true,
  });
  // An idle connection that breaks (a restart of the server) is no news: the pool has dropped it.
  pool.on('error', () => {});
  return pool;
}

/** A connection for one group. What it throws is the server's own error, or a {@link LostConnection}. */
export class Connection {
  readonly #client: PoolClient;
  #broken = false;

  private constructor(client: PoolClient) {
    this.#client = client;
    // Between two statements nobody listens otherwise, and an error without a listener ends the process.
    client.on('error', this.#breaks);
  }

  /** @throws LostConnection, or the server's error */
  static async of(pool: Pool): Promise<Connection> {
    try {
      return new Connection(await pool.connect());
    } catch (thrown) {
      throw asFault(thrown);
    }
  }

  /** Runs a statement; rows by column name. */
  async rows(statement: Statement, values: readonly Value[]): Promise<Row[]> {
    return (await this.#query<Row>({ ...statement, values: [...values] })).rows;
  }

  /** Runs a statement; rows as lists of cells, for hot paths. */
  async lists(statement: Statement, values: readonly Value[]): Promise<Cell[][]> {
    return (await this.#query<Cell[]>({ ...statement, values: [...values], rowMode: 'array' })).rows;
  }

  /** Runs a statement; how many rows it touched. */
  async run(statement: Statement, values: readonly Value[]): Promise<number> {
    return (await this.#query({ ...statement, values: [...values] })).rowCount ?? 0;
  }

  /** Runs several statements without values in one message; the rows of each. */
  async script(text: string): Promise<Cell[][][]> {
    const results: unknown = await this.#query({ text, rowMode: 'array' });
    // The driver answers a list when the text has more than one statement.
    return (Array.isArray(results) ? results : [results]).map(({ rows }) => rows as Cell[][]);
  }

  /** Gives it back, or throws it away where it broke or its state is not known. */
  release(usable = true): void {
    this.#client.off('error', this.#breaks);
    this.#client.release(this.#broken || !usable);
  }

  readonly #breaks = (): void => {
    this.#broken = true;
  };

  async #query<T>(config: object): Promise<{ rows: T[]; rowCount: number | null }> {
    try {
      // The driver's own type wants to know whether rows are lists; the callers do.
      return (await (this.#client as ClientBase).query(config as never)) as unknown as {
        rows: T[];
        rowCount: number | null;
      };
    } catch (thrown) {
      const fault = asFault(thrown);
      if (faultOf(fault) === 'connection') this.#broken = true;
      throw fault;
    }
  }
}

/** What the server said stays; anything else that the driver throws is about the connection. */
function asFault(thrown: unknown): unknown {
  if (sqlState(thrown) !== undefined || thrown instanceof LostConnection) return thrown;
  return new LostConnection(`no connection to the database: ${connectText(thrown)}`, { cause: thrown });
}

/** Whether connections can begin with settings; poolers refuse them. */
export async function takesSettings(url: string): Promise<boolean> {
  const pool = openPool(withSettings(url), 1);
  try {
    (await Connection.of(pool)).release();
    return true;
  } catch (thrown) {
    return !refusesSettings(thrown);
  } finally {
    await pool.end();
  }
}
