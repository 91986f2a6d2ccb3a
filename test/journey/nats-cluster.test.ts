import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { connect as connectClient } from '../../src/client/client.ts';
import { defineJob, defineScheduler, type Rota, type StartOptions, start } from '../../src/index.ts';
import { publish } from '../support/intake-publisher.ts';
import { startNatsCluster, type TestNatsCluster } from '../support/nats-cluster.ts';
import type { TestNatsServer } from '../support/nats-server.ts';
import { PlainClient } from '../support/plain-client.ts';
import { BRISK } from '../support/rota-node.ts';

const PATIENCE_MS = 30_000;

async function cluster(size?: number): Promise<TestNatsCluster> {
  const made = await startNatsCluster(size);
  onTestFinished(() => made.dispose());
  return made;
}

/** A node, and what its own NATS connection says. */
async function node(options: StartOptions): Promise<{ rota: Rota; server: () => string }> {
  const data = mkdtempSync(join(tmpdir(), 'rota-cluster-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  let connection: NatsConnection | undefined;
  const config = defineScheduler({
    queues: { default: 20 },
    jobs: [defineJob({ type: 'work', run: async () => 'done' })],
    services: async ({ nats }) => {
      connection = nats as NatsConnection;
      return {};
    },
  });
  const rota = await start(config, { ...BRISK, data, logLevel: 'silent', node: 'here', ...options });
  onTestFinished(() => rota.stop());
  return { rota, server: () => connection?.getServer() ?? '' };
}

/** Asks until it is so; patient, for a cluster elects leaders meanwhile. */
async function comes<T>(look: () => Promise<T>, fits: (seen: T) => boolean): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look().catch((error: unknown) => error as T);
    if (performance.now() > endMs) throw new Error(`never came about; last seen: ${String(JSON.stringify(seen))}`);
    if (!(seen instanceof Error) && fits(seen)) return seen;
    await wait(50);
  }
}

/** Enqueues and submits until it is stopped, and remembers what was acknowledged. */
class Traffic {
  readonly enqueued: string[] = [];
  readonly taken: string[] = [];
  readonly #loops: Promise<void>[];
  #stopped = false;

  constructor(client: PlainClient, publisher: NatsConnection) {
    const enqueue = async (): Promise<void> => {
      this.enqueued.push(await client.enqueue('work'));
    };
    const submit = async (n: number): Promise<void> => {
      const tag = `taken-${n}`;
      // A stream without a leader takes nothing: the publisher tries again with the same id, as any would.
      const done = publish(publisher, 'default', { type: 'work', tags: [tag] }, { id: tag });
      if (await done.then(({ seq }) => seq > 0).catch(() => false)) this.taken.push(tag);
      else if (!this.#stopped) await submit(n);
    };
    this.#loops = [this.#repeat(enqueue), this.#repeat(submit)];
  }

  /** Resolves when so many more of each were acknowledged. */
  async more(count: number): Promise<void> {
    const [enqueued, taken] = [this.enqueued.length + count, this.taken.length + count];
    await comes(
      async () => [this.enqueued.length, this.taken.length],
      ([now = 0, submitted = 0]) => now >= enqueued && submitted >= taken,
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loops);
  }

  async #repeat(once: (n: number) => Promise<void>): Promise<void> {
    for (let n = 0; !this.#stopped; n += 1) {
      await once(n);
      await wait(10);
    }
  }
}

async function clientOf(servers: string): Promise<PlainClient> {
  const client = await PlainClient.to(servers);
  onTestFinished(() => client.close());
  return client;
}

async function connection(servers: string): Promise<NatsConnection> {
  const made = await connect({ servers: servers.split(','), maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  onTestFinished(() => made.close());
  return made;
}

/** What a stream's leader says of it. */
async function stream(nats: NatsConnection, name: string) {
  return (await jetstreamManager(nats, { timeout: 1_000 })).streams.info(name);
}

const whole = (info: Awaited<ReturnType<typeof stream>>): boolean =>
  info.cluster?.leader !== undefined && (info.cluster.replicas ?? []).every(({ current }) => current);

function named(servers: readonly TestNatsServer[], name: string): TestNatsServer {
  const server = servers[Number(name.replace('test-', ''))];
  if (server === undefined) throw new Error(`there is no server ${name}`);
  return server;
}

test('a cluster loses a server under load: nothing acknowledged is lost, all resumes by itself', async () => {
  const { servers, urls } = await cluster();
  const { server } = await node({ nats: urls, eventHistory: '1h' });
  const nats = await connection(urls);
  for (const name of ['JOBS_INTAKE', 'JOBS_EVENTS']) {
    const info = await comes(() => stream(nats, name), whole);
    expect(info.config).toMatchObject({ num_replicas: 3, storage: 'file' });
  }
  const client = await clientOf(urls);
  // One watches at each server, so that at least two see what happens while one is away.
  const watchers = await Promise.all(servers.map(({ url }) => clientOf(url)));
  for (const watcher of watchers) await watcher.listen();
  const told = (id: string): boolean => watchers.some(({ ends }) => ends.has(id));

  const traffic = new Traffic(client, nats);
  await traffic.more(20);
  const first = servers.find(({ port }) => server() === `127.0.0.1:${port}`);
  expect(first).toBeDefined();
  await first?.stop('SIGKILL');
  await traffic.more(50);
  expect(server()).not.toBe(`127.0.0.1:${first?.port}`);
  await first?.restart();
  await comes(() => stream(nats, 'JOBS_INTAKE'), whole);
  // Then the one that leads the stream of the intake.
  const { cluster: led } = await stream(nats, 'JOBS_INTAKE');
  const second = named(servers, led?.leader ?? '');
  await second.stop('SIGKILL');
  await traffic.more(50);
  await second.restart();
  await traffic.more(10);
  const enqueuedBefore = traffic.enqueued.length;
  await traffic.more(20);
  await traffic.stop();

  const { enqueued, taken } = traffic;
  const ended = async () => (await client.ask<{ byState: Record<string, number> }>('jobs.job.count', {})).byState;
  await comes(ended, ({ completed = 0 }) => completed >= enqueued.length + taken.length);
  for (const id of enqueued) expect((await client.get(id)).state).toBe('completed');
  for (const tag of taken) {
    const { total } = await client.ask<{ total: number }>('jobs.job.count', { tag, state: 'completed' });
    expect(total, tag).toBe(1);
  }
  const rest = enqueued.slice(enqueuedBefore);
  await comes(
    async () => rest.every(told),
    (all) => all,
  );
  expect(enqueued.filter((id) => !told(id))).toEqual([]);
}, 120_000);

test('the leader of the intake dies, not the server of the node: what is submitted then is taken within seconds', async () => {
  const { servers, urls } = await cluster();
  const earlier = await node({ nats: urls });
  const nats = await connection(urls);
  await comes(() => stream(nats, 'JOBS_INTAKE'), whole);
  await earlier.rota.stop();
  const consumer = async () => (await jetstreamManager(nats, { timeout: 1_000 })).consumers.info('JOBS_INTAKE', 'rota');
  const { cluster: led } = await comes(consumer, (info) => info.cluster?.leader !== undefined);
  const leader = named(servers, led?.leader ?? '');
  const other = servers.find((server) => server !== leader);
  const { rota, server } = await node({ nats: other?.url ?? '' });
  await comes(consumer, ({ num_waiting: waiting }) => waiting > 0);
  expect(server()).toBe(`127.0.0.1:${other?.port}`);
  await leader.stop('SIGKILL');
  const ack = () => publish(nats, 'default', { type: 'work', tags: ['after'] }, { id: 'after' });
  await comes(ack, ({ seq }) => seq > 0);
  const ackedMs = performance.now();
  await comes(
    () => rota.client.count({ tag: 'after' }),
    ({ total }) => total === 1,
  );
  expect(performance.now() - ackedMs).toBeLessThan(12_000);
}, 90_000);

test('of several servers one that answers is enough; a stream has as many replicas as the setting says', async () => {
  const { servers, urls } = await cluster();
  await node({ nats: `nats://127.0.0.1:1,${urls}`, natsReplicas: 1 });
  const away = 'nats://127.0.0.1:1';
  for (const some of [`${away},${servers[1]?.url}`, [away, servers[2]?.url ?? '']]) {
    const talker = await connectClient({ servers: some });
    const { id } = await talker.enqueue('work', {});
    expect(await talker.wait(id)).toMatchObject({ state: 'completed' });
    await talker.close();
  }
  const nats = await connection(urls);
  expect((await comes(() => stream(nats, 'JOBS_INTAKE'), whole)).config.num_replicas).toBe(1);
}, 60_000);
