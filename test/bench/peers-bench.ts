import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort } from '../support/free-port.ts';
import { type PostgresServer, startPostgres } from '../support/postgres/postgres-server.ts';
import { Contender, type EndToEnd, spread } from './peers-contender.ts';
import { PeerRefused } from './peers-process.ts';
import { installPeers, type RedisServer, startRedis } from './peers-servers.ts';
import { bullmq, type Entrant, graphile, pgBoss, rota } from './peers-setups.ts';
import { quietMachine } from './quiet-machine.ts';
import { rawSqliteRate, STORE_WORK } from './raw-sqlite.ts';

/** How much is measured. */
export interface PeersOptions {
  rounds?: number;
  /** Whether all ways to run a system are tried first; default true, else the first one of each is taken. */
  trial?: boolean;
  /** Jobs of one end-to-end measure. */
  jobs?: number;
  /** Jobs of one measure of single enqueues, 100 in flight. */
  singles?: number;
  /** Jobs of one measure of latency, at 50 a second. */
  timed?: number;
  say?: (line: string) => void;
}

/** What was measured of one system, a row of the table; rates in jobs per second. */
export interface PeerRow {
  'end to end': number;
  'of raw SQLite': number;
  'of graphile': number;
  /** Of all processes and servers, for one job from end to end, in microseconds. */
  'CPU us'?: number;
  'single enqueue'?: number;
  'of BullMQ add'?: number;
  'p50 ms'?: number;
  'p99 ms'?: number;
}

const IN_FLIGHT = 100;
const PER_SECOND = 50;
const LATENCY_PARTS = 6;
/** Rounds by which the ways to run a system are compared; the first warms it up and does not count. */
const TRIAL_ROUNDS = 3;
const TRIAL_JOBS = 10_000;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/**
 * Measures Rota beside its peers: the same jobs, a no-op handler, every job counted; rounds are interleaved, so that
 * what else the machine does hits all alike, and what one leaves to be done is waited for. Says how each was run.
 * @returns a row for each system, by its name
 */
export async function peerRates(options: PeersOptions = {}): Promise<Record<string, PeerRow>> {
  const { say = () => {}, trial = true } = options;
  await installPeers((line) => say(`setup: ${line}`));
  await using world = await World.make(say);
  const field: Runner[] = [];
  try {
    for (const entrant of await world.entrants()) {
      const runner = await enter(trial ? entrant : { ...entrant, setups: entrant.setups.slice(0, 1) }, say);
      if (runner !== undefined) field.push(runner);
    }
    const raw = await measure(field, { ...options, world });
    return table(field, raw);
  } catch (error) {
    for (const { contender } of field) contender.kill();
    throw error;
  } finally {
    for (const { contender } of field) await contender.close().catch(() => {});
  }
}

/** Rounds that do not count: Node goes on to compile what is hot until some 200,000 jobs were done. */
const WARM_ROUNDS = 12;
/** Jobs that go together in the raw loop on PostgreSQL; what it does is the best median. */
const RAW_BATCHES = [500, 1_000, 2_000] as const;

/** A system that takes part, and what was measured of it. */
interface Runner {
  entrant: Entrant;
  contender: Contender;
  endToEnd: EndToEnd[];
  single: number[];
  waitsMs: number[];
}

/** Tries all ways to run a system and keeps the fastest one running. Undefined where one that may be missing refuses. */
async function enter(entrant: Entrant, say: (line: string) => void): Promise<Runner | undefined> {
  const tried: { setup: Entrant['setups'][number]; perSecond: number }[] = [];
  for (const setup of entrant.setups.length > 1 ? entrant.setups : []) {
    const contender = await Contender.start(setup);
    const rates: number[] = [];
    for (let round = 0; round < TRIAL_ROUNDS; round += 1) rates.push((await contender.endToEnd(TRIAL_JOBS)).perSecond);
    await contender.close();
    const perSecond = Math.max(...rates.slice(1));
    say(`${entrant.name}: tried ${setup.label}: ${Math.round(perSecond)} jobs/s`);
    tried.push({ setup, perSecond });
  }
  const setup = tried.toSorted((a, b) => b.perSecond - a.perSecond)[0]?.setup ?? entrant.setups[0];
  if (setup === undefined) return undefined;
  try {
    const contender = await Contender.start(setup);
    say(`${entrant.name}: ${contender.name}; ${setup.label}; ${entrant.durability}`);
    return { entrant, contender, endToEnd: [], single: [], waitsMs: [] };
  } catch (error) {
    if (!(error instanceof PeerRefused && entrant.mayRefuse)) throw error;
    say(`${entrant.name}: not measured: ${error.message}`);
    return undefined;
  }
}

/** Rates of the raw loops, one of each round; on PostgreSQL by how many jobs go together. */
interface RawRates {
  sqlite: number[];
  postgres: Map<number, number[]>;
}

async function measure(field: readonly Runner[], options: PeersOptions & { world: World }): Promise<RawRates> {
  const { rounds = 6, jobs = STORE_WORK.jobs, singles = 2_000, timed = 600, say = () => {}, world } = options;
  const raw: RawRates = { sqlite: [], postgres: new Map(RAW_BATCHES.map((batch) => [batch, []])) };
  const loops = async (counts: boolean): Promise<void> => {
    const sqlite = rawSqliteRate({ ...STORE_WORK, jobs }).jobsPerSecond;
    const postgres = await world.rawPostgres(jobs);
    if (!counts) return;
    raw.sqlite.push(sqlite);
    for (const [batch, perSecond] of postgres) raw.postgres.get(batch)?.push(perSecond);
  };
  const systems = field.map(({ contender, ...runner }) => async (counts: boolean): Promise<void> => {
    const endToEnd = await contender.endToEnd(jobs);
    const single = await contender.singleEnqueue(singles, IN_FLIGHT);
    if (!counts) return;
    runner.endToEnd.push(endToEnd);
    runner.single.push(single);
  });
  for (let round = 1 - WARM_ROUNDS; round <= rounds; round += 1) {
    say(round < 1 ? 'a round that warms up' : `round ${round} of ${rounds}`);
    for (const measured of inTurn([loops, ...systems], round)) {
      await quietMachine();
      await measured(round >= 1);
    }
  }
  // In parts, for what disturbs one system for a while should not spoil all that is known of it.
  for (let part = 0; part < LATENCY_PARTS; part += 1) {
    say(`latency, part ${part + 1} of ${LATENCY_PARTS}`);
    for (const { contender, waitsMs } of inTurn(field, part)) {
      await quietMachine();
      await contender.waits(20, PER_SECOND);
      waitsMs.push(...(await contender.waits(timed / LATENCY_PARTS, PER_SECOND)));
    }
  }
  return raw;
}

/** Each second time from the last to the first, so that nobody always comes behind the same one. */
const inTurn = <T>(all: readonly T[], round: number): T[] => (round % 2 === 0 ? [...all] : all.toReversed());

function table(field: readonly Runner[], raw: RawRates): Record<string, PeerRow> {
  const of = (rate: number, other: number): number => Number((rate / other).toFixed(2));
  const find = (name: string): Runner | undefined => field.find(({ entrant }) => entrant.name.startsWith(name));
  const sqlite = median(raw.sqlite);
  const graphileRate = median(find('graphile')?.endToEnd.map(({ perSecond }) => perSecond) ?? []);
  const addRate = median(find('BullMQ')?.single ?? []);
  const rate = (perSecond: number): Pick<PeerRow, 'end to end' | 'of raw SQLite' | 'of graphile'> => ({
    'end to end': Math.round(perSecond),
    'of raw SQLite': of(perSecond, sqlite),
    'of graphile': of(perSecond, graphileRate),
  });
  const row = ({ endToEnd, single, waitsMs }: Runner): PeerRow => {
    const { p50Ms, p99Ms } = spread(waitsMs);
    return {
      ...rate(median(endToEnd.map(({ perSecond }) => perSecond))),
      'CPU us': Math.round(median(endToEnd.map(({ cpuUs }) => cpuUs))),
      ...{ 'single enqueue': Math.round(median(single)), 'of BullMQ add': of(median(single), addRate) },
      ...{ 'p50 ms': p50Ms, 'p99 ms': p99Ms },
    };
  };
  return {
    'raw SQLite loop': rate(sqlite),
    'raw PostgreSQL loop': rate(Math.max(...[...raw.postgres.values()].map(median))),
    ...Object.fromEntries(field.map((runner) => [runner.entrant.name, row(runner)])),
  };
}

/** The servers that the peers need, all our own, and what goes with them. */
class World implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'rota-peers-'));
  readonly #postgres: PostgresServer;
  readonly #redis: { everysec: RedisServer; always: RedisServer };
  #rawUrl: string | undefined;

  static async make(say: (line: string) => void): Promise<World> {
    const postgres = await startPostgres();
    const everysec = await startRedis('everysec', (line) => say(`setup: ${line}`));
    const always = await startRedis('always', (line) => say(`setup: ${line}`));
    say(`${await postgresSettings(postgres.adminUrl)}, else its defaults; Redis ${everysec.version}, no snapshots`);
    return new World(postgres, { everysec, always });
  }

  private constructor(postgres: PostgresServer, redis: { everysec: RedisServer; always: RedisServer }) {
    this.#postgres = postgres;
    this.#redis = redis;
  }

  /** All systems, in the order in which they take turns. */
  async entrants(): Promise<Entrant[]> {
    const database = async (): Promise<string> => (await this.#postgres.freshDatabase()).url;
    const place = async (name: string) => ({ port: await freePort(), data: join(this.#folder, name) });
    const { pid: postgresPid } = this.#postgres;
    const redis = ({ port: redisPort, pid: redisPid }: RedisServer) => ({ database, redisPort, redisPid, postgresPid });
    const { everysec, always } = this.#redis;
    return [
      rota('embedded', await place('embedded')),
      await graphile(redis(everysec)),
      bullmq(redis(everysec), 'everysec'),
      await pgBoss(redis(everysec)),
      rota('apart', await place('apart')),
      rota('apart, hears all', await place('hears')),
      bullmq(redis(always), 'always'),
      rota('embedded', {
        ...(await place('embedded-postgres')),
        postgres: { url: await database(), pid: postgresPid },
      }),
      rota('apart', { ...(await place('apart-postgres')), postgres: { url: await database(), pid: postgresPid } }),
    ];
  }

  /** One round of the raw loop on PostgreSQL with each of {@link RAW_BATCHES}; jobs per second by batch. */
  async rawPostgres(jobs: number): Promise<Map<number, number>> {
    this.#rawUrl ??= (await this.#postgres.freshDatabase()).url;
    const program = fileURLToPath(new URL('peers/raw-postgres.js', import.meta.url));
    const child = fork(program, [JSON.stringify({ url: this.#rawUrl })]);
    await once(child, 'message');
    const exited = once(child, 'exit');
    const loop = async (batch: number): Promise<number> => {
      const answer = once(child, 'message');
      child.send({ jobs, batch });
      return ((await answer) as [{ perSecond: number }])[0].perSecond;
    };
    // The first one warms the new process up.
    await loop(1_000);
    const rates = new Map<number, number>();
    for (const batch of RAW_BATCHES) rates.set(batch, await loop(batch));
    child.disconnect();
    await exited;
    return rates;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis.everysec.dispose();
    await this.#redis.always.dispose();
    await this.#postgres.dispose();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Version and durability, as the server itself tells them. */
async function postgresSettings(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const names = ['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers'];
  const { rows } = await client.query('select current_setting(name) as value from unnest($1::text[]) name', [names]);
  await client.end();
  const [version, ...values] = rows.map(({ value }) => String(value));
  return `PostgreSQL ${version}, ${values.map((value, index) => `${names[index + 1]} ${value}`).join(', ')}`;
}

if (import.meta.main) {
  const { ROTA_BENCH_ROUNDS: rounds = 6, ROTA_BENCH_TRIAL: trial } = process.env;
  console.table(await peerRates({ rounds: Number(rounds), trial: trial !== '0', say: console.log }));
}
