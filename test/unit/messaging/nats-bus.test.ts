import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { systemRandom as random } from '../../../src/kernel/identity.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Bus, BusState } from '../../../src/messaging/bus.ts';
import { type ConnectNatsOptions, connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import type { NatsBus } from '../../../src/messaging/nats/nats-bus.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { type NatsServerOptions, startNatsServer, type TestNatsServer } from '../../support/nats-server.ts';

const subjects = new Subjects('jobs');
const json = (value: unknown) => ({ body: Body.of(value, 'json') });
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function server(options: NatsServerOptions = {}): Promise<TestNatsServer> {
  const started = await startNatsServer({ jetStream: false, ...options });
  cleanups.push(() => started.dispose());
  return started;
}

async function connectTo(url: string, options: Partial<ConnectNatsOptions> = {}): Promise<NatsBus> {
  const bus = await connectNats({ servers: [url], clock, random, subjects, timeoutMs: 5_000, ...options });
  cleanups.push(() => bus.close());
  return bus;
}

function becomes(bus: Bus, state: BusState): Promise<void> {
  if (bus.state === state) return Promise.resolve();
  return new Promise((resolve) => bus.onState((now) => now === state && resolve()));
}

describe('connecting', () => {
  test('fails when nobody answers in time, and waits for a server that comes', async () => {
    const first = await server();
    await first.stop();
    const refused = connectTo(first.url, { timeoutMs: 50 });
    await expect(refused).rejects.toMatchObject({ code: 'connection', message: expect.stringContaining(first.url) });
    const waiting = connectTo(first.url, { timeoutMs: 30_000 });
    await first.restart();
    const bus = await waiting;
    expect(bus.state).toBe('up');
    expect(bus.serverVersion).toMatch(/^2\./);
    expect(bus.connection.info?.port).toBe(first.port);
  });

  test('fails in time at a server that says nothing', async () => {
    const mute = createServer((socket) => void socket.on('error', () => {}));
    const sockets: { destroy(): void }[] = [];
    mute.on('connection', (socket) => sockets.push(socket));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const address = mute.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const refused = connectTo(`nats://127.0.0.1:${port}`, { timeoutMs: 50 });
    await expect(refused).rejects.toMatchObject({ code: 'connection' });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  });

  test('refuses what is no server and credentials that cannot be read', async () => {
    for (const bad of ['http://localhost', 'nats://', 'nats://a b']) {
      await expect(connectTo(bad)).rejects.toMatchObject({ code: 'invalid_config' });
    }
    const missing = connectTo('nats://127.0.0.1', { credsFile: '/nowhere/x.creds' });
    await expect(missing).rejects.toMatchObject({ code: 'invalid_config' });
  });

  test('with user and password, also in the URL; a wrong one is told at once', async () => {
    const { url, port } = await server({ config: 'authorization { user: rota, password: "s3:cret" }' });
    await connectTo(url, { user: 'rota', password: 's3:cret' });
    await connectTo(`nats://rota:s3%3Acret@127.0.0.1:${port}`);
    const wrong = connectTo(url, { user: 'rota', password: 'x', timeoutMs: 60_000 });
    await expect(wrong).rejects.toMatchObject({ code: 'connection', message: expect.stringMatching(/authorization/i) });
  });

  test('with a token', async () => {
    const { url } = await server({ config: 'authorization { token: "t0ken" }' });
    await connectTo(url, { token: 't0ken' });
  });

  test('with an nkey, as a seed and as a file', async () => {
    const pair = nkeys.createUser();
    const seed = Buffer.from(pair.getSeed()).toString();
    const { url, storeFolder } = await server({
      config: `authorization { users: [{ nkey: ${pair.getPublicKey()} }] }`,
    });
    await connectTo(url, { nkey: seed });
    const file = join(storeFolder, '..', 'user.nk');
    writeFileSync(file, `${seed}\n`);
    await connectTo(url, { nkey: file });
  });

  test('uses the inbox prefix it is given, and nothing else', async () => {
    const { url } = await server({
      config: `authorization { users: [
        { user: rota, password: a },
        { user: admin, password: b, permissions: { publish: ["jobs.>"], subscribe: ["_INBOX.admin.>"] } } ] }`,
    });
    const service = await connectTo(url, { user: 'rota', password: 'a' });
    service.subscribe('jobs.echo', {}, (message) => answer(message, message.reply));
    await service.flush();
    const admin = await connectTo(url, { user: 'admin', password: 'b', inboxPrefix: '_INBOX.admin' });
    expect(await ask(admin, 'jobs.echo', { value: {}, timeoutMs: 10_000 })).toMatch(/^_INBOX\.admin\./);
  });
});

describe('an outage', () => {
  test('a flush under way when the server dies fails, and so does the first one after an unflushed publish', async () => {
    const nats = await server();
    const bus = await connectTo(nats.url);
    bus.publish('jobs.x', json(1));
    await bus.flush();
    nats.freeze();
    bus.publish('jobs.x', json(2));
    const flushing = expect(bus.flush()).rejects.toMatchObject({ code: 'unavailable' });
    bus.publish('jobs.x', json(3));
    await nats.stop('SIGKILL');
    await flushing;
    const up = becomes(bus, 'up');
    await nats.restart();
    await up;
    await expect(bus.flush()).rejects.toMatchObject({ code: 'unavailable' });
    await bus.flush();
  });

  test('what was lost unnoticed before a reconnect is told too', async () => {
    const nats = await server();
    const bus = await connectTo(nats.url);
    nats.freeze();
    bus.publish('jobs.x', json(1));
    const down = becomes(bus, 'down');
    await nats.stop('SIGKILL');
    await down;
    const up = becomes(bus, 'up');
    await nats.restart();
    await up;
    await expect(bus.flush()).rejects.toMatchObject({ code: 'unavailable' });
    await bus.flush();
  });

  test('that ends with being refused goes on until we are let in again', async () => {
    const config = (password: string): string => `authorization { user: rota, password: ${password} }`;
    const nats = await server({ config: config('right') });
    const errors: unknown[] = [];
    const refusedTwice = Promise.withResolvers<void>();
    const bus = await connectTo(nats.url, {
      user: 'rota',
      password: 'right',
      onError: (error) => {
        if (errors.push(error) === 3) refusedTwice.resolve();
      },
    });
    bus.subscribe('jobs.echo', {}, (message) => answer(message, 'ok'));
    await nats.restart(config('wrong'));
    await refusedTwice.promise;
    expect(bus.state).toBe('down');
    const up = becomes(bus, 'up');
    await nats.restart(config('right'));
    await up;
    expect(await ask(bus, 'jobs.echo', { value: {}, timeoutMs: 10_000 })).toBe('ok');
  });

  test('tells the new limit of a server that came back with another', async () => {
    const nats = await server({ config: 'max_payload: 100000' });
    const bus = await connectTo(nats.url);
    const small = bus.payloadBytesMax;
    expect(small).toBeLessThan(100_000);
    const tooLarge = { body: Body.encoded(new Uint8Array(small + 1), undefined) };
    await expect(bus.request('jobs.x', tooLarge, { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'too_large' });
    const down = becomes(bus, 'down');
    await nats.stop();
    await down;
    const up = becomes(bus, 'up');
    await nats.restart('max_payload: 200000');
    await up;
    expect(bus.payloadBytesMax).toBe(small + 100_000);
  });

  test('closing during one ends at once', async () => {
    const nats = await server();
    const bus = await connectTo(nats.url);
    const down = becomes(bus, 'down');
    await nats.stop('SIGKILL');
    await down;
    await bus.close();
    await bus.closed;
    expect(() => bus.subscribe('jobs.x', {}, () => {})).toThrow(expect.objectContaining({ code: 'closed' }));
  });
});

describe('a running connection', () => {
  test('closing lets out what was published before', async () => {
    const { url } = await server();
    const [near, far] = [await connectTo(url), await connectTo(url)];
    const got = new Promise((resolve) => far.subscribe('jobs.last', {}, (message) => resolve(message.body.value)));
    await far.flush();
    near.publish('jobs.last', json('word'));
    await near.close();
    expect(await got).toBe('word');
  });

  test('a refused request fails at once; a refused subscription is made again after a reconnect', async () => {
    const config = (more: string): string => `authorization { users: [{ user: rota, password: a, permissions: {
      publish: { deny: ["jobs.secret"] }, subscribe: { deny: ["jobs.secret"${more}] } } }] }`;
    const nats = await server({ config: config(', "jobs.later"') });
    const errors: Error[] = [];
    const told = Promise.withResolvers<void>();
    const bus = await connectTo(nats.url, {
      user: 'rota',
      password: 'a',
      onError: (error) => {
        errors.push(error as Error);
        told.resolve();
      },
    });
    bus.subscribe('jobs.later', {}, (message) => answer(message, 'served'));
    await told.promise;
    const refused = ask(bus, 'jobs.secret', { value: {}, timeoutMs: 60_000 });
    await expect(refused).rejects.toMatchObject({ code: 'forbidden' });
    const down = becomes(bus, 'down');
    await nats.stop();
    await down;
    const up = becomes(bus, 'up');
    await nats.restart(config(''));
    await up;
    expect(await ask(bus, 'jobs.later', { value: {}, timeoutMs: 10_000 })).toBe('served');
    expect(errors[0]?.message).toMatch(/jobs\.later/);
  });

  test('keeps a bounded amount for a server that does not read', async () => {
    const nats = await server();
    const bus = await connectTo(nats.url);
    nats.freeze();
    const megabyte = { body: Body.encoded(new Uint8Array(1_000_000), undefined) };
    for (let n = 0; n < 200; n++) bus.publish('jobs.flood', megabyte);
    expect(bus.connection.stats().outBytes).toBeLessThan(70_000_000);
    await expect(bus.request('jobs.x', megabyte, { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'overloaded' });
    nats.thaw();
    await expect(bus.flush(), 'some were dropped').rejects.toMatchObject({ code: 'unavailable' });
    await bus.flush();
    bus.publish('jobs.flood', megabyte);
    await bus.flush();
  });

  test('a header that cannot be written is an error of the sender', async () => {
    const { url } = await server();
    const bus = await connectTo(url);
    const bad = { ...json(1), headers: { 'X-Bad': 'a\r\nInjected: 1' } };
    expect(() => bus.publish('jobs.x', bad)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    await expect(bus.request('jobs.x', bad, { timeoutMs: 1_000 })).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('without echo, its own publishes do not come back', async () => {
    const { url } = await server();
    const [quiet, other] = [await connectTo(url, { noEcho: true }), await connectTo(url)];
    const seen: unknown[] = [];
    const got = new Promise<void>((resolve) =>
      quiet.subscribe('jobs.echo', {}, (message) => {
        seen.push(message.body.value);
        resolve();
      }),
    );
    quiet.publish('jobs.echo', json('own'));
    await quiet.flush();
    other.publish('jobs.echo', json('other'));
    await got;
    expect(seen).toEqual(['other']);
  });
});
