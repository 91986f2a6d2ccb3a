import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';

const LOOK_EVERY_MS = 50;
const MAY_TAKE_MS = 2_000;

/** Looks at the rows of the store again and again, past everything of ours. */
export class RowWatch {
  /** The most that was executing of the queue `slow` at any look. */
  mostExecuting = 0;
  readonly #url: () => string;
  readonly #loop: Promise<void>;
  #stopped = false;

  /** Begins at once; asks for the URL again whenever a connection breaks. */
  constructor(url: () => string) {
    this.#url = url;
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#watch().catch(() => {});
      await wait(LOOK_EVERY_MS);
    }
  }

  /** Looks on one connection until it breaks. */
  async #watch(): Promise<void> {
    await onConnection(this.#url(), async (client) => {
      while (!this.#stopped) {
        const executing = await count(client, `rota.jobs where queue = 'slow' and state = 'executing'`);
        this.mostExecuting = Math.max(this.mostExecuting, executing);
        await wait(LOOK_EVERY_MS);
      }
    });
  }
}

/** How many rows there are of what is written after `from`. */
export async function rowsOf(url: string, from: string): Promise<number> {
  let rows = 0;
  await onConnection(url, async (client) => {
    rows = await count(client, from);
  });
  return rows;
}

async function count(client: Client, from: string): Promise<number> {
  const { rows } = await client.query<{ rows: number }>(`select count(*)::integer as rows from ${from}`);
  return rows[0]?.rows ?? 0;
}

async function onConnection(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const limits = { connectionTimeoutMillis: MAY_TAKE_MS, query_timeout: MAY_TAKE_MS };
  const client = new Client({ connectionString: url, ...limits });
  // What breaks it, the next query tells.
  client.on('error', () => {});
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
