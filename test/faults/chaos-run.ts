import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Chance, streamOf } from '../simulation/chance.ts';
import { Fleet } from '../support/fleet.ts';
import { IntakeLoad } from '../support/intake-load.ts';
import { brokenFleet } from './chaos-checker.ts';
import { type ChaosFault, faultsOf } from './chaos-faults.ts';
import { type ChaosJob, everyJob, everyRejection, type Recovery, type Span } from './chaos-history.ts';
import { ChaosLoad } from './chaos-load.ts';
import { SqlLoad } from './chaos-sql-load.ts';
import { RowWatch, rowsOf } from './chaos-watch.ts';

/** What is run. */
export interface ChaosOptions {
  seed: number;
  /** How long faults are begun, in milliseconds. */
  forMs: number;
  /** PostgreSQL has a standby. */
  standby?: boolean;
  /** Faults of one's own after those. */
  afterwards?: (fleet: Fleet, chance: Chance) => ChaosFault[];
  /** Told of each fault when it has ended, and of what is waited for. */
  say?: (text: string) => void;
}

/** What came of it. */
export interface ChaosReport {
  /** What was not kept of what is promised; empty when all was. */
  broken: string[];
  recoveries: Recovery[];
  jobs: number;
  acknowledged: number;
  /** Messages that the durable intake took. */
  published: number;
  /** Transactions with jobs that were committed. */
  committed: number;
}

/** How many jobs of the queue `slow` may run at once, over all nodes. */
const SLOW_LIMIT = 5;
const HOUR_MS = 3_600_000;
/** The longest rest after a long fault, so that what it held up is over before the next. */
const REST_MS_MAX = 8_000;
/** Everything has ended by then, once all faults are over, or never will. */
const DRAIN_MS = 45_000;
/** By then all is told, so much after the broker is back. */
const TOLD_MS = 15_000;
/** Those who listen may be away so much before and longer than a broker. */
const DEAF_MS = { before: 1_000, after: 4_000 };
/** Between two messages to the durable intake, in milliseconds. */
const MESSAGE_PAUSE_MS = 200;
/** How often each schedule must fire, at least, however short a run is. */
const TICKS_MIN = { all: 5, clock: 3, skipping: 2, cancelling: 3, boot: 1 };
const SCHEDULES = ['all', 'clock', 'skipping', 'cancelling'];
const LIVE = ['scheduled', 'available', 'executing', 'retryable'];

/** Runs a fleet through faults that a seed repeats, lets it come to rest, and checks what is known of it from outside. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, forMs, afterwards, standby = false, say = () => {} } = options;
  await using fleet = await Fleet.make({ standby });
  const chance = new Chance(streamOf(seed, 'faults'));
  await startNodes(fleet, chance);
  await fleet.client.ask('jobs.ctl.queue.limit', { queue: 'slow', globalLimit: SLOW_LIMIT });
  const watch = new RowWatch(() => fleet.postgres.url);
  const load = new ChaosLoad(fleet.client, new Chance(streamOf(seed, 'load')));
  const intake = new IntakeLoad(fleet.client, MESSAGE_PAUSE_MS, 'work');
  const sql = new SqlLoad(load.asked, new Chance(streamOf(seed, 'sql')), () => fleet.postgres.url);
  const faults: { fault: ChaosFault; span: Span }[] = [];
  const strike = async (fault: ChaosFault): Promise<void> => {
    faults.push({ fault, span: await struck(fault) });
    const { acknowledged } = load.asked;
    say(`${fault.name} for ${fault.forMs} ms; ${acknowledged.size} acknowledged, ${fleet.client.ends.size} ended`);
    await wait(chance.between(500, 2_000) + Math.min(fault.forMs / 4, REST_MS_MAX));
  };
  await wait(1_000);
  const until = performance.now() + forMs;
  const source = faultsOf(fleet, chance);
  while (performance.now() < until) {
    const fault = source.next().value;
    await strike(fault);
  }
  for (const fault of afterwards?.(fleet, chance) ?? []) await strike(fault);
  say('quiet');
  await Promise.all([load.stop(), intake.stop(), sql.stop()]);
  await comeToRest(fleet);
  await watch.stop();
  const jobs = await everyJob(fleet.client);
  const deaf = faults
    .filter(({ fault }) => fault.deafens)
    .map(({ span }) => ({ from: span.from - DEAF_MS.before, to: span.to + DEAF_MS.after }));
  const untold = await rowsOf(fleet.postgres.url, 'rota.outbox');
  const recoveries = faults.map(({ fault, span }) => recoveryOf(`${fault.name} (${fault.forMs} ms)`, span.to, jobs));
  const { published } = intake;
  const broken = brokenFleet({
    ...{ asked: load.asked, jobs, notes: fleet.notes(), events: fleet.client.events, deaf, limit: SLOW_LIMIT },
    ...{ mostExecuting: watch.mostExecuting, untold, strayExits: fleet.strayExits },
    ...{ published, rejected: await everyRejection(fleet.client), ticksMin: TICKS_MIN, recoveries },
  });
  const counts = { jobs: jobs.length, acknowledged: load.asked.acknowledged.size };
  return { broken, recoveries, ...counts, published: published.length, committed: sql.committed };
}

async function startNodes(fleet: Fleet, chance: Chance): Promise<void> {
  const config = fileURLToPath(new URL('./chaos-config.ts', import.meta.url));
  const skew = (): object => ({ skewMs: chance.of([0, HOUR_MS, -HOUR_MS]) });
  await Promise.all([
    fleet.start('a', { config, ...skew() }),
    fleet.start('b', { config, ...skew() }),
    fleet.start('worker', { config, roles: 'queues', ...skew() }),
  ]);
}

/** Begins a fault, lets it last, and ends it. */
async function struck(fault: ChaosFault): Promise<Span> {
  const from = Date.now();
  await fault.begin();
  await wait(fault.forMs);
  await fault.end();
  return { from, to: Date.now() };
}

/** No more ticks; waits until everything has ended and is told, as long as that may take. */
async function comeToRest(fleet: Fleet): Promise<void> {
  for (const name of SCHEDULES) await fleet.client.ask('jobs.ctl.schedule.pause', { name });
  await fleet.client.ask('jobs.ctl.queue.resume', { queue: 'slow' });
  const { url } = fleet.postgres;
  await nothingPublished(fleet, DRAIN_MS);
  await nothingLeft(url, 'rota.requests', DRAIN_MS);
  const live = `rota.jobs where state in (${LIVE.map((state) => `'${state}'`).join()})`;
  await nothingLeft(url, live, DRAIN_MS);
  await nothingLeft(url, 'rota.outbox', TOLD_MS);
  // What was told before is heard before.
  await fleet.client.connection.flush();
}

/** The durable intake has dealt with every message. */
async function nothingPublished({ client }: Fleet, withinMs: number): Promise<void> {
  const until = performance.now() + withinMs;
  const left = async (): Promise<number | undefined> => {
    const info = await client.connection.request('$JS.API.STREAM.INFO.JOBS_INTAKE', '', { timeout: 2_000 });
    return info.json<{ state?: { messages: number } }>().state?.messages;
  };
  while ((await left().catch(() => undefined)) !== 0 && performance.now() < until) await wait(100);
}

async function nothingLeft(url: string, rows: string, withinMs: number): Promise<void> {
  const until = performance.now() + withinMs;
  while ((await rowsOf(url, rows)) > 0 && performance.now() < until) await wait(100);
}

function recoveryOf(fault: string, endedAt: number, jobs: readonly ChaosJob[]): Recovery {
  // What only ends when it is cancelled says nothing of the fleet.
  const ends = jobs
    .filter(({ type }) => type !== 'polite')
    .map(({ insertedAt, finishedAt, state }) => ({
      insertedAt: Date.parse(insertedAt),
      finishedAt: Date.parse(finishedAt ?? ''),
      state,
    }));
  const after = ends.filter(({ finishedAt }) => finishedAt >= endedAt);
  const first = after.filter(({ state }) => state === 'completed').map(({ finishedAt }) => finishedAt - endedAt);
  const before = after.filter(({ insertedAt }) => insertedAt <= endedAt).map(({ finishedAt }) => finishedAt - endedAt);
  return { fault, firstMs: Math.min(...first), drainedMs: Math.max(0, ...before) };
}
