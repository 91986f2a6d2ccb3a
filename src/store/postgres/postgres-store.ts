import { type FollowingClock, sleep } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type { IdSource, Random } from '../../kernel/identity.ts';
import { type Cell, integer, text } from '../cell.ts';
import type { JobStore, StoreReply, StoreRequest } from '../job-store.ts';
import { ClaimStarts } from './claim-starts.ts';
import { Connection, takesSettings } from './connection.ts';
import { faultOf, isThereAlready, LostConnection, unavailable } from './fault.ts';
import { FirstRuns } from './first-runs.ts';
import { ASIDE, type GroupKind, kindOf, lockOf, runApart, runTogether, type Verbs } from './group.ts';
import { GroupSigns } from './group-signs.ts';
import { migrateWhenThere } from './migrate.ts';
import { Outbox } from './outbox.ts';
import { PartitionTurns } from './partition-turns.ts';
import { PruneWalks } from './prune-walks.ts';
import { QueueHeads } from './queue-heads.ts';
import { QueueRules, READ_ASIDE, READ_RULES } from './queue-rules.ts';
import { ServerPool, Servers } from './server-pool.ts';
import { HAS_SETTINGS, SET_LOCALLY } from './settings.ts';
import { Statements } from './statements.ts';
import { readStoreUrl } from './store-url.ts';
import { Transaction } from './transaction.ts';
import { fateOf, REACH_EVERY_MS, REACH_MS } from './transaction-fate.ts';
import { VERBS } from './verbs.ts';
import { WorkerSigns } from './worker-signs.ts';

/** What {@link openPostgresStore} takes. */
export interface PostgresStoreOptions {
  /** `postgres://…`, of one server or of a primary and its standbys, with our own parameters: see `store-url`. */
  url: string;
  /** Where the jitter of retries comes from. */
  random: Random;
  /** Follows the database's time, which is the fleet's. */
  clock: FollowingClock;
  /** Names this store among those that share the database. */
  newId: IdSource;
  /** Told once where opening has to wait for the server, and of what is odd about the schema. */
  warn?: (message: string) => void;
  /** Gives up waiting for the server at opening. */
  signal?: AbortSignal;
}

/** Connections beside the pool, for the lead and for nodes. */
const ASIDE_POOL = 2;
/** A group that others are in the way of is run again so often. */
const CONFLICT_TRIES = 5;
const CONFLICT_WAIT_MS = 20;
/** Where one job was there already, more may be (a message is delivered again): so long each is looked for. */
const CAREFUL_MS = 10_000;

/**
 * Opens a store that several owners share: a schema of a PostgreSQL database. Waits for the server as long as it takes.
 * @throws RotaError `invalid_config` when the URL, the rights or the schema's version can be no store of ours
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<JobStore> {
  const { schema, prepare, pool, ...hosts } = readStoreUrl(options.url);
  const servers = new Servers(hosts, options);
  // Without our settings: a migration of a large table takes as long as it takes.
  const migrating = new ServerPool(servers, { max: 1, settings: false });
  try {
    await migrateWhenThere(migrating, schema, options);
  } finally {
    await migrating.end();
  }
  const sessions = prepare && (await takesSettings(servers));
  const poolOf = (max: number): ServerPool => new ServerPool(servers, { max, settings: sessions });
  const pools = { main: poolOf(pool), aside: poolOf(ASIDE_POOL) };
  return new PostgresStore(options, { pools, schema, pool, sessions, statements: new Statements(schema, prepare) });
}

interface StoreParts {
  pools: { main: ServerPool; aside: ServerPool };
  schema: string;
  /** Groups that run at once. */
  pool: number;
  statements: Statements;
  /** Whether settings are the session's. */
  sessions: boolean;
}

type Run = (tx: Transaction, requests: readonly StoreRequest[], verbs: Verbs) => Promise<StoreReply[]>;

class PostgresStore implements JobStore {
  readonly capabilities;
  readonly #options: PostgresStoreOptions;
  readonly #parts: StoreParts;
  readonly #owner: string;
  readonly #signs = new WorkerSigns();
  readonly #turns = new PartitionTurns();
  readonly #heads = new QueueHeads();
  readonly #prunes = new PruneWalks();
  readonly #starts = new ClaimStarts();
  readonly #firstRuns = new FirstRuns();
  readonly #rulesLock: bigint;
  /** Whether each transaction must set what the session does not have. */
  #setsLocally: boolean;
  #carefulUntil = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** The server was tried for as long as that may take, in vain: until it answers again each group is tried once. */
  #away = false;

  constructor(options: PostgresStoreOptions, parts: StoreParts) {
    this.#options = options;
    this.capabilities = { name: 'postgres', durable: true, shared: true, groupsMax: parts.pool, aside: ASIDE };
    this.#parts = parts;
    this.#owner = options.newId();
    this.#setsLocally = !parts.sessions;
    this.#rulesLock = lockOf(parts.schema, 'rules');
  }

  async perform(requests: readonly StoreRequest[]): Promise<StoreReply[]> {
    if (this.#closed) throw new RotaError('unavailable', 'the store is closed');
    if (requests.length === 0) return [];
    try {
      return await this.#together(requests);
    } catch (thrown) {
      if (faultOf(thrown) !== 'request') throw unavailable(thrown);
    }
    // So rare that the good case pays nothing: the group is run again, each request on a savepoint of its own.
    try {
      this.#beCareful();
      return await this.#tried(requests, runApart);
    } catch (thrown) {
      throw unavailable(thrown);
    }
  }

  /** A group in one go; again where a job was there already, for which one looks only after that has happened. */
  async #together(requests: readonly StoreRequest[]): Promise<StoreReply[]> {
    try {
      return await this.#tried(requests, runTogether);
    } catch (thrown) {
      if (!isThereAlready(thrown)) throw thrown;
    }
    this.#beCareful();
    return this.#tried(requests, runTogether);
  }

  #beCareful(): void {
    this.#carefulUntil = this.#options.clock.monotonicMs() + CAREFUL_MS;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { pools } = this.#parts;
    try {
      await this.#letGo();
    } catch {
      // What is not let go of is taken over when its lease ends.
    }
    await Promise.allSettled([pools.main.end(), pools.aside.end()]);
  }

  /** Gives signs of life and outbox rows to whoever comes next. */
  async #letGo(): Promise<void> {
    await this.#transaction({ ...kindOf([], this.#parts.schema), reads: false }, async (tx) => {
      await tx.signs.catchUp(tx, Number.POSITIVE_INFINITY);
      await tx.run('update @workers set owner = null where owner = $1', [this.#owner]);
      await tx.run('update @outbox set taken_until = 0 where owner = $1', [this.#owner]);
    });
  }

  /** Runs a group, again where others were in the way or the server was away for a moment. */
  async #tried(requests: readonly StoreRequest[], run: Run): Promise<StoreReply[]> {
    const { clock, random } = this.#options;
    const kind = kindOf(requests, this.#parts.schema);
    const giveUpAt = clock.monotonicMs() + REACH_MS;
    for (let conflicts = 0; ; ) {
      try {
        const replies = await this.#transaction(kind, async (tx) => {
          if (!kind.reads) await tx.signs.note(tx, requests);
          return run(tx, requests, VERBS);
        });
        this.#away = false;
        return replies;
      } catch (thrown) {
        const fault = faultOf(thrown);
        const late = clock.monotonicMs() >= giveUpAt;
        if (fault === 'conflict' && ++conflicts < CONFLICT_TRIES && !late) {
          await sleep(clock, CONFLICT_WAIT_MS * conflicts * (0.5 + random()));
        } else if (fault === 'connection' && !(thrown instanceof LostAnswer)) {
          if (late) this.#away = true;
          if (this.#away) throw thrown;
          await sleep(clock, REACH_EVERY_MS * (0.5 + random()));
        } else throw thrown;
      }
    }
  }

  /** One transaction on one connection. What is thrown has rolled everything back, but for {@link LostAnswer}. */
  async #transaction<T>(kind: GroupKind, work: (tx: Transaction) => Promise<T>): Promise<T> {
    const { pools, statements } = this.#parts;
    const connection = await Connection.of(kind.aside ? pools.aside : pools.main);
    let usable = false;
    try {
      const begun = await this.#begin(connection, kind);
      const signs = new GroupSigns(this.#signs);
      const starts = this.#starts.group(begun.now);
      const tx = new Transaction({
        ...{ connection, statements, random: this.#options.random, owner: this.#owner, now: begun.now },
        xmin: begun.xid === null ? undefined : xminOf(begun.xid),
        ...{ outbox: new Outbox(), firstRuns: this.#firstRuns, signs, starts, queues: begun.queues },
        ...{ turns: this.#turns, heads: this.#heads, prunes: this.#prunes },
        careful: this.#options.clock.monotonicMs() < this.#carefulUntil,
      });
      try {
        const result = await work(tx);
        await this.#commit(connection, begun.xid);
        signs.committed();
        starts.committed(kind.keepsOrder);
        this.#firstRuns.keep(tx.begun);
        usable = true;
        return result;
      } catch (thrown) {
        starts.failed();
        if (faultOf(thrown) !== 'connection') {
          await connection.script('rollback');
          usable = true;
        }
        throw thrown;
      }
    } finally {
      connection.release(usable);
    }
  }

  /** The first message of a transaction: begins it and brings the database's time, its id and the rules of queues. */
  async #begin(
    connection: Connection,
    kind: GroupKind,
  ): Promise<{ now: number; xid: string | null; queues: QueueRules }> {
    const { clock } = this.#options;
    const xid = kind.mustKnow && !kind.reads ? 'pg_current_xact_id()::text' : 'null';
    // A standby refuses to write by itself. A session was asked at its start, but a pooler may have another server by now.
    const standby = kind.reads ? 'pg_is_in_recovery()::text' : 'null';
    const lock = kind.rules === 'change' ? 'pg_advisory_xact_lock' : 'pg_advisory_xact_lock_shared';
    const advisory = kind.reads || kind.aside ? '' : `, ${lock}(${this.#rulesLock})`;
    const statements = [
      // What reads only sees one moment: else a job that changes its state meanwhile is in no part of a page, or in two.
      `begin isolation level ${kind.reads ? 'repeatable read read only' : 'read committed read write'}`,
      ...(this.#setsLocally ? [SET_LOCALLY] : []),
      // In order: the rules are read once the lock is held.
      `select floor(extract(epoch from clock_timestamp()) * 1000)::bigint, ${xid}, ${HAS_SETTINGS}, ${standby}${advisory}`,
      ...(kind.uniqueLocks.length === 0
        ? []
        : [`select pg_advisory_xact_lock(key) from unnest('{${kind.uniqueLocks.join(',')}}'::bigint[]) as key`]),
      ...(kind.aside ? [] : [this.#parts.statements.text(READ_RULES)]),
      ...(kind.claims ? [this.#parts.statements.text(READ_ASIDE)] : []),
    ];
    const before = clock.monotonicMs();
    const answers = await connection.script(statements.join(';\n'));
    const doubtMs = (clock.monotonicMs() - before) / 2;
    const [nowCell, xidCell, unset, isStandby] = answers[this.#setsLocally ? 2 : 1]?.[0] ?? [];
    if (isStandby === 'true') throw new LostConnection('the database is a standby, which may lag behind');
    const now = integer(nowCell);
    clock.follow(now + doubtMs, doubtMs);
    if (unset !== 'off') {
      // Something between here and the server keeps sessions of its own.
      await connection.script(SET_LOCALLY);
      this.#setsLocally = true;
    }
    return {
      now,
      xid: xidCell === null ? null : text(xidCell),
      queues: rulesIn(answers, kind),
    };
  }

  /** Commits; where the connection breaks meanwhile, asks the server what became of it. */
  async #commit(connection: Connection, xid: string | null): Promise<void> {
    try {
      await connection.script('commit');
    } catch (thrown) {
      if (faultOf(thrown) !== 'connection') throw thrown;
      if (xid === null) throw new LostAnswer('the connection broke during a commit', { cause: thrown });
      const became = await fateOf({ xid, life: connection.life }, this.#parts.pools.main, this.#options);
      if (became === 'committed') return;
      if (became === 'aborted') throw thrown;
      throw new LostAnswer('the connection broke during a commit, and what became of it is not known', {
        cause: thrown,
      });
    }
  }
}

/** The part of a transaction's id that rows hold. */
const xminOf = (xid: string): string => String(BigInt.asUintN(32, BigInt(xid)));

/** A commit whose outcome nobody knows: to do it again could do it twice. */
class LostAnswer extends LostConnection {}

/** The rules that the first message of a transaction brought, after all else. */
function rulesIn(answers: readonly Cell[][][], { aside, claims }: GroupKind): QueueRules {
  if (aside) return new QueueRules([], []);
  const [rules = [], types = []] = answers.slice(claims ? -2 : -1);
  return new QueueRules(rules, types);
}
