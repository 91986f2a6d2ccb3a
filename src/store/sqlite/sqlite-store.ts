import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { JobFact } from '../../job/job-event.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Random } from '../../kernel/identity.ts';
import { BegunClaims } from '../begun-claims.ts';
import type { BegunAnswer, JobStore, OnBegun, StoreReply, StoreRequest, StoreVerb } from '../job-store.ts';
import { CountLedger } from './count-ledger.ts';
import { type DatabaseOptions, openDatabase } from './database.ts';
import { isWorldFault } from './fault-codes.ts';
import { FirstRuns } from './first-runs.ts';
import { FreshJobs } from './fresh-jobs.ts';
import { JobPlaces } from './job-places.ts';
import { LogSync, type LogSyncOptions } from './log-sync.ts';
import { Outbox } from './outbox.ts';
import { LINED_MAX } from './partition-lines.ts';
import { QueueRules } from './queue-rules.ts';
import { type ListStatement, Refusal, type StoreWorld, type Verb } from './verb.ts';
import { LEAVES_FRESH, READS } from './verb-kinds.ts';
import { type Verbs, verbsOf } from './verbs.ts';
import { WorkerSigns } from './worker-signs.ts';

/** What the store itself goes by. */
export interface SqliteStoreSettings {
  /** Where the jitter of retries comes from. */
  random: Random;
  /** So many jobs of queues with partitions are kept in line, in memory: see `PartitionLines`. Default 20,000. */
  linedMax?: number;
}

/** What {@link openSqliteStore} takes. */
export interface SqliteStoreOptions extends DatabaseOptions, SqliteStoreSettings, LogSyncOptions {}

/**
 * Opens the embedded store: one SQLite file, owned by this process alone until {@link JobStore.close}.
 * @throws RotaError `unavailable` when another living process owns it or the disk fails it, `invalid_config` when it cannot be
 * a store
 */
export function openSqliteStore(options: SqliteStoreOptions): JobStore {
  const db = openDatabase(options);
  let log: LogSync | undefined;
  const letGo = (): void => {
    try {
      log?.close();
    } finally {
      db.close();
    }
  };
  try {
    log = LogSync.of(db, options);
    return new SqliteStore(db, { ...options, log, letGo });
  } catch (thrown) {
    letGo();
    throw thrown;
  }
}

/**
 * A store over a database that {@link openDatabase} opened and that its caller goes on to own: closing the store leaves it
 * open, so that the next one finds there what a restarted process finds in its file. One at a time.
 */
export function sqliteStoreOver(db: DatabaseSync, settings: SqliteStoreSettings): JobStore {
  return new SqliteStore(db, { ...settings, log: undefined, letGo: () => {} });
}

class SqliteStore implements JobStore {
  readonly capabilities;
  readonly #db: DatabaseSync;
  readonly #verbs: Verbs;
  readonly #world: StoreWorld;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  /** Left out: nothing is durable. */
  readonly #log: LogSync | undefined;
  readonly #letGo: () => void;

  constructor(db: DatabaseSync, options: SqliteStoreSettings & { log: LogSync | undefined; letGo: () => void }) {
    const { log, letGo } = options;
    this.capabilities = { name: 'sqlite', durable: log !== undefined, shared: false, groupsMax: 1 };
    this.#db = db;
    this.#log = log;
    this.#letGo = letGo;
    this.#world = worldOf(db, options);
    this.#verbs = verbsOf(this.#world);
    this.#begin = this.#db.prepare('begin immediate');
    this.#commit = this.#db.prepare('commit');
  }

  async perform(requests: readonly StoreRequest[], onBegun?: OnBegun): Promise<StoreReply[]> {
    if (!this.#db.isOpen) throw new RotaError('unavailable', 'the store is closed');
    this.#log?.check();
    const { replies, begun } = this.#write(requests);
    if (requests.every(isRead)) return replies;
    try {
      if (begun.length > 0) await onBegun?.(begun);
    } finally {
      this.#log?.sync();
    }
    return replies;
  }

  /** Does what is asked in one transaction: committed, and not yet durable. */
  #write(requests: readonly StoreRequest[]): { replies: StoreReply[]; begun: BegunAnswer[] } {
    try {
      const begun = new BegunClaims(requests);
      this.#world.begun = begun;
      const replies = this.#group(requests, (request) => this.#answer(request));
      return { replies, begun: begun.allNew(requests) };
    } catch (thrown) {
      if (isWorldFault(thrown)) throw unavailable(thrown);
    } finally {
      this.#world.begun = undefined;
    }
    // A request that SQLite or an assertion chokes on must not take its neighbours with it; so rare that the good case
    // pays nothing: the group is run again, each request on a savepoint of its own.
    try {
      return { replies: this.#group(requests, (request) => this.#answerAlone(request)), begun: [] };
    } catch (thrown) {
      throw unavailable(thrown);
    }
  }

  async close(): Promise<void> {
    if (!this.#db.isOpen) return;
    try {
      // Signs of life that only stand in memory; without them a restart could only think a worker silent for longer.
      this.#world.workers.write(Number.POSITIVE_INFINITY);
    } finally {
      this.#letGo();
    }
  }

  /** Runs requests in one transaction; what is thrown has rolled everything back. */
  #group(requests: readonly StoreRequest[], answer: (request: StoreRequest) => StoreReply): StoreReply[] {
    if (requests.every(isRead)) return requests.map(answer);
    try {
      this.#begin.run();
      const replies = requests.map(answer);
      this.#flush();
      this.#commit.run();
      return replies;
    } catch (thrown) {
      this.#drop();
      // SQLite ends the transaction by itself on some failures, for example of the disk.
      if (this.#db.isTransaction) this.#db.exec('rollback');
      throw thrown;
    }
  }

  #answer(request: StoreRequest): StoreReply {
    if (!LEAVES_FRESH.has(request.verb)) this.#world.fresh.drop();
    const facts: JobFact[] = [];
    // The verb that is named picks the function that takes its options, which the compiler cannot follow.
    const verb = this.#verbs[request.verb] as Verb<StoreVerb>;
    const answer = verb(request as never, (fact) => facts.push(fact));
    if (answer instanceof Refusal) {
      return { ok: false, error: { code: answer.code, message: answer.message } };
    }
    this.#world.outbox.keep(facts);
    return { ok: true, answer, facts };
  }

  #answerAlone(request: StoreRequest): StoreReply {
    this.#db.exec('savepoint request');
    try {
      const reply = this.#answer(request);
      this.#flush();
      this.#db.exec('release request');
      return reply;
    } catch (thrown) {
      if (isWorldFault(thrown)) throw thrown;
      this.#drop();
      this.#db.exec('rollback to request; release request');
      const message = `the store cannot do this ${request.verb}: ${errorText(thrown)}`;
      return { ok: false, error: { code: 'invalid_request', message } };
    }
  }

  #flush(): void {
    this.#world.counts.flush();
    this.#world.outbox.flush();
  }

  #drop(): void {
    this.#world.counts.drop();
    this.#world.outbox.drop();
    this.#world.fresh.drop();
    this.#world.places.removed();
    this.#world.begun = undefined;
    this.#world.firstRuns.drop();
    this.#world.workers.drop();
    this.#world.queues.drop();
  }
}

const isRead = ({ verb }: StoreRequest): boolean => READS.has(verb);

function unavailable(cause: unknown): RotaError {
  return new RotaError('unavailable', `the store could not write: ${errorText(cause)}`, { cause });
}

function worldOf(db: DatabaseSync, { random, linedMax = LINED_MAX }: SqliteStoreSettings): StoreWorld {
  const byName = new Map<string, StatementSync>();
  const byPlace = new Map<string, ListStatement>();
  const rows = (sql: string): StatementSync => {
    const statement = byName.get(sql) ?? db.prepare(sql);
    byName.set(sql, statement);
    return statement;
  };
  const lists = (sql: string): ListStatement => {
    let statement = byPlace.get(sql);
    if (statement === undefined) {
      const prepared = db.prepare(sql);
      prepared.setReturnArrays(true);
      // With setReturnArrays the rows are arrays; the declared type knows only the other mode.
      statement = prepared as unknown as ListStatement;
      byPlace.set(sql, statement);
    }
    return statement;
  };
  const prepare = (sql: string): StatementSync => db.prepare(sql);
  const waiting = (queue: string): number => counts.of(queue, 'available');
  const queues: QueueRules = new QueueRules({ prepare, waiting, linedMax });
  const counts = new CountLedger(prepare, (queue, place) => queues.lines.changed(queue, place));
  return {
    rows,
    lists,
    random,
    counts,
    outbox: new Outbox(prepare),
    places: new JobPlaces(prepare),
    fresh: new FreshJobs(),
    begun: undefined,
    firstRuns: new FirstRuns(),
    workers: new WorkerSigns(prepare),
    queues,
  };
}
