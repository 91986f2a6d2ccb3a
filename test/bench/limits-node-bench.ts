import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineJob, defineScheduler, type Rota, type RotaClient, start } from 'rota';
import { freePort } from '../support/free-port.ts';
import { quietMachine } from './quiet-machine.ts';

/** The rate of a queue with a limit. */
export interface LimitNodeRate {
  'jobs/s': number;
  /** The ratio to no limit. */
  'of without': number;
}

const JOBS = Number(process.env.ROTA_BENCH_JOBS ?? 20_000);
/** What a node goes on to become faster for, in rounds of each limit; they do not count. */
const WARM_UP = 3;
const [LIMIT, AMPLE, STREAMS, TENANTS] = [1_000, 1_000_000, 4, 100];
const TYPE = 'bench.noop';

type QueueLimits = Parameters<RotaClient['queues']['limit']>[1];

/** Ample ones: what is measured is what keeping to a limit costs, not what it keeps from running. */
const LIMITS: Record<string, QueueLimits> = {
  without: {},
  global: { globalLimit: LIMIT },
  rate: { rate: { limit: AMPLE, period: 1_000 } },
  partition: { partition: { by: 'args.tenant', limit: AMPLE } },
  'partition-10': { partition: { by: 'args.tenant', limit: LIMIT / TENANTS } },
};

/** A node, and how many of its handlers are still to be called in a round. */
interface Node {
  rota: Rota;
  handled(jobs: number): Promise<void>;
}

async function startNode(data: string): Promise<Node> {
  let left = 0;
  let done: () => void = () => {};
  const noop = defineJob({
    type: TYPE,
    run: () => {
      left -= 1;
      if (left === 0) done();
      return null;
    },
  });
  const queues = Object.fromEntries(Object.keys(LIMITS).map((queue) => [queue, LIMIT]));
  const config = defineScheduler({ jobs: [noop], queues });
  const nats = `embedded://127.0.0.1:${await freePort()}`;
  const rota = await start(config, { nats, data, logLevel: 'error' });
  return {
    rota,
    handled: (jobs) => {
      left = jobs;
      return new Promise((resolve) => {
        done = resolve;
      });
    },
  };
}

/** Bulk enqueue, run and settle of one round, until the store says that all is complete; jobs per second. */
async function rateOf({ rota: { client }, handled }: Node, queue: string): Promise<number> {
  const args = Array.from({ length: JOBS }, (_, at) => ({ to: 'somebody@example.org', tenant: `t${at % TENANTS}` }));
  const part = Math.ceil(JOBS / STREAMS);
  await quietMachine();
  const begun = performance.now();
  const all = handled(JOBS);
  const streams = Array.from({ length: STREAMS }, (_, at) => args.slice(at * part, (at + 1) * part));
  await Promise.all(streams.map((some) => client.enqueueBatch(TYPE, some, { queue, batchSize: 1_000 })));
  await all;
  const state = ['available', 'executing', 'retryable'] as const;
  while ((await client.count({ queue, state: [...state] })).total > 0);
  return (JOBS / (performance.now() - begun)) * 1_000;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/**
 * The whole way through a node on SQLite, with the producer in its process, in queues with limits and one without. Rounds go
 * over all queues in turn.
 * @returns a row per limit
 */
export async function limitNodeRates(rounds: number): Promise<Record<string, LimitNodeRate>> {
  const data = mkdtempSync(join(tmpdir(), 'rota-limits-node-'));
  const node = await startNode(data);
  const queues = Object.keys(LIMITS);
  const rates = new Map(queues.map((queue): [string, number[]] => [queue, []]));
  try {
    for (const [queue, limits] of Object.entries(LIMITS)) {
      if (Object.keys(limits).length > 0) await node.rota.client.queues.limit(queue, limits);
    }
    for (let round = -WARM_UP; round < rounds; round += 1) {
      for (const queue of queues) {
        const rate = await rateOf(node, queue);
        if (round >= 0) rates.get(queue)?.push(rate);
      }
    }
  } finally {
    await node.rota.stop();
    rmSync(data, { recursive: true, force: true });
  }
  const without = median(rates.get('without') ?? []);
  return Object.fromEntries(
    queues.map((queue) => {
      const rate = median(rates.get(queue) ?? []);
      return [queue, { 'jobs/s': Math.round(rate), 'of without': Number((rate / without).toFixed(2)) }];
    }),
  );
}
