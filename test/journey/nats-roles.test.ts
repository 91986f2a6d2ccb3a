import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect as connectClient, type RotaClient } from '../../src/client/client.ts';
import { defineJob, defineScheduler, type Rota, start } from '../../src/index.ts';
import { type Logger, silentLogger } from '../../src/kernel/log.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { programEnv } from '../support/program-env.ts';
import { BRISK, until } from '../support/rota-node.ts';

const ROLES_FILE = fileURLToPath(new URL('../../config/nats-roles.conf', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../../bin/rota.js', import.meta.url));
const ROLES = ['service', 'producer', 'worker', 'observer', 'admin'] as const;
type Role = (typeof ROLES)[number];

const config = defineScheduler({
  queues: { default: 2, far: 1 },
  jobs: [
    defineJob({ type: 'here', run: async () => 'done' }),
    // Without `run`: workers elsewhere run it.
    defineJob({ type: 'elsewhere', queue: 'far' }),
  ],
});

let server: TestNatsServer;
let rota: Rota;
let dataFolder: string;
/** What the node has complained of. */
const complaints: string[] = [];
const connections = {} as Record<Role, NatsConnection>;

const password = (role: string): string => `${role}Secret`;
const login = (role: Role) => ({ user: role, password: password(role), inboxPrefix: `_INBOX.${role}` });

const note = (fields: object, message: string): void => {
  complaints.push(`${message} ${JSON.stringify(fields)}`);
};
const complainant: Logger = { ...silentLogger, warn: note, error: note, child: () => complainant };

beforeAll(async () => {
  for (const role of ROLES) process.env[`ROTA_${role.toUpperCase()}_PASSWORD`] = password(role);
  dataFolder = mkdtempSync(join(tmpdir(), 'rota-roles-'));
  server = await startNatsServer({ config: readFileSync(ROLES_FILE, 'utf8') });
  rota = await start(config, {
    ...{ ...BRISK, data: dataFolder, logger: complainant, node: 'here', nats: server.url },
    ...{ natsUser: 'service', natsPassword: password('service'), natsInbox: '_INBOX.service', eventHistory: '1h' },
  });
  for (const role of ROLES) {
    const { user, password: pass, inboxPrefix } = login(role);
    connections[role] = await connect({ servers: server.url, user, pass, inboxPrefix });
  }
});

afterAll(async () => {
  for (const connection of Object.values(connections)) await connection.close();
  await rota?.stop();
  await server?.dispose();
  rmSync(dataFolder, { recursive: true, force: true });
  for (const role of ROLES) delete process.env[`ROTA_${role.toUpperCase()}_PASSWORD`];
});

/** What a role asks, with nothing but a NATS client. Fails for an error reply. */
// biome-ignore lint/suspicious/noExplicitAny: a test looks into replies as a program in any language would.
async function ask(role: Role, subject: string, body: object): Promise<any> {
  const reply = await connections[role].request(subject, JSON.stringify(body), { timeout: 5_000 });
  const status = reply.headers?.get('Nats-Service-Error-Code') ?? '';
  if (status !== '') throw new Error(`${subject}: ${status} ${reply.string()}`);
  return reply.json();
}

/** What the server says of each of these when a role does it: the refused ones. */
async function refused(role: Role, how: 'publish' | 'subscribe', subjects: readonly string[]): Promise<string[]> {
  const { user, password: pass } = login(role);
  const connection = await connect({ servers: server.url, user, pass });
  const found: string[] = [];
  const seen = (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error' && status.error instanceof PermissionViolationError) found.push(status.error.subject);
    }
  })();
  for (const subject of subjects) {
    if (how === 'publish') connection.publish(subject, '{"forged":true}');
    else connection.subscribe(subject, { callback: () => {} });
  }
  await connection.flush();
  await connection.close();
  await seen;
  return found;
}

const PUBLISHED = [
  ...['jobs.enqueue.default', 'jobs.intake.default', 'jobs.job.list', 'jobs.ctl.queue.list'],
  ...['jobs.work.default.claim', 'jobs.work.default.beat', 'jobs.work.default.settle', 'jobs.work.default.progress'],
  ...['jobs.events.job.default.completed', 'jobs.int.store.nodes', '$JS.API.INFO', '$JS.ACK.JOBS_INTAKE.rota.1'],
  ...['$SRV.PING', '_INBOX.producer.x', '_INBOX.admin.x', 'other'],
];
const SUBSCRIBED = [
  ...['>', 'jobs.>', 'jobs.events.>', 'jobs.events.job.default.*', 'jobs.enqueue.default', 'jobs.int.>'],
  ...['_INBOX.>', '$JS.API.>', '$JS.EVENT.>', '$SRV.PING', 'other'],
];
const inbox = (role: Role) => `_INBOX.${role}.x`;

/** What each may do of the above. */
const MAY: Record<Role, { publish: readonly string[]; subscribe: readonly string[] }> = {
  service: {
    publish: PUBLISHED.filter((subject) => subject !== 'other'),
    subscribe: SUBSCRIBED.filter((subject) => !['>', '$JS.EVENT.>', 'other'].includes(subject)),
  },
  producer: { publish: ['jobs.enqueue.default', 'jobs.intake.default'], subscribe: [] },
  worker: { publish: PUBLISHED.filter((subject) => subject.startsWith('jobs.work.')), subscribe: [] },
  observer: { publish: [], subscribe: ['jobs.events.>', 'jobs.events.job.default.*'] },
  admin: { publish: ['jobs.job.list', 'jobs.ctl.queue.list'], subscribe: [] },
};

describe('of the roles', () => {
  test.each(ROLES)('the %s may do what its row says and nothing else', async (role) => {
    const { publish, subscribe } = MAY[role];
    expect(await refused(role, 'publish', PUBLISHED)).toEqual(PUBLISHED.filter((it) => !publish.includes(it)));
    const all = [...SUBSCRIBED, ...ROLES.map(inbox)];
    const may = role === 'service' ? [...subscribe, ...ROLES.map(inbox)] : [...subscribe, inbox(role)];
    expect(await refused(role, 'subscribe', all)).toEqual(all.filter((it) => !may.includes(it)));
  });

  test('the producer enqueues and submits, the observer sees it, the admin looks and acts', async () => {
    const ended: string[] = [];
    const events = connections.observer.subscribe('jobs.events.job.default.completed', {
      callback: (_error, message) => {
        ended.push(message.json<{ subject: string }>().subject);
      },
    });
    await connections.observer.flush();
    const { job } = await ask('producer', 'jobs.enqueue.default', { type: 'here' });
    expect(await ask('producer', 'jobs.intake.default', { type: 'here', tags: ['taken'] })).toMatchObject({
      stream: 'JOBS_INTAKE',
    });
    await until(
      () => ask('admin', 'jobs.job.list', { tag: 'taken', state: 'completed' }),
      ({ jobs }) => jobs.length === 1,
    );
    await until(
      async () => ended.length,
      (count) => count === 2,
    );
    expect(ended).toContain(job.id);
    events.unsubscribe();
    expect(await ask('admin', 'jobs.job.get', { id: job.id })).toMatchObject({ state: 'completed' });
    expect(await ask('admin', 'jobs.ctl.queue.pause', { queue: 'far' })).toMatchObject({ paused: true });
    expect(await ask('admin', 'jobs.ctl.queue.resume', { queue: 'far' })).toMatchObject({ paused: false });
    expect((await ask('admin', 'jobs.ctl.node.list', {})).nodes).toMatchObject([{ name: 'here' }]);
  });

  test('the worker claims, beats, tells its progress and settles', async () => {
    const { job } = await ask('producer', 'jobs.enqueue.far', { type: 'elsewhere' });
    const worker = '0199aaaa-0000-7000-8000-000000000001';
    const { jobs } = await ask('worker', 'jobs.work.far.claim', { worker, node: 'far', types: ['elsewhere'] });
    const { id, attempt, run } = jobs[0];
    expect(id).toBe(job.id);
    await ask('worker', 'jobs.work.far.beat', { worker, running: [{ id, attempt, run }] });
    await ask('worker', 'jobs.work.far.progress', { worker, id, attempt, progress: 50 });
    const outcomes = [{ id, attempt, run, outcome: 'complete', result: 7 }];
    expect(await ask('worker', 'jobs.work.far.settle', { worker, outcomes })).toMatchObject({ settled: [{ id }] });
    expect(await ask('admin', 'jobs.job.get', { id })).toMatchObject({ state: 'completed', result: 7 });
  });

  test('the service lacks nothing: its node complains of nothing, answers discovery, and keeps both streams', async () => {
    expect(complaints.filter((line) => !line.includes('of the intake was rejected'))).toEqual([]);
    expect(await ask('service', '$SRV.PING.rota', {})).toMatchObject({ name: 'rota' });
    const { streams } = await ask('service', '$JS.API.STREAM.NAMES', {});
    expect(streams.sort()).toEqual(['JOBS_EVENTS', 'JOBS_INTAKE']);
  });
});

describe('our own client', () => {
  const clientOf = async (role: Role): Promise<RotaClient> => {
    const client = await connectClient({ servers: server.url, ...login(role), deadline: '20s' });
    onTestFinished(() => client.close());
    return client;
  };
  const forbidden = expect.objectContaining({ code: 'forbidden' });

  test('as a producer enqueues and submits, and is told at once what it may not', async () => {
    const client = await clientOf('producer');
    const { id } = await client.enqueue('here', {});
    expect(await client.submit('here', {})).toMatch(/^[0-9a-f-]{36}$/);
    await expect(client.get(id)).rejects.toEqual(forbidden);
    await expect(client.events({}).next()).rejects.toEqual(forbidden);
  });

  test('as an admin looks and acts, and may not enqueue', async () => {
    const client = await clientOf('admin');
    expect((await client.queues.list()).map(({ name }) => name)).toContain('far');
    expect((await client.count({})).total).toBeGreaterThan(0);
    await expect(client.enqueue('here', {})).rejects.toEqual(forbidden);
  });

  test('as an observer sees events', async () => {
    const events = (await clientOf('observer')).events({ queue: 'default', what: 'completed' });
    const next = events.next();
    const seen = await until(
      async () => {
        await ask('producer', 'jobs.enqueue.default', { type: 'here' });
        return Promise.race([next, wait(100, undefined)]);
      },
      (event) => event !== undefined,
    );
    expect(seen?.value).toMatchObject({ type: 'jobs.job.completed' });
    await events.return?.();
  });

  test('says which setting is missing where answers cannot come', async () => {
    const { user, password: secret } = login('admin');
    await expect(connectClient({ servers: server.url, user, password: secret })).rejects.toMatchObject({
      ...{ code: 'connection', issues: [{ path: 'inboxPrefix' }] },
    });
  });
});

describe('the command line', () => {
  const run = async (role: Role, argv: readonly string[], inboxOf = role as string) => {
    const flags = ['--nats', server.url, '--nats-user', role, '--nats-inbox', `_INBOX.${inboxOf}`];
    const child = spawn(process.execPath, [LAUNCHER, ...argv, ...flags], {
      ...{ cwd: dataFolder, stdio: ['ignore', 'pipe', 'pipe'] },
      env: { ...programEnv(), ROTA_NATS_PASSWORD: password(role) },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (output += text));
    const [code] = await once(child, 'close');
    return { code, output };
  };

  test('works as an admin, and says what another role may not', async () => {
    expect(await run('admin', ['queues'])).toMatchObject({ code: 0, output: expect.stringContaining('far') });
    expect(await run('admin', ['watch'])).toMatchObject({
      ...{ code: 1, output: expect.stringContaining('does not let this user subscribe to jobs.events') },
    });
    expect(await run('producer', ['jobs'])).toMatchObject({
      ...{ code: 1, output: expect.stringContaining('does not let this user publish to jobs.job.list') },
    });
    expect(await run('admin', ['queues'], 'nobody')).toMatchObject({
      ...{ code: 1, output: expect.stringContaining('ROTA_NATS_INBOX (--nats-inbox)') },
    });
  });
});
