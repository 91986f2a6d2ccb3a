import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { v7 } from 'uuid';
import { enqueueWith } from '../../src/client/client.ts';
import type { Chance } from '../simulation/chance.ts';
import type { Asked } from './chaos-history.ts';

/** How long it rests after a transaction, at most, in milliseconds. */
const REST_MS = 200;
/** Before it looks for the server again, in milliseconds. */
const AGAIN_MS = 100;
const MAY_TAKE_MS = 2_000;

/** A program that enqueues inside transactions of its own, some of which it rolls back. */
export class SqlLoad {
  /** Transactions that the server said it has committed. */
  committed = 0;
  readonly #asked: Asked;
  readonly #chance: Chance;
  readonly #url: () => string;
  readonly #loop: Promise<void>;
  #stopped = false;

  /** Begins at once; asks for the URL again whenever a connection breaks. */
  constructor(asked: Asked, chance: Chance, url: () => string) {
    this.#asked = asked;
    this.#chance = chance;
    this.#url = url;
    this.#loop = this.#run();
  }

  /** Ends it; what is under way is still dealt with. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      // The server is away.
      await this.#connected().catch(() => {});
      await wait(AGAIN_MS);
    }
  }

  /** Works on one connection until it breaks. */
  async #connected(): Promise<void> {
    const limits = { connectionTimeoutMillis: MAY_TAKE_MS, query_timeout: MAY_TAKE_MS };
    const client = new Client({ connectionString: this.#url(), ...limits });
    // What breaks it, the next query tells.
    client.on('error', () => {});
    try {
      await client.connect();
      while (!this.#stopped) {
        await this.#transaction(client);
        await wait(this.#chance.between(0, REST_MS));
      }
    } finally {
      await client.end().catch(() => {});
    }
  }

  async #transaction(client: Client): Promise<void> {
    const ids = Array.from({ length: this.#chance.between(1, 3) }, () => v7());
    const commits = this.#chance.hits(0.7);
    // Until a commit is asked for, whatever happens is a rollback.
    for (const id of ids) this.#asked.rolledBack.add(id);
    await client.query('begin');
    for (const id of ids) await enqueueWith(client, 'work', { ms: 1 }, { id, tags: ['sql'] });
    if (!commits) {
      await client.query('rollback');
      return;
    }
    for (const id of ids) {
      this.#asked.rolledBack.delete(id);
      this.#asked.sent.add(id);
    }
    // Where its answer is lost, nobody knows.
    await client.query('commit');
    for (const id of ids) this.#asked.acknowledged.set(id, 'completed');
    this.committed += 1;
  }
}
