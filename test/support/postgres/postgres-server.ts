import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from '../free-port.ts';
import { createDatabase, type DatabaseServer, type FreshDatabase, runAs, urlOf } from './database.ts';
import { Keeper } from './keeper.ts';
import { killFamily, signalFamily } from './process-family.ts';
import { type Postgres, postgresPrograms } from './programs.ts';
import { copyForStandby } from './standby-copy.ts';

const run = promisify(execFile);

export interface PostgresServerOptions {
  /** A port that was free before; default: any free one. */
  port?: number;
  /** Default true, as in production. `false` is for tests that only want speed; it also sets full_page_writes. */
  fsync?: boolean;
  /** Default `on`. */
  synchronousCommit?: 'on' | 'off' | 'local';
  /** Further settings by their names: `{ max_connections: '20', deadlock_timeout: '100ms' }`. */
  settings?: Record<string, string>;
  /** What the ordinary user must give (scram-sha-256); it is in `url`. Default: nobody is asked for one. */
  password?: string;
}

/** How PostgreSQL shuts down: `smart` waits for connections, `fast` ends them, `immediate` leaves a crash to recover from. */
export type StopMode = 'smart' | 'fast' | 'immediate';

/** A real PostgreSQL on a free loopback port, which dies with this process, however that ends. */
export interface PostgresServer {
  /** Database `rota` as user `rota`, who owns it and is no superuser. The same over all its life. */
  readonly url: string;
  /** The same database as superuser `postgres`. */
  readonly adminUrl: string;
  readonly port: number;
  /** Of the postmaster. */
  readonly pid: number;
  readonly logFile: string;
  /** One more empty database. */
  freshDatabase(): Promise<FreshDatabase>;
  /** Default `fast`. Resolves when it has gone. */
  stop(mode?: StopMode): Promise<void>;
  /** Ends all its processes by SIGKILL. Resolves when nothing of them runs any more. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, if need be stops it first. Resolves when it takes connections. */
  restart(): Promise<void>;
  /**
   * Makes a hot standby that follows it, with the same settings; not of a server that asks for a password. From then on
   * each commit of this one waits until the standby has it.
   * @param port free at the moment; default: any free one
   */
  startStandby(port?: number): Promise<PostgresServer>;
  /** Makes a primary of a standby: one that waits for no standby of its own. Resolves when it takes writes. */
  promote(): Promise<void>;
  /** Freezes and thaws all its processes (SIGSTOP, SIGCONT): connections stay open and nothing comes. */
  freeze(): void;
  thaw(): void;
  /** Stops it and removes its folder. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

const LOOK_EVERY_MS = 10;

/** Somebody else may take a free port before the server does. */
const PORT_TRIES_MAX = 5;

/** Makes a new server. Rejects with its log when it does not come up. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const programs = await postgresPrograms();
  for (let tries = 1; ; tries++) {
    const server = new Server(programs, { ...options, port: options.port ?? (await freePort()) });
    try {
      await server.create();
      return server;
    } catch (error) {
      const taken = readLog(server.logFile).includes('could not bind');
      await server.dispose();
      if (!taken || options.port !== undefined || tries === PORT_TRIES_MAX) throw error;
    }
  }
}

class Server implements PostgresServer {
  readonly port: number;
  readonly logFile: string;
  readonly #programs: Postgres;
  #options: PostgresServerOptions;
  readonly #keeper: Keeper;
  readonly #dataFolder: string;
  readonly #databases: DatabaseServer;
  #child: ChildProcess | undefined;
  #gone: Promise<unknown> = Promise.resolve();
  #wasKilled = false;
  #disposed: Promise<void> | undefined;

  constructor(programs: Postgres, options: PostgresServerOptions & { port: number }) {
    this.#programs = programs;
    this.#options = options;
    this.port = options.port;
    this.#keeper = new Keeper({ name: 'postgres', account: programs.account, signal: 'QUIT' });
    this.#dataFolder = join(this.#keeper.folder, 'data');
    this.logFile = join(this.#keeper.folder, 'server.log');
    const owner = options.password === undefined ? { user: 'rota' } : { user: 'rota', password: options.password };
    this.#databases = { adminUrl: this.adminUrl, owner };
  }

  get url(): string {
    return urlOf(this.#databases, 'rota');
  }

  get adminUrl(): string {
    return this.#urlOf('rota');
  }

  #urlOf(database: string): string {
    return `postgres://postgres@127.0.0.1:${this.port}/${database}`;
  }

  get pid(): number {
    if (this.#child?.pid === undefined || !this.#runs) throw new Error('the server does not run');
    return this.#child.pid;
  }

  get #runs(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  /** Makes the data folder, starts on it, and makes the user and its database. */
  async create(): Promise<void> {
    const { bin, major, account } = this.#programs;
    // Real databases sort text as people do, so a store that needs bytes compared must say so. Older ones know only
    // the languages that the machine has.
    const language = major >= 15 ? ['--locale-provider=icu', '--icu-locale=en-US'] : [];
    const text = ['--encoding=UTF8', '--locale=C', ...language];
    const args = ['-D', this.#dataFolder, '-U', 'postgres', '-A', 'trust', '--no-sync', ...text];
    await run(join(bin, 'initdb'), args, { ...account, cwd: this.#keeper.folder });
    const { password } = this.#options;
    if (password !== undefined) writeFileSync(join(this.#dataFolder, 'pg_hba.conf'), HBA_WITH_PASSWORD);
    await this.#start();
    const login = password === undefined ? '' : ` PASSWORD '${password.replaceAll("'", "''")}'`;
    // To take over the database that is there costs nothing; to make one syncs megabytes.
    await runAs(this.#urlOf('template1'), [
      `CREATE ROLE rota LOGIN${login}`,
      'ALTER DATABASE postgres RENAME TO rota',
      'ALTER DATABASE rota OWNER TO rota',
    ]);
  }

  async startStandby(port?: number): Promise<PostgresServer> {
    const source = `host=127.0.0.1 port=${this.port} user=postgres application_name=standby`;
    const settings = { ...this.#options.settings, primary_conninfo: source };
    const options = { ...this.#options, settings, port: port ?? (await freePort()) };
    const standby = new Server(this.#programs, options);
    try {
      await copyForStandby({
        ...{ ...this.#programs, adminUrl: this.adminUrl, from: this.#dataFolder, to: standby.#dataFolder },
      });
      await standby.#start();
      await this.#waitForStandby(true);
      await this.#standbyFollows();
    } catch (error) {
      await standby.dispose();
      throw error;
    }
    return standby;
  }

  async promote(): Promise<void> {
    await this.#waitForStandby(false);
    await runAs(this.adminUrl, ['select pg_promote(true, 60)']);
  }

  /** By `alter system`, which a standby's own file of settings takes too. */
  #waitForStandby(waits: boolean): Promise<void> {
    const names = waits ? '*' : '';
    return runAs(this.adminUrl, [`alter system set synchronous_standby_names = '${names}'`, 'select pg_reload_conf()']);
  }

  async #standbyFollows(): Promise<void> {
    const client = new pg.Client({ connectionString: this.adminUrl });
    await client.connect();
    try {
      for (;;) {
        const { rowCount } = await client.query("select 1 from pg_stat_replication where sync_state = 'sync'");
        if (rowCount === 1) return;
        await sleep(LOOK_EVERY_MS);
      }
    } finally {
      await client.end();
    }
  }

  async #start(): Promise<void> {
    const log = openSync(this.logFile, 'a');
    const child = spawn(join(this.#programs.bin, 'postgres'), ['-D', this.#dataFolder, ...this.#settings()], {
      ...this.#programs.account,
      cwd: this.#keeper.folder,
      detached: true,
      stdio: ['ignore', log, log],
    });
    this.#keeper.keep(child.pid);
    closeSync(log);
    this.#child = child;
    this.#gone = once(child, 'exit').then(() => this.#keeper.keep(undefined));
    const early = this.#gone.then(() => {
      throw new Error(`PostgreSQL did not start: ${readLog(this.logFile)}`);
    });
    early.catch(() => {});
    await ready(this.#dataFolder, early);
  }

  #settings(): string[] {
    const { fsync = true, synchronousCommit = 'on', settings = {} } = this.#options;
    const all = {
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: '',
      fsync: fsync ? 'on' : 'off',
      full_page_writes: fsync ? 'on' : 'off',
      synchronous_commit: synchronousCommit,
      password_encryption: 'scram-sha-256',
      // What depends on the session's time zone is wrong by an odd amount.
      timezone: 'Asia/Kathmandu',
      ...settings,
    };
    return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  }

  freshDatabase(): Promise<FreshDatabase> {
    return createDatabase(this.#databases);
  }

  async stop(mode: StopMode = 'fast'): Promise<void> {
    if (this.#runs) {
      this.thaw();
      process.kill(this.pid, STOP_SIGNALS[mode]);
    }
    await this.#gone;
  }

  async kill(): Promise<void> {
    if (!this.#runs) return;
    this.#wasKilled = true;
    await killFamily(this.pid);
    await this.#gone;
  }

  async restart(): Promise<void> {
    await this.stop();
    // None of its processes is left, but the number of one may have been given to another by now.
    rmSync(join(this.#dataFolder, 'postmaster.pid'), { force: true });
    await this.#start();
    this.#wasKilled = false;
  }

  freeze(): void {
    signalFamily(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    signalFamily(this.pid, 'SIGCONT');
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    // Only PostgreSQL itself can tell which shared memory it left in the kernel; it removes it at the next start, whose
    // recovery nobody needs on disk.
    if (this.#wasKilled) {
      // Nobody is to find it again at its port: a standby may have taken its place.
      const settings = { ...this.#options.settings, port: String(await freePort()) };
      this.#options = { ...this.#options, fsync: false, settings };
      await this.restart().catch(() => {});
    }
    await this.stop('immediate');
    await this.#keeper.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const HBA_WITH_PASSWORD = `
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
`;

const TAKES_CONNECTIONS = new Set(['ready', 'standby']);

/** Waits until the server writes into its process file that it takes connections: the word is the eighth line. */
async function ready(dataFolder: string, early: Promise<never>): Promise<void> {
  const file = join(dataFolder, 'postmaster.pid');
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = (): void => {
    if (TAKES_CONNECTIONS.has(readText(file).split('\n')[7]?.trim() ?? '')) resolve();
  };
  const watcher = watch(dataFolder, look);
  look();
  await Promise.race([promise, early]).finally(() => watcher.close());
}

function readLog(file: string): string {
  return readText(file).trim().split('\n').slice(-8).join('\n') || '(it wrote no log)';
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
