import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type JobView, type RotaClient } from 'rota/client';
import { freePort } from '../support/free-port.ts';

/** What schedules cost on this machine. */
export interface ScheduleCosts {
  /** 1,000 schedules with one second in common: how many fired more or less than once in each round. */
  missed: number;
  doubled: number;
  /** From the nominal time to the making of the row, in milliseconds, over all rounds. */
  lagMs: Spread;
  /** From the nominal time until another process heard, after the commit, that the job is stored: never less. */
  toldMs: Spread;
  /** CPU of the whole node in per cent of a core: with no schedule, and with 10,000 that are not due. */
  idleCpuPercent: { none: number; tenThousand: number };
}

/** Milliseconds. */
interface Spread {
  p50: number;
  p99: number;
  max: number;
}

const BURST = 1_000;
const IDLE = 10_000;
const ROUNDS = 5;
const ROUND_MS = 10_000;
const IDLE_WINDOW_MS = 20_000;
const AT_ONCE = 50;

/** Measures both, on a node of its own with its own nats-server. */
export async function scheduleCosts(): Promise<ScheduleCosts> {
  await using node = await BenchNode.start();
  const none = await node.cpuPercent(IDLE_WINDOW_MS);
  await putAll(node.client, IDLE, (index) => ({
    name: `idle-${index}`,
    spec: { cron: `${index % 60} ${index % 24} ${1 + (index % 28)} 1 *` },
  }));
  await settled();
  const tenThousand = await node.cpuPercent(IDLE_WINDOW_MS);
  const burst = await measureBurst(node.client);
  return { ...burst, idleCpuPercent: { none, tenThousand } };
}

async function measureBurst(client: RotaClient): Promise<Omit<ScheduleCosts, 'idleCpuPercent'>> {
  // All at the same second, some rounds one after the other, counted from a time when all of them stand.
  const startAt = new Date(Math.ceil((Date.now() + 30_000) / ROUND_MS) * ROUND_MS).toISOString();
  const endAt = new Date(Date.parse(startAt) + (ROUNDS - 1) * ROUND_MS).toISOString();
  const spec = { cron: `*/${ROUND_MS / 1_000} * * * * *` };
  await putAll(client, BURST, (index) => ({ name: `burst-${index}`, spec, startAt, endAt }));
  const told: number[] = [];
  const events = client.events({ queue: 'parked', what: 'inserted' });
  const listening = (async () => {
    for await (const { data } of events) told.push(Date.now() - Date.parse((data.schedule as { at: string }).at));
  })();
  await new Promise((resolve) => setTimeout(resolve, Date.parse(endAt) - Date.now() + 5_000));
  await events.return?.();
  await listening;
  const lags: number[] = [];
  let missed = 0;
  let doubled = 0;
  for (let index = 0; index < BURST; index += 1) {
    const { jobs } = await client.list({ schedule: `burst-${index}`, limit: 500 });
    const times = jobs.map(nominalMs);
    const rounds = new Set(times).size;
    missed += ROUNDS - rounds;
    doubled += times.length - rounds;
    lags.push(...jobs.map((job) => Date.parse(job.insertedAt) - nominalMs(job)));
  }
  return { missed, doubled, lagMs: spread(lags), toldMs: spread(told) };
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function nominalMs({ schedule }: JobView): number {
  // A job of a schedule says which one, and its nominal time.
  return Date.parse((schedule as { at: string } | null)?.at ?? '');
}

/** Puts many schedules, some at the same time. */
async function putAll(
  client: RotaClient,
  count: number,
  schedule: (index: number) => { name: string; spec: { cron: string }; startAt?: string; endAt?: string },
): Promise<void> {
  const job = { type: 'bench.parked' };
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => schedule(from + index));
    await Promise.all(some.map((one) => client.schedules.put({ ...one, job })));
  }
}

/** Until what was put has been looked at. */
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5_000));

class BenchNode implements AsyncDisposable {
  readonly client: RotaClient;
  readonly #process: ChildProcess;
  readonly #folder: string;

  static async start(): Promise<BenchNode> {
    const folder = mkdtempSync(join(tmpdir(), 'rota-bench-'));
    const node = fork(new URL('schedule-bench-node.ts', import.meta.url), [String(await freePort()), folder]);
    const [{ url }] = (await once(node, 'message')) as [{ url: string }];
    return new BenchNode(await connect({ servers: url }), node, folder);
  }

  private constructor(client: RotaClient, node: ChildProcess, folder: string) {
    this.client = client;
    this.#process = node;
    this.#folder = folder;
  }

  /** CPU that the node uses while nobody asks it anything, in per cent of a core. */
  async cpuPercent(windowMs: number): Promise<number> {
    const [fromMs, startedMs] = [await this.#cpuMs(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, windowMs));
    const usedMs = (await this.#cpuMs()) - fromMs;
    return Math.round((usedMs / (performance.now() - startedMs)) * 10_000) / 100;
  }

  async #cpuMs(): Promise<number> {
    const answer = once(this.#process, 'message');
    this.#process.send('cpu');
    return ((await answer) as [{ cpuMs: number }])[0].cpuMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
