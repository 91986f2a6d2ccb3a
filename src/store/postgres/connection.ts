import type { ClientBase } from 'pg';
import type { Cell, Row } from '../cell.ts';
import { asFault, faultOf, refusesSettings } from './fault.ts';
import { ServerPool, type ServerSession, type Servers } from './server-pool.ts';
import type { Statement } from './statements.ts';

/** What a statement is given. Lists are written by `sql-list`. */
export type Value = string | number | null;

/** A connection for one group. What it throws is the server's own error, or a {@link LostConnection}. */
export class Connection {
  readonly #client: ServerSession;
  #broken = false;

  private constructor(client: ServerSession) {
    this.#client = client;
    // Between two statements nobody listens otherwise, and an error without a listener ends the process.
    client.on('error', this.#breaks);
  }

  /** @throws LostConnection, or the server's error */
  static async of(pool: ServerPool): Promise<Connection> {
    return new Connection(await pool.connect());
  }

  /** Which life of which server it is with: what one said of its transactions another knows nothing of. */
  get life(): string {
    return this.#client.life;
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

/** Whether connections can begin with settings; poolers refuse them. */
export async function takesSettings(servers: Servers): Promise<boolean> {
  const pool = new ServerPool(servers, { max: 1, settings: true });
  try {
    (await Connection.of(pool)).release();
    return true;
  } catch (thrown) {
    return !refusesSettings(thrown);
  } finally {
    await pool.end();
  }
}
