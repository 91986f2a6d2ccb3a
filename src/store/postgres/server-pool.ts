import { Client, type ClientBase, Pool, type PoolClient, type PoolConfig } from 'pg';
import { type Clock, nextTurn, systemClock } from '../../kernel/clock.ts';
import { type Random, systemRandom } from '../../kernel/identity.ts';
import { type Dial, DialPace } from './dial-pace.ts';
import { asFault, connectText, isConfigFault, LostConnection, refusesSettings } from './fault.ts';
import { ANSWER_TIMEOUT_MS, withSettings } from './settings.ts';
import type { ServerNeed, StoreUrl } from './store-url.ts';

const CONNECT_TIMEOUT_MS = 5_000;
/** Where another server may be tried instead. */
const CONNECT_IN_TURN_TIMEOUT_MS = 2_000;
const IDLE_TIMEOUT_MS = 30_000;

/** PostgreSQL's whole numbers (int8, int2, int4), all of ours safe in a double; everything else is read as text. */
const NUMBERS = new Set([20, 21, 23]);
const asNumber = (text: string): number => Number(text);
const asText = (text: string): string => text;
const types = { getTypeParser: (oid: number) => (NUMBERS.has(oid) ? asNumber : asText) };

/**
 * What a new session asks its server: whether it is a standby, whether it may write, and which life of which server this
 * is. The time line changes with each promotion of a standby, and the statistics begin anew with each recovery of a crash.
 */
const ASK_SERVER = `select pg_is_in_recovery()::text, current_setting('transaction_read_only'),
  case when not pg_is_in_recovery() then left(pg_walfile_name(pg_current_wal_lsn()), 8) end,
  extract(epoch from pg_stat_get_bgwriter_stat_reset_time())::text`;

/**
 * The servers that a store's URL names: a primary and its standbys. All pools of one store work with one of them at a time,
 * so that none of its connections is left with a former primary; which one that is, the last failure or success decided.
 */
export class Servers {
  readonly needs: ServerNeed;
  readonly #urls: readonly string[];
  /** For each: one that is away is dialled seldom, however many ask. */
  readonly #paces: ReadonlyMap<string, DialPace>;
  #at = 0;

  constructor(
    { urls, needs }: Pick<StoreUrl, 'urls' | 'needs'>,
    world: { clock: Clock; random: Random } = { clock: systemClock, random: systemRandom },
  ) {
    this.#urls = urls;
    this.#paces = new Map(urls.map((url) => [url, new DialPace(world)]));
    this.needs = needs;
  }

  get count(): number {
    return this.#urls.length;
  }

  /** The URL of the one to work with. */
  get current(): string {
    return this.#urls[this.#at] ?? '';
  }

  /** Begins a dial of one; where none is to be made now, what the last one failed with. */
  dial(url: string): Dial | { refusal: unknown } {
    return this.#paces.get(url)?.begin() ?? NO_DIAL;
  }

  /** One cannot be worked with: the next is to be tried, if nobody has said so before. */
  leave(url: string): void {
    if (url === this.current) this.#at = (this.#at + 1) % this.#urls.length;
  }
}

/** A session with a server that takes writes. */
export interface ServerSession extends PoolClient {
  /** The server's URL. */
  readonly server: string;
  /** Of the server: another one once it has recovered from a crash, or a standby was promoted in its place. */
  readonly life: string;
}

/** A pool of sessions with the server that takes writes. What is idle and breaks is forgotten; what is asked next gets another. */
export class ServerPool {
  readonly #servers: Servers;
  readonly #pool: Pool;

  /** @param options `settings`: sessions begin with ours */
  constructor(servers: Servers, { max, settings }: { max: number; settings: boolean }) {
    this.#servers = servers;
    this.#pool = new Pool({
      Client: clientOf(servers, settings),
      onConnect: (client) => greet(client, servers),
      max,
      types: types as PoolConfig['types'] & object,
      query_timeout: ANSWER_TIMEOUT_MS,
      connectionTimeoutMillis: servers.count > 1 ? CONNECT_IN_TURN_TIMEOUT_MS : CONNECT_TIMEOUT_MS,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
      application_name: 'rota',
      keepAlive: true,
      allowExitOnIdle: true,
    });
    // An idle connection that breaks (a restart of the server) is no news: the pool has dropped it.
    this.#pool.on('error', () => {});
  }

  /**
   * A session with the server that takes writes: each server is tried once, from the one that did so last.
   * @throws LostConnection, or the server's error
   */
  async connect(): Promise<ServerSession> {
    const refusals: string[] = [];
    for (;;) {
      const server = this.#servers.current;
      try {
        // The pool makes no other clients.
        const session = (await this.#pool.connect()) as ServerSession;
        if (session.server === this.#servers.current) return session;
        session.release(true);
      } catch (thrown) {
        if (this.#servers.count === 1 || !mayServeElsewhere(thrown)) throw asFault(thrown);
        refusals.push(`${new URL(server).host}: ${connectText(thrown)}`);
        if (refusals.length < this.#servers.count) continue;
        throw new LostConnection(`no server takes writes: ${refusals.join('; ')}`, { cause: thrown });
      }
    }
  }

  end(): Promise<void> {
    return this.#pool.end();
  }
}

/** A user, a right or a database that is not there is missing on standbys as well. */
const mayServeElsewhere = (thrown: unknown): boolean => !isConfigFault(thrown) && !refusesSettings(thrown);

/** What is told of a dial that is none of ours to pace. */
const NO_DIAL: Dial = { reached: () => {}, failed: () => {} };

/** A client of ours, before it is given to anybody. */
interface NewClient {
  server: string;
  life: string;
  dial: Dial;
}

/** The clients of a pool: each is made for the server that is to be worked with at that time. */
function clientOf(servers: Servers, settings: boolean): new (config?: PoolConfig) => ClientBase {
  return class extends Client implements NewClient {
    readonly server = servers.current;
    life = '';
    dial = NO_DIAL;

    constructor(config?: PoolConfig) {
      super({ ...config, connectionString: settings ? withSettings(servers.current) : servers.current });
    }

    override connect(): Promise<Client>;
    override connect(done: ((error: Error) => void) | ((error: null, client: Client) => void)): void;
    override connect(done?: (error: never, client: never) => void): Promise<Client> | undefined {
      if (done === undefined) return super.connect();
      // Either way what the driver tells: an error, or none and the client.
      const tell = (error?: unknown): void => {
        if (error && mayServeElsewhere(error)) servers.leave(this.server);
        done((error ?? null) as never, this as never);
      };
      const dial = servers.dial(this.server);
      if ('refusal' in dial) {
        // Not at once: who asks for a connection has not finished preparing for its failure.
        nextTurn(() => tell(dial.refusal));
        return undefined;
      }
      this.dial = dial;
      super.connect((error?: Error | null) => {
        // A pooler that refuses settings is there; in any other case it tells so of a server that is away.
        if (error) settings && refusesSettings(error) ? dial.reached() : dial.failed(error);
        tell(error);
      });
      return undefined;
    }
  };
}

/** Sees to it that a new session is with a server that takes writes. */
async function greet(client: ClientBase, servers: Servers): Promise<void> {
  // Ours, and not yet given to anybody.
  const session = client as unknown as NewClient;
  try {
    const { rows } = await client.query<(string | null)[]>({ text: ASK_SERVER, rowMode: 'array' });
    const [standby, readOnly, ...life] = rows[0] ?? [];
    session.life = life.join(' ');
    if (standby !== 'false' || (servers.needs !== 'primary' && readOnly !== 'off')) {
      servers.leave(session.server);
      throw new LostConnection(standby === 'true' ? 'it is a standby' : 'it takes no writes');
    }
    session.dial.reached();
  } catch (thrown) {
    session.dial.failed(thrown);
    throw thrown;
  }
}
