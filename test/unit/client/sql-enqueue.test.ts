import { Pool } from 'pg';
import postgres from 'postgres';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { enqueueWith, type PgClient, RotaError } from '../../../src/client/client.ts';
import { exponential } from '../../../src/index.ts';
import { defineJob } from '../../../src/job/definition.ts';
import { isUuidV7 } from '../../../src/kernel/identity.ts';
import { StoreDriver } from '../../conformance/store/store-driver.ts';
import type { FreshDatabase } from '../../support/postgres/database.ts';
import { openTestStore, plainClient, urlAs } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { startPooler } from '../../support/postgres/pooler.ts';

const mail = defineJob<{ to: string }>({ type: 'mail.send', queue: 'mail', run: async () => {} });
const MAIL = {
  ...{ type: 'mail.send', args: { to: 'ada' }, priority: 'high', scheduledAt: '2030-01-01T00:00:00.000Z', tags: ['a'] },
  ...{
    deadline: '2031-01-01T00:00:00.000Z',
    backoff: { kind: 'exponential', base: 2_000 },
    meta: { quote: `it's "so" \\` },
  },
};
const OPTIONS = {
  ...{ priority: 'high' as const, scheduledAt: new Date('2030-01-01'), deadline: new Date('2031-01-01'), tags: ['a'] },
  ...{ backoff: exponential({ base: '2s' }), meta: { quote: `it's "so" \\` }, traceparent: 'trace' },
};

/** Notes what it is asked, and answers or throws what it is told. */
function fakeClient(answer: () => unknown = () => ({ rows: [] })): PgClient & { asked: unknown[] } {
  const asked: unknown[] = [];
  return {
    asked,
    query: async (text, values) => {
      asked.push([text, values]);
      return answer() as { rows: unknown[] };
    },
  };
}

async function faultOf(work: Promise<unknown>): Promise<RotaError> {
  const thrown = await work.catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(RotaError);
  return thrown as RotaError;
}

describe('enqueueWith on a database', () => {
  let database: FreshDatabase;
  let driver: StoreDriver;
  beforeEach(async () => {
    database = await freshDatabase();
    onTestFinished(() => database.drop());
    driver = new StoreDriver(await openTestStore(database.url));
  });
  const requests = async () => {
    const options = { now: Date.now(), limit: 10, bytesMax: 1_000_000, forMs: 1_000 };
    const { requests: taken } = await driver.do('takeRequests', options);
    return taken.map(({ queue, traceparent, body }) => ({ queue, traceparent, body: JSON.parse(body) }));
  };

  it('works with a client of pg, in its transaction', async () => {
    const client = await plainClient(database.url);
    await client.query('begin');
    const id = await enqueueWith(client, mail, { to: 'ada' }, OPTIONS);
    expect(isUuidV7(id)).toBe(true);
    expect(await requests()).toEqual([]);
    await client.query('commit');
    expect(await requests()).toEqual([{ queue: 'mail', traceparent: 'trace', body: { id, ...MAIL } }]);
  });

  it('works with a client of a pool of pg, and with one that was given types of its own', async () => {
    const pool = new Pool({
      connectionString: database.url,
      types: { getTypeParser: () => (text: string) => text } as never,
    });
    onTestFinished(() => pool.end());
    const lent = await pool.connect();
    const id = await enqueueWith(lent, 'mail.send', ['a'], { queue: 'other' });
    lent.release();
    expect(await requests()).toEqual([
      { queue: 'other', traceparent: null, body: { id, type: 'mail.send', args: ['a'] } },
    ]);
  });

  it('works with a transaction of postgres.js, and is gone with it', async () => {
    const sql = postgres(database.url, { max: 1 });
    onTestFinished(() => sql.end());
    const id = await sql.begin((transaction) => enqueueWith(transaction, mail, { to: 'ada' }, OPTIONS));
    const gone = sql.begin(async (transaction) => {
      await enqueueWith(transaction, mail, { to: 'bob' });
      throw new Error('no');
    });
    await expect(gone).rejects.toThrow('no');
    expect(await requests()).toEqual([{ queue: 'mail', traceparent: 'trace', body: { id, ...MAIL } }]);
  });

  it('works through a pooler that lends a connection for one transaction', async () => {
    const pooler = await startPooler(database.url);
    onTestFinished(() => pooler.dispose());
    const client = await plainClient(pooler.url);
    const sql = postgres(pooler.url, { max: 1, prepare: false });
    onTestFinished(() => sql.end());
    await client.query('begin');
    const first = await enqueueWith(client, 'a');
    await client.query('commit');
    const second = await sql.begin((transaction) => enqueueWith(transaction, 'b'));
    expect((await requests()).map(({ body }) => body.id)).toEqual([first, second]);
  });

  it('works where the store has another schema', async () => {
    const other = new StoreDriver(await openTestStore(`${database.url}?schema=jobs`));
    const id = await enqueueWith(await plainClient(database.url), mail, { to: 'ada' }, { schema: 'jobs' });
    const taken = await other.do('takeRequests', { now: Date.now(), limit: 1, bytesMax: 1_000, forMs: 1_000 });
    expect(taken.requests).toMatchObject([{ id }]);
    expect(await requests()).toEqual([]);
  });

  it('says that a schema is none of Rota, and that a role has no right', async () => {
    const client = await plainClient(database.url);
    const missing = await faultOf(enqueueWith(client, 'a', {}, { schema: 'nothing "here' }));
    expect(missing).toMatchObject({ code: 'invalid_config', message: expect.stringContaining('nothing "here') });
    await client.query('create schema empty');
    expect(await faultOf(enqueueWith(client, 'a', {}, { schema: 'empty' }))).toMatchObject({ code: 'invalid_config' });
    const admin = await plainClient(database.adminUrl);
    const role = `app_${database.name}`;
    await admin.query(`create role ${role} login`);
    const app = await plainClient(urlAs(database.url, role));
    const forbidden = await faultOf(enqueueWith(app, 'a'));
    await admin.query(`drop role ${role}`);
    expect(forbidden).toMatchObject({ code: 'forbidden', cause: { code: '42501' } });
  });
});

describe('enqueueWith', () => {
  it.each([
    ['a type that is none', 'two words', {}, {}, 'invalid_job', 'type'],
    ['an unknown option', 'a', {}, { prio: 1 }, 'invalid_job', 'prio'],
    ['a queue that is none', 'a', {}, { queue: 'a.b' }, 'invalid_request', 'queue'],
    ['an id that is none', 'a', {}, { id: 'x' }, 'invalid_job', 'id'],
    ['args that are none', 'a', 5, {}, 'invalid_job', 'args'],
    ['args that JSON has not', 'a', { n: 5n }, {}, 'invalid_args', 'args.n'],
    ['args that are too large', 'a', { text: 'x'.repeat(262_144) }, {}, 'too_large', 'args'],
    ['U+0000 in a text', 'a', { list: [{ text: 'a\u0000' }] }, {}, 'invalid_args', 'args.list.0.text'],
    ['U+0000 in a name', 'a', { 'a\u0000': 1 }, {}, 'invalid_args', 'args.a\u0000'],
    ['half a pair', 'a', {}, { meta: { text: '\ud800' } }, 'invalid_job', 'meta.text'],
    ['a schema without a name', 'a', {}, { schema: '' }, 'invalid_request', 'schema'],
  ])('refuses %s before it asks', async (...[, type, args, options, code, path]) => {
    const client = fakeClient();
    const fault = await faultOf(enqueueWith(client, type, args, options as object));
    expect({ code: fault.code, path: fault.issues[0]?.path }).toEqual({ code, path });
    expect(client.asked).toEqual([]);
  });

  it('answers the id that it was given, which makes a repeat the same job', async () => {
    const id = '019b8d2a-0000-7000-8000-000000000001';
    const client = fakeClient();
    expect(await enqueueWith(client, 'a', {}, { id })).toBe(id);
    expect(client.asked).toEqual([
      [expect.stringContaining('"rota".enqueue('), ['a', '{}', 'default', `{"id":"${id}"}`]],
    ]);
  });

  it.each([
    ['22023', 'invalid_job'],
    ['54000', 'too_large'],
  ])('tells what the function refuses with %s', async (state, code) => {
    const cause = Object.assign(new Error('enqueue: no'), { code: state });
    const client = fakeClient(() => {
      throw cause;
    });
    expect(await faultOf(enqueueWith(client, 'a'))).toMatchObject({ code, message: 'enqueue: no', cause });
  });

  it('leaves to its caller what is the transaction’s', async () => {
    const conflict = Object.assign(new Error('could not serialize'), { code: '40001' });
    const client = fakeClient(() => {
      throw conflict;
    });
    await expect(enqueueWith(client, 'a')).rejects.toBe(conflict);
  });
});
