import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connect as connectClient } from '../../src/client/client.ts';
import { type Rota, type StartOptions, start } from '../../src/index.ts';
import intakeConfig from '../support/intake-config.ts';
import { publish } from '../support/intake-publisher.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { PlainClient } from '../support/plain-client.ts';
import { BRISK, until } from '../support/rota-node.ts';
import { RotaProcess } from '../support/rota-process.ts';

const CONFIG = fileURLToPath(new URL('../support/intake-config.ts', import.meta.url));
const PATIENCE_MS = 60_000;

async function server(
  options: { jetStream?: boolean } = {},
): Promise<{ broker: TestNatsServer; nats: NatsConnection }> {
  const broker = await startNatsServer(options);
  onTestFinished(() => broker.dispose());
  const nats = await connect({ servers: broker.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
  onTestFinished(() => nats.close());
  return { broker, nats };
}

async function processOn(broker: TestNatsServer): Promise<{ rota: RotaProcess; client: PlainClient }> {
  const rota = await RotaProcess.make({ config: CONFIG, nats: broker.url });
  onTestFinished(() => rota.dispose());
  const client = await PlainClient.to(broker.url);
  onTestFinished(() => client.close());
  return { rota, client };
}

/** A node in this process, on a folder that outlives it. */
async function node(folder: string, options: StartOptions): Promise<Rota> {
  const rota = await start(intakeConfig, { ...BRISK, data: folder, logLevel: 'silent', ...options });
  onTestFinished(() => rota.stop());
  return rota;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'rota-intake-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

const total = async (client: PlainClient): Promise<number> =>
  (await client.ask<{ total: number }>('jobs.job.count', { type: 'work' })).total;
const rejected = async (client: PlainClient): Promise<{ msgId: string; code: string; message: string }[]> =>
  (await client.ask<{ rejected: { msgId: string; code: string; message: string }[] }>('jobs.ctl.rejected.list', {}))
    .rejected;

/** Asks until it is so; patient, for nodes are started meanwhile. */
async function comes<T>(look: () => Promise<T>, fits: (seen: T) => boolean): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS;
  for (;;) {
    const seen = await look();
    if (fits(seen) || performance.now() > endMs) return seen;
    await wait(50);
  }
}

async function streamEmpty(nats: NatsConnection): Promise<void> {
  const left = async (): Promise<number> =>
    (await nats.request('$JS.API.STREAM.INFO.JOBS_INTAKE', '', { timeout: 2_000 })).json<{
      state: { messages: number };
    }>().state.messages;
  expect(await comes(left, (messages) => messages === 0)).toBe(0);
}

describe('the durable intake', () => {
  test('takes what was published while no node ran, with delays counted from then', async () => {
    const { broker, nats } = await server();
    const { rota, client } = await processOn(broker);
    await rota.start();
    rota.signal('SIGTERM');
    await rota.exited;
    const beganMs = Date.now();
    for (let n = 0; n < 100; n += 1) await publish(nats, 'default', { type: 'work', args: { n } }, { id: `away-${n}` });
    const later = [{ type: 'work', scheduleIn: '1h', deadline: '2h', tags: ['later'] }];
    await publish(nats, 'default', later, { id: 'later' });
    const submitter = await connectClient({ servers: broker.url });
    const submitted = await submitter.submit('work', {}, { tags: ['submitted'] });
    await submitter.close();
    const endedMs = Date.now();
    await wait(1_500);
    await rota.start();
    expect(
      await comes(
        () => total(client),
        (jobs) => jobs === 102,
      ),
    ).toBe(102);
    const { jobs } = await client.ask<{ jobs: { scheduledAt: string }[] }>('jobs.job.list', { tag: 'later' });
    const dueAt = Date.parse(jobs[0]?.scheduledAt ?? '') - 3_600_000;
    expect(dueAt).toBeGreaterThanOrEqual(beganMs);
    expect(dueAt).toBeLessThanOrEqual(endedMs);
    expect(await client.ended(submitted)).toMatchObject({ id: submitted, state: 'completed' });
    await streamEmpty(nats);
  });

  test('loses and doubles nothing when its node is killed again and again in the middle', async () => {
    const { broker, nats } = await server();
    const { rota, client } = await processOn(broker);
    await rota.start();
    const count = 3_000;
    let published = 0;
    const publishing = Promise.all(
      Array.from({ length: 20 }, async () => {
        while (published < count) {
          published += 1;
          const n = published;
          // Half of them have no id: of those only the broker's own redelivery is a repeat.
          const options = n % 2 === 0 ? { id: `kill-${n}` } : {};
          await publish(
            nats,
            'default',
            n % 100 === 0 ? [{ type: 'work', args: { n } }, { type: 'no' }] : { type: 'work', args: { n } },
            options,
          );
        }
      }),
    );
    for (let life = 0; life < 3; life += 1) {
      const goal = (life + 1) * 300;
      await comes(
        () => total(client),
        (jobs) => jobs >= goal,
      );
      await rota.kill();
      await rota.start();
    }
    await publishing;
    const good = count - count / 100;
    await comes(
      () => total(client),
      (jobs) => jobs >= good,
    );
    await streamEmpty(nats);
    expect(await total(client)).toBe(good);
    expect(await rejected(client)).toHaveLength(count / 100);
    await comes(
      () => client.ask<{ byState: Record<string, number> }>('jobs.job.count', { type: 'work' }),
      ({ byState }) => byState.completed === good,
    );
    const byJob = Map.groupBy(rota.notes(), ({ id }) => id);
    expect(byJob.size).toBe(good);
  });

  test('rejects a message that kills whoever checks it, and takes no other with it', async () => {
    const { broker, nats } = await server();
    const { rota, client } = await processOn(broker);
    await rota.start();
    rota.signal('SIGTERM');
    await rota.exited;
    for (let n = 0; n < 40; n += 1) {
      if (n === 20) await publish(nats, 'default', { type: 'poison', args: { how: 'crash' } }, { id: 'poison' });
      await publish(nats, 'default', { type: 'work', args: { n } }, { id: `beside-${n}` });
    }
    let lives = 0;
    for (const endMs = performance.now() + PATIENCE_MS; performance.now() < endMs; lives += 1) {
      await rota.launch('starting').catch(() => {});
      const over = comes(
        async () => (rota.running ? rejected(client).catch(() => []) : []),
        (list) => list.length > 0 || !rota.running,
      );
      const seen = await Promise.race([over, rota.exited.then(() => [])]);
      if (seen.length > 0) break;
    }
    expect(await rejected(client)).toMatchObject([{ msgId: 'poison', code: 'invalid_request' }]);
    expect(lives).toBeLessThanOrEqual(8);
    expect(
      await comes(
        () => total(client),
        (jobs) => jobs === 40,
      ),
    ).toBe(40);
    await streamEmpty(nats);
  });

  test('waits for a store that is away, and rejects nothing', async () => {
    const { broker, nats } = await server();
    const data = folder();
    const store = await node(data, { nats: broker.url, node: 'store', roles: 'store,scheduler,queues' });
    const edge = await node(folder(), { nats: broker.url, node: 'edge', roles: 'intake' });
    await publish(nats, 'default', { type: 'work' }, { id: 'first' });
    await until(
      () => edge.client.count({ type: 'work' }),
      ({ total: jobs }) => jobs === 1,
    );
    await store.stop();
    for (let n = 0; n < 50; n += 1) await publish(nats, 'default', { type: 'work' }, { id: `wait-${n}` });
    await publish(nats, 'nowhere', { type: 'work' }, { id: 'nowhere' });
    await publish(nats, 'default', { type: 'nothing' }, { id: 'nothing' });
    // Longer than the broker waits for a word about a message.
    await wait(3_000);
    const back = await node(data, { nats: broker.url, node: 'store', roles: 'store,scheduler,queues' });
    await until(
      () => edge.client.count({ type: 'work' }),
      ({ total: jobs }) => jobs === 51,
    );
    const client = await PlainClient.to(broker.url);
    onTestFinished(() => client.close());
    const list = await comes(
      () => rejected(client),
      ({ length }) => length === 2,
    );
    expect(list.map(({ msgId, code }) => [msgId, code]).sort()).toEqual([
      ['nothing', 'unknown_type'],
      ['nowhere', 'not_found'],
    ]);
    await streamEmpty(nats);
    expect(back.node).toBe('store');
  });

  test('goes on after the broker was away, killed and frozen', async () => {
    const { broker, nats } = await server();
    const rota = await node(folder(), { nats: broker.url, node: 'here' });
    let published = 0;
    const more = async (count: number): Promise<void> => {
      for (let n = 0; n < count; n += 1) {
        published += 1;
        await publish(nats, 'default', { type: 'work' }, { id: `broker-${published}` });
      }
    };
    const taken = () =>
      until(
        () => rota.client.count({ type: 'work' }),
        ({ total: jobs }) => jobs === published,
      );
    await more(20);
    await broker.restart();
    await more(20);
    await taken();
    await broker.stop('SIGKILL');
    await wait(2_500);
    await broker.restart();
    await more(20);
    await taken();
    await more(20);
    broker.freeze();
    await wait(1_000);
    broker.thaw();
    await more(20);
    await taken();
    await streamEmpty(nats);
    expect((await rota.client.count({ type: 'work' })).total).toBe(published);
  });

  test('is waited for where the broker keeps no messages', async () => {
    const { broker, nats } = await server({ jetStream: false });
    const rota = await node(folder(), { nats: broker.url, node: 'here' });
    await rota.client.enqueue('work', {});
    await expect(nats.request('jobs.intake.default', '{}', { timeout: 500 })).rejects.toThrow();
    const submitted = rota.client.submit('work', {});
    await broker.restart(`jetstream { store_dir: "${broker.storeFolder}" }`);
    await publish(nats, 'default', { type: 'work' }, { id: 'late' });
    await submitted;
    await until(
      () => rota.client.count({ type: 'work' }),
      ({ total: jobs }) => jobs === 3,
    );
  });

  test('works where all messages between actors go through the broker', async () => {
    const { broker, nats } = await server();
    const rota = await node(folder(), { nats: broker.url, node: 'here', route: 'broker' });
    for (let n = 0; n < 20; n += 1) await publish(nats, 'default', { type: 'work' }, { id: `routed-${n}` });
    await publish(nats, 'default', { type: 'nothing' }, { id: 'nothing' });
    await rota.client.submit('work', {});
    await until(
      () => rota.client.count({ type: 'work' }),
      ({ total: jobs }) => jobs === 21,
    );
    const client = await PlainClient.to(broker.url);
    onTestFinished(() => client.close());
    expect(
      await comes(
        () => rejected(client),
        ({ length }) => length === 1,
      ),
    ).toMatchObject([{ msgId: 'nothing' }]);
    await streamEmpty(nats);
  });

  test('is shared by several nodes', async () => {
    const { broker, nats } = await server();
    const store = await node(folder(), { nats: broker.url, node: 'store' });
    const edges = await Promise.all(
      ['a', 'b'].map((name) => node(folder(), { nats: broker.url, node: name, roles: 'intake' })),
    );
    await Promise.all(
      Array.from({ length: 500 }, (_, n) => publish(nats, 'default', { type: 'work' }, { id: `shared-${n}` })),
    );
    await until(
      () => store.client.count({ type: 'work' }),
      ({ total: jobs }) => jobs === 500,
    );
    // A node that leaves gives back what it holds.
    await edges[0]?.stop();
    await publish(nats, 'default', { type: 'work' }, { id: 'after' });
    await until(
      () => store.client.count({ type: 'work' }),
      ({ total: jobs }) => jobs === 501,
    );
    await streamEmpty(nats);
  });
});
