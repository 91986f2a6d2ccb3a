import { fileURLToPath } from 'node:url';
import type { Client } from 'pg';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { enqueueWith } from '../../src/client/client.ts';
import { defineJob, type StartOptions } from '../../src/index.ts';
import { startNatsServer } from '../support/nats-server.ts';
import type { FreshDatabase } from '../support/postgres/database.ts';
import { openTestStore, plainClient } from '../support/postgres/enqueuer.ts';
import { freshDatabase } from '../support/postgres/fresh-database.ts';
import { startPostgres } from '../support/postgres/postgres-server.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';
import { RotaProcess } from '../support/rota-process.ts';

const CONFIG = fileURLToPath(new URL('../support/intake-config.ts', import.meta.url));

/** Args of a type whose schema wants a text in `to`. */
const mail = defineJob<{ to: string }>({
  type: 'mail.send',
  maxAttempts: 7,
  args: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) =>
        typeof (value as { to?: unknown }).to === 'string'
          ? { value: value as { to: string } }
          : { issues: [{ message: 'must be a text', path: ['to'] }] },
    },
  },
  run: async ({ args }) => ({ sentTo: args.to }),
});
const debounced = defineJob({ type: 'debounced', queue: 'elsewhere', unique: { by: ['type'] } });
const CONFIGURED = { queues: { default: 5 }, jobs: [mail, debounced] };

let database: FreshDatabase;
let client: Client;
/** Sees what is committed. */
let watcher: Client;
beforeEach(async () => {
  database = await freshDatabase();
  onTestFinished(() => database.drop());
});

async function startNode(options: StartOptions = {}): Promise<RotaNode> {
  const node = await startRotaNode(CONFIGURED, { store: database.url, ...options });
  onTestFinished(() => node.stop());
  client = await plainClient(database.url);
  watcher = await plainClient(database.url);
  return node;
}

/** A node as a process of its own, to be killed. */
async function startProcess(): Promise<{ rota: RotaProcess }> {
  const rota = await RotaProcess.make({ config: CONFIG, env: { ROTA_STORE: database.url } });
  onTestFinished(() => rota.dispose());
  await rota.start();
  client = await plainClient(database.url);
  watcher = await plainClient(database.url);
  return { rota };
}

// biome-ignore lint/suspicious/noExplicitAny: rows are looked into as a program in any language would.
const rows = async (text: string, values: unknown[] = []): Promise<any[]> => (await watcher.query(text, values)).rows;
const ended = (node: RotaNode, id: string) => node.ask('jobs.job.wait', { id, timeoutMs: 10_000 });

/** Resolves when the node has dealt with every request that is committed. */
const dealtWith = () =>
  until(
    () => rows('select count(*)::int as n from rota.requests'),
    ([row]) => row.n === 0,
  );

describe('a job that is enqueued inside a transaction', () => {
  test('runs after the commit, with all that its type says; a rollback leaves nothing', async () => {
    const node = await startNode();
    await client.query('begin');
    const lost = await enqueueWith(client, mail, { to: 'nobody' });
    await client.query('rollback');
    await client.query('begin; create table orders (id int)');
    const id = await enqueueWith(
      client,
      mail,
      { to: 'ada' },
      { tags: ['Order'], reference: { type: 'order', id: '1' } },
    );
    // What is committed meanwhile is there before it.
    const other = await enqueueWith(watcher, 'mail.send', { to: 'bob' });
    await dealtWith();
    expect(await ended(node, other)).toMatchObject({ state: 'completed' });
    expect((await node.request('jobs.job.get', { id })).status).toBe(404);
    await client.query('commit');
    await dealtWith();
    expect(await ended(node, id)).toMatchObject({
      ...{ state: 'completed', result: { sentTo: 'ada' }, maxAttempts: 7, tags: ['order'] },
      reference: { type: 'order', id: '1' },
    });
    expect((await node.request('jobs.job.get', { id: lost })).status).toBe(404);
  });

  test('counts delays from when it was enqueued, by the database’s clock', async () => {
    const node = await startNode();
    const [before] = await rows('select extract(epoch from clock_timestamp())::float8 * 1000 as ms');
    const id = await enqueueWith(client, mail, { to: 'ada' }, { scheduleIn: '1h', deadline: '2h' });
    const [after] = await rows('select extract(epoch from clock_timestamp())::float8 * 1000 as ms');
    await dealtWith();
    const job = await node.ask('jobs.job.get', { id });
    expect(job.state).toBe('scheduled');
    expect(Date.parse(job.scheduledAt)).toBeGreaterThanOrEqual(Math.floor(before.ms) + 3_600_000);
    expect(Date.parse(job.scheduledAt)).toBeLessThanOrEqual(Math.ceil(after.ms) + 3_600_000);
  });

  test('is one job, however often its id comes, and by whatever door', async () => {
    const node = await startNode();
    const id = '019b8d2a-0000-7000-8000-000000000001';
    for (const to of ['ada', 'bob']) await enqueueWith(client, mail, { to }, { id });
    await client.query(`select rota.enqueue('mail.send', '{"to":"eve"}', 'default', $1)`, [{ id }]);
    await dealtWith();
    expect(await ended(node, id)).toMatchObject({ result: { sentTo: 'ada' }, attempt: 1 });
    expect(await node.ask('jobs.enqueue.default', { type: 'mail.send', args: { to: 'x' }, id })).toMatchObject({
      conflict: true,
    });
    expect(await node.ask('jobs.job.count', {})).toMatchObject({ total: 1 });
  });

  test('is one of fifty that are equal, committed at once by as many programs', async () => {
    const node = await startNode();
    const programs = await Promise.all(Array.from({ length: 50 }, () => plainClient(database.url)));
    await Promise.all(
      programs.map(async (program, n) => {
        await program.query('begin');
        await enqueueWith(program, debounced, { n });
        await program.query('commit');
      }),
    );
    await dealtWith();
    expect(await node.ask('jobs.job.count', { type: 'debounced' })).toMatchObject({ total: 1 });
  });

  test('that only a node can know to be wrong ends in the rejected list, beside its neighbours', async () => {
    const node = await startNode();
    await client.query('begin');
    const wrong = await enqueueWith(client, 'mail.send', { to: 5 });
    const unknown = await enqueueWith(client, 'nothing');
    const nowhere = await enqueueWith(client, 'mail.send', { to: 'ada' }, { queue: 'nowhere' });
    const deep = '['.repeat(70) + ']'.repeat(70);
    await client.query(`select rota.enqueue('mail.send', $1)`, [deep]);
    await client.query(`select rota.enqueue('mail.send', '{"to":"ada"}', 'default', '{"priority":"urgent"}')`);
    const good = await enqueueWith(client, mail, { to: 'ada' });
    await client.query('commit');
    await dealtWith();
    expect(await ended(node, good)).toMatchObject({ state: 'completed' });
    const { rejected } = await node.ask('jobs.ctl.rejected.list');
    expect(rejected).toHaveLength(5);
    expect(rejected).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          msgId: wrong,
          code: 'invalid_args',
          issues: [{ path: 'args.to', message: 'must be a text' }],
        }),
        expect.objectContaining({ msgId: unknown, code: 'unknown_type' }),
        expect.objectContaining({ msgId: nowhere, queue: 'nowhere', code: 'not_found' }),
        expect.objectContaining({ code: 'invalid_job', issues: [expect.objectContaining({ path: 'priority' })] }),
      ]),
    );
    await node.event(({ subject }) => subject === 'jobs.events.intake.nowhere.rejected');
    const { endpoints } = await node.ask('$SRV.STATS.rota');
    const intake = endpoints.find(({ name }: { name: string }) => name === 'intake');
    expect(intake).toMatchObject({ num_requests: 6, num_errors: 5 });
    expect(await node.ask('jobs.job.count', {})).toMatchObject({ total: 1 });
  });

  test('becomes a job where the node with the store is no intake', async () => {
    const nats = await startNatsServer();
    onTestFinished(() => nats.dispose());
    await startNode({ nats: nats.url, node: 'keeper', roles: 'store' });
    const doer = await startRotaNode(CONFIGURED, { nats: nats.url, node: 'doer', roles: 'intake,queues' });
    onTestFinished(() => doer.stop());
    const id = await enqueueWith(client, mail, { to: 'ada' });
    await dealtWith();
    expect(await ended(doer, id)).toMatchObject({ state: 'completed', attemptedBy: { node: 'doer' } });
  });

  test('keeps the order of its statement, and all of many arrive', async () => {
    const node = await startNode();
    await client.query(`select rota.enqueue('debounced', jsonb_build_object('n', n), options => '{"unique":false}')
      from generate_series(1, 2500) as n`);
    await dealtWith();
    const seen: number[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await node.ask('jobs.job.list', { order: 'asc', limit: 500, ...(cursor ? { cursor } : {}) });
      seen.push(...page.jobs.map(({ args }: { args: { n: number } }) => args.n));
      cursor = page.cursor;
    }
    expect(seen).toEqual(Array.from({ length: 2_500 }, (_, n) => n + 1));
  });

  test('is one job when its node is killed between the commit of the job and the end of the request', async () => {
    const { rota } = await startProcess();
    // Whoever forgets a request waits for this test.
    const gate = await plainClient(database.url);
    await gate.query(`create function public.at_gate() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock(77); return old; end'`);
    await gate.query(
      'create trigger gate before delete on rota.requests for each row execute function public.at_gate()',
    );
    await gate.query('select pg_advisory_lock(77)');
    const id = await enqueueWith(client, 'work', {});
    await until(
      () => rows('select 1 from rota.jobs where id = $1', [id]),
      (found) => found.length === 1,
    );
    await rota.kill();
    expect(await rows('select deliveries from rota.requests')).toEqual([{ deliveries: 1 }]);
    await gate.query('select pg_advisory_unlock(77)');
    await gate.query('drop trigger gate on rota.requests');
    await rota.start();
    await dealtWith();
    await until(
      () => rows('select state, run from rota.jobs'),
      ([row]) => row.state === 'completed',
    );
    expect(await rows('select id::text from rota.jobs')).toEqual([{ id }]);
  });

  test('that ends whoever checks it is handled alone, and given up', async () => {
    await (await openTestStore(database.url)).close();
    client = await plainClient(database.url);
    watcher = await plainClient(database.url);
    const poison = await enqueueWith(client, 'poison', { how: 'crash' });
    const good = await enqueueWith(client, 'work', {});
    // As it is after it took its neighbours along for three times, and was then tried alone for twice.
    await client.query('update rota.requests set deliveries = 5 where id = $1', [poison]);
    await client.query(`insert into rota.suspect_messages (key, tries, at)
      select id || ':' || seq, 2, extract(epoch from clock_timestamp()) * 1000
        from rota.requests where id = '${poison}'`);
    const rota = await RotaProcess.make({ config: CONFIG, env: { ROTA_STORE: database.url } });
    onTestFinished(() => rota.dispose());
    await rota.launch('starting');
    expect(await rota.exited).toMatchObject({ signal: 'SIGKILL' });
    expect(await rows('select id::text from rota.jobs')).toEqual([{ id: good }]);
    await rota.start();
    await dealtWith();
    expect(await rows('select message_id, code from rota.rejected_messages')).toEqual([
      { message_id: poison, code: 'invalid_request' },
    ]);
    expect(rota.running).toBe(true);
  });

  test('is taken when the database is back, and its node lives on meanwhile', async () => {
    const server = await startPostgres({ fsync: false });
    onTestFinished(() => server.dispose());
    const node = await startNode({ store: server.url });
    await server.stop();
    await until(
      () => node.request('jobs.enqueue.default', { type: 'mail.send', args: { to: 'x' } }, { timeoutMs: 20_000 }),
      ({ status }) => status === 503,
    );
    await server.restart();
    const again = await plainClient(server.url);
    const id = await enqueueWith(again, mail, { to: 'ada' });
    await until(
      () => node.request('jobs.job.wait', { id }),
      ({ value }) => value.state === 'completed',
    );
  });

  test('is lost and doubled by no kill -9 of its node in the middle of many', async () => {
    const { rota } = await startProcess();
    const ids: string[] = [];
    for (let life = 0; life < 2; life += 1) {
      const before = ids.length;
      await client.query('begin');
      for (let n = 0; n < 800; n += 1) ids.push(await enqueueWith(client, 'work', { n }));
      await client.query('commit');
      await until(
        () => rows('select count(*)::int as n from rota.jobs'),
        ([row]) => row.n > before,
      );
      await rota.kill();
      await rota.start();
    }
    await dealtWith();
    await until(
      () => rows(`select count(*)::int as n from rota.jobs where state <> 'completed'`),
      ([row]) => row.n === 0,
    );
    const stored = await rows('select id::text from rota.jobs');
    expect(stored.map(({ id }) => id).sort()).toEqual([...ids].sort());
  });
});
