import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { defineJob, defineScheduler, type Rota, start } from '../../src/index.ts';
import { startNatsServer } from '../support/nats-server.ts';

/** What the durable intake does in a second. */
export interface IntakeRates {
  /** Messages of one job that a broker took and acknowledged, 500 in flight, while nobody read. */
  published: number;
  /** Of those, messages that became jobs on disk, from the start of a node to the last one. */
  taken: number;
  /** The same of messages that hold 100 jobs each, in jobs. */
  takenInBulk: number;
}

const IN_FLIGHT = 500;
const JOBS_OF_BULK = 100;
const config = defineScheduler({
  queues: { bench: 1 },
  jobs: [defineJob({ type: 'bench.noop', queue: 'bench', run: async () => {} })],
});

/**
 * Publishes messages while no node runs, then starts one that only takes them. Broker and store are real and on disk.
 * @param messages of one job; as many jobs again come 100 in a message
 */
export async function intakeRates(messages = 20_000): Promise<IntakeRates> {
  const folder = mkdtempSync(join(tmpdir(), 'rota-intake-'));
  const server = await startNatsServer();
  const connection = await connect({ servers: server.url });
  try {
    const node = (): Promise<Rota> =>
      start(config, { nats: server.url, data: folder, roles: 'store,intake', node: 'bench', logLevel: 'error' });
    await (await node()).stop();
    const published = await perSecond(messages, () => publish(connection, messages, () => oneJob));
    const taken = await drained(node, messages);
    const bulks = messages / JOBS_OF_BULK;
    await publish(connection, bulks, () => Array.from({ length: JOBS_OF_BULK }, () => oneJob));
    const takenInBulk = await drained(node, messages * 2);
    return { published, taken, takenInBulk };
  } finally {
    await connection.close();
    await server.dispose();
    rmSync(folder, { recursive: true, force: true });
  }
}

const oneJob = { type: 'bench.noop', args: { user: 42, template: 'welcome' } };

/** How many jobs a second a node takes, from its start until it has so many. */
async function drained(node: () => Promise<Rota>, jobs: number): Promise<number> {
  const rota = await node();
  const jobsNow = async (): Promise<number> => (await rota.client.count()).total;
  const rate = await perSecond(jobs - (await jobsNow()), async () => {
    while ((await jobsNow()) < jobs) await wait(5);
  });
  await rota.stop();
  return rate;
}

async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return Math.round((count / (performance.now() - beganMs)) * 1_000);
}

let lastId = 0;
async function publish(connection: NatsConnection, count: number, body: () => unknown): Promise<void> {
  let left = count;
  const publisher = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      lastId += 1;
      const written = headers();
      written.set('Nats-Msg-Id', `bench-${lastId}`);
      await connection.request('jobs.intake.bench', JSON.stringify(body()), { headers: written, timeout: 30_000 });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, publisher));
}
