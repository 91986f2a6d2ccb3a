import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstream, jetstreamManager, type StoredMsg } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection, nanos } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { defineJob, defineScheduler, type Rota, type StartOptions, start } from '../../src/index.ts';
import type { Logger } from '../../src/kernel/log.ts';
import { publish } from '../support/intake-publisher.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { BRISK, until } from '../support/rota-node.ts';

/** A server that was killed and is back reads its streams first. */
const PATIENT = { timeout: 20_000 };

const config = defineScheduler({
  queues: { default: 2 },
  jobs: [defineJob({ type: 'work', run: async () => 'done' })],
});

interface Event {
  id: string;
  type: string;
  subject: string;
}

async function broker(options: Parameters<typeof startNatsServer>[0] = {}): Promise<TestNatsServer> {
  const server = await startNatsServer(options);
  onTestFinished(() => server.dispose());
  return server;
}

async function connection(servers: string): Promise<NatsConnection> {
  const nats = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  onTestFinished(() => nats.close());
  return nats;
}

/** What a node has logged, by message. */
class LogBook implements Logger {
  readonly lines: { level: string; msg: string; fields: object }[] = [];
  readonly debug = (fields: object, msg: string): void => void this.lines.push({ level: 'debug', msg, fields });
  readonly info = (fields: object, msg: string): void => void this.lines.push({ level: 'info', msg, fields });
  readonly warn = (fields: object, msg: string): void => void this.lines.push({ level: 'warn', msg, fields });
  readonly error = (fields: object, msg: string): void => void this.lines.push({ level: 'error', msg, fields });
  child(): Logger {
    return this;
  }

  /** Resolves with the first line that holds a text. */
  line(text: string): Promise<{ level: string; msg: string; fields: object } | undefined> {
    return until(
      async () => this.lines.find(({ msg }) => msg.includes(text)),
      (found) => found !== undefined,
    );
  }
}

async function node(server: TestNatsServer, options: StartOptions = {}): Promise<{ rota: Rota; log: LogBook }> {
  const data = mkdtempSync(join(tmpdir(), 'rota-history-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const log = new LogBook();
  const rota = await start(config, { ...BRISK, data, node: 'here', nats: server.url, logger: log, ...options });
  onTestFinished(() => rota.stop());
  return { rota, log };
}

/** Everything that the stream of events holds. */
async function kept(nats: NatsConnection): Promise<{ event: Event; message: StoredMsg }[]> {
  const { streams } = await jetstreamManager(nats, PATIENT);
  const { state } = await streams.info('JOBS_EVENTS');
  const found: { event: Event; message: StoredMsg }[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await streams.getMessage('JOBS_EVENTS', { seq });
    if (message !== null) found.push({ event: message.json<Event>(), message });
  }
  return found;
}

const streamConfig = async (nats: NatsConnection) =>
  (await (await jetstreamManager(nats, PATIENT)).streams.info('JOBS_EVENTS')).config;

describe('with an event history', () => {
  test('who comes later reads what was told before', async () => {
    const server = await broker();
    const { rota } = await node(server, { eventHistory: '1h' });
    const { id } = await rota.client.enqueue('work', {});
    await rota.client.wait(id);
    const nats = await connection(server.url);
    expect(await streamConfig(nats)).toMatchObject({
      ...{ subjects: ['jobs.events.>'], storage: 'file', discard: 'old', retention: 'limits', num_replicas: 1 },
      ...{ max_age: nanos(3_600_000), duplicate_window: nanos(120_000) },
    });
    const late = await jetstream(nats).consumers.get('JOBS_EVENTS', { filter_subjects: 'jobs.events.job.>' });
    const types: string[] = [];
    for await (const message of await late.fetch({ max_messages: 3, expires: 5_000 })) {
      const { subject, type } = message.json<Event>();
      expect(subject).toBe(id);
      types.push(type);
    }
    expect(types).toEqual(['jobs.job.inserted', 'jobs.job.started', 'jobs.job.completed']);
  });

  test('an end that is told again is kept once, and every subscriber still hears both', async () => {
    const server = await broker();
    const { rota } = await node(server, { eventHistory: '1h' });
    const nats = await connection(server.url);
    const ids: string[] = [];
    for (let n = 0; n < 30; n += 1) ids.push((await rota.client.enqueue('work', {})).id);
    for (const id of ids) await rota.client.wait(id);
    await publish(nats, 'nowhere', { type: 'work' }, { id: 'rejected' });
    const ends = async () =>
      (await kept(nats)).filter(({ event }) => /jobs\.(?:job\.completed|intake\.rejected)/.test(event.type));
    await until(ends, ({ length }) => length === 31);
    for (const { event, message } of await ends()) expect(message.header.get('Nats-Msg-Id')).toBe(event.id);
    // What an outage may make the node do: tell them again, word by word.
    let heard = 0;
    nats.subscribe('jobs.events.>', {
      callback: () => {
        heard += 1;
      },
    });
    for (const { message } of await ends()) {
      const again = headers();
      again.set('Nats-Msg-Id', message.header.get('Nats-Msg-Id'));
      nats.publish(message.subject, message.data, { headers: again });
    }
    await until(
      async () => heard,
      (count) => count === 31,
    );
    await nats.flush();
    expect(await ends()).toHaveLength(31);
  });

  test('what the node itself tells again after an outage is kept once', async () => {
    const server = await broker();
    const { rota } = await node(server, { eventHistory: '1h' });
    const ids: string[] = [];
    let lives = 0;
    for (; lives < 3; lives += 1) {
      for (let n = 0; n < 100; n += 1) ids.push((await rota.client.enqueue('work', {})).id);
      // In the midst of what it tells: some of it is unsure, and is told again.
      await server.stop('SIGKILL');
      await server.restart();
    }
    for (const id of ids) await rota.client.wait(id);
    // One that lived through the outages may have lost what was asked in the last of them.
    const nats = await connection(server.url);
    const told = async () =>
      (await kept(nats)).map(({ event }) => event).filter(({ type }) => type === 'jobs.job.completed');
    await until(told, (events) => ids.every((id) => events.some(({ subject }) => subject === id)));
    const events = await told();
    expect(events).toHaveLength(ids.length);
    expect(new Set(events.map(({ id }) => id)).size).toBe(ids.length);
  });

  test('another duration changes the stream; without one it is left alone and told of', async () => {
    const server = await broker();
    const nats = await connection(server.url);
    const first = await node(server, { eventHistory: '1h' });
    await first.rota.stop();
    const manager = await jetstreamManager(nats, PATIENT);
    await manager.streams.update('JOBS_EVENTS', { max_bytes: 50_000_000 });
    const second = await node(server, { eventHistory: '30s' });
    await second.log.line('events are kept');
    expect(await streamConfig(nats)).toMatchObject({
      ...{ max_age: nanos(30_000), duplicate_window: nanos(30_000), max_bytes: 50_000_000 },
    });
    await second.rota.stop();
    const third = await node(server);
    expect(await third.log.line('the event history is off')).toMatchObject({
      ...{ level: 'info', fields: { stream: 'JOBS_EVENTS' } },
    });
    expect(await streamConfig(nats)).toMatchObject({ max_age: nanos(30_000) });
    expect((await kept(nats)).length).toBeGreaterThan(0);
  });

  test('a broker that keeps no messages is warned of once, and is asked again when it is back', async () => {
    const server = await broker({ jetStream: false });
    const { rota, log } = await node(server, { eventHistory: '1h' });
    expect(await log.line('events are not kept')).toMatchObject({ level: 'warn' });
    const { id } = await rota.client.enqueue('work', {});
    expect(await rota.client.wait(id)).toMatchObject({ state: 'completed' });
    await server.restart(`jetstream { store_dir: "${server.storeFolder}" }`);
    await log.line('events are kept');
    expect(log.lines.filter(({ msg }) => msg.includes('events are not kept'))).toHaveLength(1);
    expect(await streamConfig(await connection(server.url))).toMatchObject({ max_age: nanos(3_600_000) });
  });

  test('somebody else with the stream of that name keeps it', async () => {
    const server = await broker();
    const nats = await connection(server.url);
    const manager = await jetstreamManager(nats, PATIENT);
    await manager.streams.add({ name: 'JOBS_EVENTS', subjects: ['theirs'] });
    const { rota, log } = await node(server, { eventHistory: '1h' });
    expect((await log.line('events are not kept'))?.fields).toMatchObject({ error: expect.stringContaining('theirs') });
    expect((await streamConfig(nats)).subjects).toEqual(['theirs']);
    const { id } = await rota.client.enqueue('work', {});
    expect(await rota.client.wait(id)).toMatchObject({ state: 'completed' });
  });
});

test('without an event history there is no stream, and events carry no header for one', async () => {
  const server = await broker();
  const nats = await connection(server.url);
  const { rota } = await node(server);
  const seen: { type: string; header: boolean }[] = [];
  nats.subscribe('jobs.events.>', {
    callback: (_error, message) => {
      seen.push({ type: message.json<Event>().type, header: message.headers !== undefined });
    },
  });
  await nats.flush();
  const { id } = await rota.client.enqueue('work', {});
  await rota.client.wait(id);
  await until(
    async () => seen,
    (events) => events.some(({ type }) => type === 'jobs.job.completed'),
  );
  expect(seen.filter(({ header }) => header)).toEqual([]);
  expect(await (await jetstreamManager(nats, PATIENT)).streams.names().next()).toEqual(['JOBS_INTAKE']);
});
