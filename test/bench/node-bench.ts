import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type RotaClient } from 'rota/client';
import { freePort } from '../support/free-port.ts';
import { STORE_WORK } from './raw-sqlite.ts';

/** One round of the whole node's work, in jobs per second. */
export interface NodeRound {
  /** Bulk enqueue over NATS in requests of 1,000, acknowledged after the commit, into a queue that nobody runs. */
  bulkEnqueue: number;
  /** Single enqueues over NATS, 100 in flight, acknowledged after the commit. */
  singleEnqueue: number;
  /** A backlog, from its first claim to its last settlement. */
  process: number;
  /** Bulk enqueue over NATS, run, settle, every `completed` event received by another process. */
  endToEnd: number;
}

/** How long jobs wait from the enqueue call to their handler's start, in milliseconds. */
export interface Latency {
  p50Ms: number;
  p99Ms: number;
}

/** A running node in a process of its own, as a user runs it, with the client of another program. */
export class NodeBench {
  readonly #folder = mkdtempSync(join(tmpdir(), 'rota-bench-'));
  readonly #port: number;
  #node: ChildProcess | undefined;
  #client: RotaClient | undefined;

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(): Promise<NodeBench> {
    const bench = new NodeBench(await freePort());
    await bench.#launch('bench:1000');
    return bench;
  }

  /** Runs the four measures once. */
  async round(): Promise<NodeRound> {
    return {
      bulkEnqueue: await this.#bulkEnqueue(),
      singleEnqueue: await this.#singleEnqueue(),
      process: await this.#process(),
      endToEnd: await this.#endToEnd(),
    };
  }

  /** Enqueues `jobs` at a steady rate and reads from their results when each was started. */
  async latency(jobs: number, perSecond: number): Promise<Latency> {
    const client = this.#running();
    const waits: Promise<number>[] = [];
    for (let index = 0; index < jobs; index += 1) {
      waits.push(this.#startedAfterMs(client));
      await new Promise((resolve) => setTimeout(resolve, 1_000 / perSecond));
    }
    const ms = (await Promise.all(waits)).sort((a, b) => a - b);
    const at = (part: number): number => Number((ms[Math.floor(ms.length * part)] ?? Number.NaN).toFixed(2));
    return { p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  /** Stops the node and removes its data. */
  async stop(): Promise<void> {
    await this.#end();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #startedAfterMs(client: RotaClient): Promise<number> {
    const calledMs = performance.timeOrigin + performance.now();
    const { id } = await client.enqueue('bench.stamp', {}, { queue: 'bench' });
    const { result } = await client.wait(id);
    return Number(result) - calledMs;
  }

  async #bulkEnqueue(): Promise<number> {
    return rate(() => this.#enqueueAll('parked'));
  }

  async #singleEnqueue(): Promise<number> {
    const client = this.#running();
    let left = STORE_WORK.jobs / 4;
    const total = left;
    const one = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await client.enqueue('bench.noop', STORE_WORK.args, { queue: 'parked' });
      }
    };
    return rate(() => Promise.all(Array.from({ length: 100 }, one)), total);
  }

  /** A backlog is laid while nobody runs its queue; then the node starts anew and works it off. */
  async #process(): Promise<number> {
    await this.#end();
    await this.#launch('parked:1');
    const ids = await this.#enqueueAll('bench');
    await this.#end();
    await this.#launch('bench:1000');
    const client = this.#running();
    for (;;) {
      const { byState } = await client.count({ queue: 'bench' });
      if (byState.available + byState.executing === 0) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // By the rows themselves: from the first claim to the last settlement.
    const first = await Promise.all(ids.flatMap((batch) => batch.slice(0, 1)).map((id) => client.get(id)));
    const last = await Promise.all(ids.flatMap((batch) => batch.slice(-200)).map((id) => client.get(id)));
    const fromMs = Math.min(...first.map(({ attemptedAt }) => Date.parse(attemptedAt ?? '')));
    const untilMs = Math.max(...last.map(({ finishedAt }) => Date.parse(finishedAt ?? '')));
    return Math.round((STORE_WORK.jobs * 1_000) / (untilMs - fromMs));
  }

  async #endToEnd(): Promise<number> {
    const client = this.#running();
    const seen = new Set<string>();
    const events = client.events({ queue: 'bench', what: 'completed' });
    const all = (async () => {
      for await (const { subject } of events) {
        seen.add(subject);
        if (seen.size === STORE_WORK.jobs) return;
      }
    })();
    // The subscription is with the server once a request after it was answered.
    await client.count({ queue: 'bench' });
    const perSecond = await rate(async () => {
      await this.#enqueueAll('bench');
      await all;
    });
    if (seen.size !== STORE_WORK.jobs) throw new Error(`${seen.size} of ${STORE_WORK.jobs} jobs were announced`);
    return perSecond;
  }

  /** Enqueues everything in four streams; the ids of each. */
  async #enqueueAll(queue: string): Promise<string[][]> {
    const client = this.#running();
    const quarter = Array.from({ length: STORE_WORK.jobs / 4 }, () => STORE_WORK.args);
    const options = { queue, batchSize: 1_000 };
    const done = await Promise.all([1, 2, 3, 4].map(() => client.enqueueBatch('bench.noop', quarter, options)));
    const enqueued = done.reduce((sum, { ids }) => sum + ids.length, 0);
    if (enqueued !== STORE_WORK.jobs) throw new Error(`${enqueued} of ${STORE_WORK.jobs} jobs were acknowledged`);
    return done.map(({ ids }) => ids);
  }

  #running(): RotaClient {
    if (this.#client === undefined) throw new Error('the node does not run');
    return this.#client;
  }

  async #launch(queues: string): Promise<void> {
    const node = fork(new URL('bench-node.ts', import.meta.url), [String(this.#port), this.#folder, queues]);
    this.#node = node;
    const [{ url }] = (await once(node, 'message')) as [{ url: string }];
    this.#client = await connect({ servers: url });
  }

  async #end(): Promise<void> {
    await this.#client?.close();
    this.#client = undefined;
    const node = this.#node;
    this.#node = undefined;
    if (node === undefined || node.exitCode !== null) return;
    const exited = once(node, 'exit');
    node.kill('SIGTERM');
    await exited;
  }
}

async function rate(work: () => Promise<unknown>, jobs = STORE_WORK.jobs): Promise<number> {
  const startedMs = performance.now();
  await work();
  return Math.round((jobs * 1_000) / (performance.now() - startedMs));
}
