import type { Client } from 'pg';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { jobRequest } from '../../../src/job/job-request.ts';
import { Issues } from '../../../src/kernel/check.ts';
import { isUuidV7 } from '../../../src/kernel/identity.ts';
import type { StoredRequest } from '../../../src/store/intake-verbs.ts';
import { StoreDriver } from '../../conformance/store/store-driver.ts';
import type { FreshDatabase } from '../../support/postgres/database.ts';
import { openTestStore, plainClient, urlAs } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';

const HOLD_MS = 30_000;
const BYTES_MAX = 1_000_000;
/** Long after any time of the database's: what is taken then has no holder left. */
const LATER = 4_000_000_000_000;

/** Calls that are plainly wrong, and what they are told. */
const WRONG = [
  ['null', 'type must be a job type'],
  ["'two words'", 'type must be a job type'],
  [`'${'x'.repeat(129)}'`, 'type must be a job type'],
  ["e'a\\n'", 'type must be a job type'],
  ["'a', '{}', 'a.b'", 'queue must be a queue name'],
  ["'a', '{}', ''", 'queue must be a queue name'],
  ["'a', '5'", 'args must be an object or an array'],
  ["'a', '{}', 'default', '[]'", 'options must be an object'],
  [`'a', options => '{"prio": 1}'`, 'prio is not a known option; known are id, priority'],
  [`'a', options => '{"queue": "mail"}'`, 'queue is not a known option'],
  [`'a', options => '{"type": "b"}'`, 'type is not a known option'],
  [`'a', options => '{"id": "019b8d2a-0000-4000-8000-000000000001"}'`, 'id must be a UUIDv7'],
  [`'a', options => '{"id": 7}'`, 'id must be a UUIDv7'],
  [`'a', options => '{"scheduleIn": "1h", "scheduledAt": "2030-01-01T00:00:00Z"}'`, 'scheduleIn cannot stand beside'],
] as const;

let database: FreshDatabase;
let driver: StoreDriver;
let client: Client;
beforeEach(async () => {
  database = await freshDatabase();
  onTestFinished(() => database.drop());
  driver = new StoreDriver(await openTestStore(database.url));
  client = await plainClient(database.url);
});

/** Calls the function as SQL is written by hand. */
async function enqueue(call: string, values: unknown[] = [], by = client): Promise<string> {
  const { rows } = await by.query(`select rota.enqueue(${call}) as id`, values);
  return rows[0].id;
}

async function refusal(call: string, values: unknown[] = []): Promise<{ code: string; message: string }> {
  const thrown = await enqueue(call, values).catch((error: unknown) => error);
  expect(thrown).toBeInstanceOf(Error);
  const { code, message } = thrown as { code: string; message: string };
  return { code, message };
}

async function take(part: { limit?: number; bytesMax?: number; now?: number } = {}): Promise<StoredRequest[]> {
  return (await taken(part)).requests;
}
const taken = (part: { limit?: number; bytesMax?: number; now?: number } = {}) =>
  driver.do('takeRequests', { now: Date.now(), limit: 100, bytesMax: BYTES_MAX, forMs: HOLD_MS, ...part });
const ids = (requests: readonly StoredRequest[]): string[] => requests.map(({ id }) => id);

describe('the function enqueue', () => {
  it('writes the body of an enqueue, dated by the database', async () => {
    const before = Date.now();
    const options = { priority: 'high', tags: ['a'], traceparent: '00-1-2-3' };
    const id = await enqueue("'mail.send', $1, 'mail', $2", [{ to: 'ada' }, options]);
    const [request] = await take();
    expect(request).toMatchObject({ id, queue: 'mail', traceparent: '00-1-2-3', deliveries: 1, key: `${id}:1` });
    expect(JSON.parse(request?.body ?? '')).toEqual({
      ...{ id, type: 'mail.send', args: { to: 'ada' }, priority: 'high', tags: ['a'] },
    });
    expect(request?.at).toBeGreaterThan(before - 1_000);
    expect(request?.at).toBeLessThan(Date.now() + 1_000);
  });

  it('takes a type alone, names for its parameters, and null for what is left out', async () => {
    const all = [
      await enqueue("'a'"),
      await enqueue("type => 'a', options => '{}'"),
      await enqueue("'a', null, null, null"),
      await enqueue("'a', 'null', 'default', 'null'"),
    ];
    const requests = await take();
    expect(ids(requests)).toEqual(all);
    expect(requests.map(({ queue }) => queue)).toEqual(['default', 'default', 'default', 'default']);
    expect(requests.map(({ body }) => JSON.parse(body).args)).toEqual([{}, {}, {}, {}]);
  });

  it('makes UUIDv7 ids of the time, which rise in a session', async () => {
    const { rows } = await client.query(`select rota.enqueue('a')::text as id from generate_series(1, 200)`);
    const made: string[] = rows.map(({ id }) => id);
    expect(made.every(isUuidV7)).toBe(true);
    expect(new Set(made).size).toBe(200);
    const times = made.map((id) => id.slice(0, 18));
    expect(times).toEqual([...times].sort());
    expect(Math.abs(Number.parseInt(made[0]?.replaceAll('-', '').slice(0, 12) ?? '', 16) - Date.now())).toBeLessThan(
      2_000,
    );
  });

  it('keeps an id that is given, in lower case', async () => {
    const id = '019b8d2a-0000-7000-8000-00000000000A';
    expect(await enqueue("'a', options => $1", [{ id }])).toBe(id.toLowerCase());
    expect(JSON.parse((await take())[0]?.body ?? '').id).toBe(id.toLowerCase());
  });

  it('refuses at once what is plainly wrong, and writes nothing', async () => {
    for (const [call, message] of WRONG) {
      const told = { code: '22023', message: expect.stringContaining(`enqueue: ${message}`) };
      expect(await refusal(call), call).toEqual(told);
    }
    expect(await take()).toEqual([]);
  });

  it('refuses what is too large, but nothing that the wire takes', async () => {
    const list = (bytes: number) => JSON.stringify(Array.from({ length: bytes / 2 }, () => 1));
    expect(await refusal("'a', $1", [list(400_000)])).toMatchObject({ code: '54000' });
    expect(await refusal("'a', options => $1", [{ meta: { text: 'x'.repeat(270_000) } }])).toMatchObject({
      code: '54000',
    });
    await enqueue("'a', $1", [list(256 * 1_024 - 2)]);
    await enqueue("'a', options => $1", [{ meta: { list: JSON.parse(list(65_000)) } }]);
    expect(await take()).toHaveLength(2);
  });

  it('knows the options of the wire and no others', async () => {
    const issues = new Issues();
    jobRequest({ type: 'a', nothing: 1 }, '', issues);
    const known = issues.list[0]?.message.split('known are ')[1]?.split(', ') ?? [];
    const { message } = await refusal("'a', options => $1", [{ nothing: 1 }]);
    const here = message.split('known are ')[1]?.split(', ') ?? [];
    expect([...here, 'type', 'args'].sort()).toEqual([...known, 'traceparent'].sort());
  });

  it('is there for others from the commit on, and never after a rollback', async () => {
    await client.query('begin');
    const kept = await enqueue("'a'");
    expect(await take()).toEqual([]);
    await client.query('commit');
    expect(ids(await take())).toEqual([kept]);
    await client.query('begin');
    await enqueue("'a'");
    await client.query('rollback');
    expect(await take({ now: LATER })).toHaveLength(1);
  });

  it('ends a transaction only as PostgreSQL does: a savepoint saves it', async () => {
    await client.query('begin');
    const kept = await enqueue("'a'");
    await client.query('savepoint here');
    expect(await refusal("'a b'")).toMatchObject({ code: '22023' });
    expect(await refusal("'a'")).toMatchObject({ code: '25P02' });
    await client.query('rollback to here');
    const also = await enqueue("'b'");
    await client.query('commit');
    expect(ids(await take())).toEqual([kept, also]);
  });

  it('needs the right to call it and no other, and gives none', async () => {
    const admin = await plainClient(database.adminUrl);
    const role = `app_${database.name}`;
    await admin.query(`create role ${role} login`);
    const app = await plainClient(urlAs(database.url, role));
    onTestFinished(async () => {
      const last = await plainClient(database.adminUrl);
      await app.end();
      await last.query(`drop owned by ${role}`);
      await last.query(`drop role ${role}`);
    });
    const called = () => enqueue("'a'", [], app).catch(({ code }: { code: string }) => code);
    expect(await called()).toBe('42501');
    await client.query(`grant usage on schema rota to ${role}`);
    expect(await called()).toBe('42501');
    await client.query(`grant execute on function rota.enqueue to ${role}`);
    const id = await called();
    expect(isUuidV7(id)).toBe(true);
    for (const text of ['select * from rota.requests', 'select * from rota.jobs', 'delete from rota.requests']) {
      await expect(app.query(text)).rejects.toMatchObject({ code: '42501' });
    }
    // Nothing of the caller's stands in for what the function means.
    await app.query('create temp table requests (seq int); set search_path = pg_temp, rota');
    await app.query(`create function pg_temp.octet_length(text) returns int language sql as 'select 1 / 0'`);
    const again = await enqueue("'a'", [], app);
    expect(ids(await take())).toEqual([id, again]);
  });
});

describe('requests', () => {
  it('are taken by one at a time, oldest first, and come again when their holder is silent', async () => {
    const made = [await enqueue("'a'"), await enqueue("'b'"), await enqueue("'c'")];
    const now = Date.now();
    expect(ids(await take({ now, limit: 2 }))).toEqual(made.slice(0, 2));
    expect(ids(await take({ now }))).toEqual(made.slice(2));
    expect(await take({ now: now + HOLD_MS - 1 })).toEqual([]);
    const again = await take({ now: now + HOLD_MS });
    expect(ids(again)).toEqual(made);
    expect(again.map(({ deliveries }) => deliveries)).toEqual([2, 2, 2]);
  });

  it('say whether there may be more', async () => {
    for (let n = 0; n < 3; n += 1) await enqueue("'a'");
    expect(await taken({ limit: 2 })).toMatchObject({ more: true });
    expect(await taken({ limit: 2 })).toMatchObject({ more: false, requests: [{}] });
  });

  it('are no more than may be carried, but always one', async () => {
    for (let n = 0; n < 3; n += 1) await enqueue("'a', $1", [{ text: 'x'.repeat(1_000) }]);
    const first = await taken({ bytesMax: 3_000 });
    expect(first.requests).toHaveLength(2);
    expect(first.more).toBe(true);
    expect((await taken({ bytesMax: 10 })).requests).toHaveLength(1);
  });

  it('never go to two who take at once', async () => {
    await client.query(`select rota.enqueue('a') from generate_series(1, 200)`);
    const other = new StoreDriver(await openTestStore(database.url));
    const options = { now: Date.now(), limit: 30, bytesMax: BYTES_MAX, forMs: HOLD_MS };
    const batches = await Promise.all(
      Array.from({ length: 10 }, (_, n) => (n % 2 ? driver : other).do('takeRequests', options)),
    );
    const got = batches.flatMap(({ requests }) => ids(requests));
    expect(new Set(got).size).toBe(got.length);
    const rest = [...(await take({ limit: 500 }))];
    expect(got.length + rest.length).toBe(200);
  });

  it('are forgotten when they are finished, each by its own key', async () => {
    const id = '019b8d2a-0000-7000-8000-000000000001';
    for (let n = 0; n < 2; n += 1) await enqueue("'a', options => $1", [{ id }]);
    await enqueue("'b'");
    const [first, second, third] = await take();
    expect(first?.key).not.toBe(second?.key);
    // The place of one with the id of another is neither.
    await driver.do('finishRequests', { keys: [`${third?.id}:1`, first?.key ?? ''] });
    expect((await take({ now: LATER })).map(({ key }) => key)).toEqual([second?.key, third?.key]);
  });

  it('are held for longer, or given back', async () => {
    await enqueue("'a'");
    const now = Date.now();
    const keys = (await take({ now })).map(({ key }) => key);
    await driver.do('holdRequests', { now: now + HOLD_MS, keys, forMs: HOLD_MS });
    expect(await take({ now: now + HOLD_MS + 1 })).toEqual([]);
    await driver.do('holdRequests', { now: now + HOLD_MS, keys, forMs: 500 });
    expect(await take({ now: now + HOLD_MS + 499 })).toEqual([]);
    expect(await take({ now: now + HOLD_MS + 500 })).toHaveLength(1);
  });
});
