import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { startNatsServer, type TestNatsServer } from './nats-server.ts';
import { PlainClient } from './plain-client.ts';
import { type PostgresServer, startPostgres } from './postgres/postgres-server.ts';
import { type Exit, type Note, RotaProcess, readNotes } from './rota-process.ts';
import { TcpGate } from './tcp-gate.ts';

/** What one node of a fleet is. */
export interface FleetNodeOptions {
  /** Default all: a node without `store` is given no database. */
  roles?: string;
  /** The config file that it runs; default `crash-config.ts`. */
  config?: string;
  /** By how many milliseconds its machine's clock is wrong. */
  skewMs?: number;
  env?: Record<string, string>;
}

/** One node, with a door of its own to NATS and to the database. */
export interface FleetNode {
  name: string;
  process: RotaProcess;
  nats: TcpGate;
  database: TcpGate;
}

const SKEW_FILE = new URL('./skewed-clock.ts', import.meta.url).href;

/** What servers a fleet has. */
export interface FleetOptions {
  /** PostgreSQL has a standby, and nodes are given the addresses of both. */
  standby?: boolean;
}

/** A PostgreSQL server, a NATS server and any number of nodes as processes; handlers on all nodes write one notes file. */
export class Fleet {
  /** The one that takes writes. */
  postgres: PostgresServer;
  /** What follows it, or did before it ended. */
  standby: PostgresServer | undefined;
  readonly nats: TestNatsServer;
  readonly client: PlainClient;
  readonly nodes = new Map<string, FleetNode>();
  /** Lives of nodes that ended although nobody had asked for it, and the end of their logs. */
  readonly strayExits: string[] = [];
  readonly #folder: string;
  /** Nodes that are being ended. */
  readonly #ending = new Set<string>();

  static async make(options: FleetOptions = {}): Promise<Fleet> {
    // It is killed as a process, never as a machine: what it wrote the system keeps.
    const [postgres, nats] = await Promise.all([startPostgres({ fsync: false }), startNatsServer()]);
    const client = await PlainClient.to(nats.url);
    await client.listen();
    const fleet = new Fleet(postgres, nats, client);
    if (options.standby) fleet.standby = await postgres.startStandby();
    return fleet;
  }

  private constructor(postgres: PostgresServer, nats: TestNatsServer, client: PlainClient) {
    this.postgres = postgres;
    this.nats = nats;
    this.client = client;
    this.#folder = mkdtempSync(join(tmpdir(), 'rota-fleet-'));
    writeFileSync(this.notesFile, '');
  }

  get notesFile(): string {
    return join(this.#folder, 'notes');
  }

  /** What handlers on all nodes wrote down, in order. */
  notes(): Note[] {
    return readNotes(this.notesFile);
  }

  /** Starts a node, or another with a name that ended. */
  async start(name: string, options: FleetNodeOptions = {}): Promise<FleetNode> {
    const node = await this.#make(name, options);
    this.nodes.set(name, node);
    await this.startAgain(name);
    return node;
  }

  /** Starts a node that ended. */
  async startAgain(name: string): Promise<void> {
    const { process } = this.node(name);
    const started = process.start();
    void process.exited.then(({ code, signal }) => {
      if (this.#ending.has(name)) return;
      const lines = process.lines.slice(-5).map((line) => JSON.stringify(line));
      this.strayExits.push([`node ${name} ended by itself (${signal ?? code})`, ...lines].join('\n'));
    });
    await started;
  }

  /** Ends a node: `SIGTERM` as an operator would, `SIGKILL` as a crash would. Resolves when it has gone. */
  async end(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<Exit> {
    const { process } = this.node(name);
    this.#ending.add(name);
    if (process.running) process.signal(signal);
    const exit = await process.exited;
    this.#ending.delete(name);
    return exit;
  }

  /** Makes the primary of what was the standby. */
  async promoteStandby(): Promise<void> {
    const { standby } = this;
    if (standby === undefined) throw new Error('there is no standby');
    await standby.promote();
    [this.postgres, this.standby] = [standby, this.postgres];
  }

  /** Ends the former primary and puts a standby in its place, at its address. */
  async followAgain(): Promise<void> {
    const former = this.standby;
    await former?.dispose();
    this.standby = await this.postgres.startStandby(former?.port);
  }

  node(name: string): FleetNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** Ends everything that still lives. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    for (const name of this.nodes.keys()) this.#ending.add(name);
    for (const { process, nats, database } of this.nodes.values()) {
      await process.dispose();
      await Promise.all([nats.shut(), database.shut()]);
    }
    await Promise.all([this.postgres.dispose(), this.standby?.dispose(), this.nats.dispose()]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #make(name: string, { roles, config, skewMs, env }: FleetNodeOptions): Promise<FleetNode> {
    const nats = new TcpGate(await freePort(), this.nats.port);
    await nats.open();
    const database = new TcpGate(await freePort(), this.postgres.port);
    await database.open();
    const owns = roles?.includes('store') ?? true;
    const process = await RotaProcess.make({
      nats: nats.url,
      notesFile: this.notesFile,
      ...(config === undefined ? {} : { config }),
      env: {
        ROTA_NODE: name,
        ...(roles === undefined ? {} : { ROTA_ROLES: roles }),
        ...(owns ? { ROTA_STORE: this.#storeUrl(database.port) } : {}),
        ...(skewMs === undefined ? {} : { ROTA_TEST_SKEW_MS: String(skewMs), NODE_OPTIONS: `--import ${SKEW_FILE}` }),
        ...env,
      },
    });
    return { name, process, nats, database };
  }

  /** With a node's own door to the primary, and the standby's address where there is one. */
  #storeUrl(door: number): string {
    const url = this.postgres.url.replace(String(this.postgres.port), String(door));
    if (this.standby === undefined) return url;
    return `${url.replace(`:${door}`, `:${door},127.0.0.1:${this.standby.port}`)}?target_session_attrs=read-write`;
  }
}

/** How many runs were under way at once, at most, by the notes of their starts and ends. */
export function mostAtOnce(notes: readonly Note[], ids: ReadonlySet<string>): number {
  let [running, most] = [0, 0];
  for (const { what, id } of notes) {
    if (!ids.has(id)) continue;
    if (what === 'start') running += 1;
    if (what === 'end') running -= 1;
    most = Math.max(most, running);
  }
  return most;
}
