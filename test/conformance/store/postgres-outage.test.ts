import { Client } from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../../src/store/postgres/postgres-store.ts';
import { freePort } from '../../support/free-port.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres/postgres-server.ts';
import { TcpGate } from '../../support/tcp-gate.ts';
import { newJob, request, StoreDriver, T0 } from './store-driver.ts';

const newId = uuidSource(systemClock);

/** A store, with what it warned of. */
async function open(
  url: string,
  part: Partial<PostgresStoreOptions> = {},
): Promise<StoreDriver & { [Symbol.asyncDispose](): Promise<void> }> {
  const clock = followingClock(systemClock);
  const driver = new StoreDriver(await openPostgresStore({ url, random: systemRandom, clock, newId, ...part }));
  return Object.assign(driver, { [Symbol.asyncDispose]: () => driver.store.close() });
}

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ fsync: false, password: 'right' });
});
afterAll(() => server.dispose());

const adminOf = async (url: string): Promise<Client> => {
  const admin = new Client({ connectionString: url });
  admin.on('error', () => {});
  await admin.connect();
  return admin;
};

it('goes on after a restart of the server, also with groups that come while it is away', async () => {
  await using database = await server.freshDatabase();
  await using store = await open(database.url);
  await store.insert(newJob());
  await server.restart();
  expect(await store.claim()).toHaveLength(1);
  await server.stop('immediate');
  const insert = store.insert(newJob());
  const claim = store.claim({ queue: 'other' });
  await server.restart();
  expect((await insert)[0]?.conflict).toBe(false);
  expect(await claim).toEqual([]);
});

it('refuses as unavailable while the server stays away, and goes on when it is back', async () => {
  await using database = await server.freshDatabase();
  await using store = await open(database.url);
  const job = newJob();
  await server.kill();
  await expect(store.group(request('insert', { jobs: [job] }))).rejects.toMatchObject({ code: 'unavailable' });
  await server.restart();
  // It is dialled about once in a second by now; until then asking costs nothing.
  const inserted = await vi.waitFor(() => store.insert(job), { timeout: 3_000 });
  expect(inserted[0]?.conflict).toBe(false);
}, 20_000);

it('finds out that a commit whose answer was lost has been done', async () => {
  await using database = await server.freshDatabase();
  const gate = new TcpGate(await freePort(), server.port);
  await gate.open();
  const through = new URL(database.url);
  through.port = String(gate.port);
  await using store = await open(through.href);
  const admin = await adminOf(database.adminUrl);
  const job = await store.running();
  await admin.query(`create function rota.hold() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock(77); return null; end'`);
  await admin.query(`create constraint trigger hold after insert on rota.outbox deferrable initially deferred
    for each row execute function rota.hold()`);
  await admin.query('select pg_advisory_lock(77)');
  const done = store.complete(job);
  await vi.waitFor(async () => {
    const { rows } = await admin.query(
      "select 1 from pg_stat_activity where query = 'commit' and wait_event_type = 'Lock'",
    );
    expect(rows).toHaveLength(1);
  });
  await gate.shut();
  await gate.open();
  await admin.query('select pg_advisory_unlock(77)');
  expect((await done).settled).toEqual([{ id: job.id, state: 'completed' }]);
  expect(store.whats()).toEqual(['completed']);
  const { rows } = await admin.query('select places from rota.outbox');
  expect(rows).toEqual([{ places: 1 }]);
  await admin.end();
  await store.store.close();
  await gate.shut();
});

it('waits for the server when it opens, tells it once, and gives up on a signal', async () => {
  await using database = await server.freshDatabase();
  await server.stop();
  const warn = vi.fn();
  const opening = open(database.url, { warn });
  const over = new AbortController();
  const given = open(database.url, { signal: over.signal });
  await vi.waitFor(() => expect(warn).toHaveBeenCalledTimes(1));
  over.abort();
  await expect(given).rejects.toThrow('no connection to the database');
  await server.restart();
  await using store = await opening;
  expect(warn).toHaveBeenCalledTimes(1);
  expect(await store.do('leader', {})).toBeNull();
});

it('refuses what no waiting mends', async () => {
  await using database = await server.freshDatabase();
  const wrong = new URL(database.url);
  wrong.password = 'wrong';
  await expect(open(wrong.href)).rejects.toMatchObject({ code: 'invalid_config' });
  const nowhere = new URL(database.url);
  nowhere.pathname = '/nowhere';
  await expect(open(nowhere.href)).rejects.toMatchObject({ code: 'invalid_config' });
});

it('refuses the schema of a newer program, and warns of one that has drifted', async () => {
  await using database = await server.freshDatabase();
  await (await open(database.url)).store.close();
  const admin = await adminOf(database.adminUrl);
  await admin.query("update rota.migrations set checksum = 'another' where version = 2");
  const warn = vi.fn();
  await (await open(database.url, { warn })).store.close();
  expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('migration 2'));
  await admin.query("insert into rota.migrations (version, name, checksum) values (99, 'later', 'x')");
  await expect(open(database.url)).rejects.toMatchObject({ code: 'invalid_config' });
  await admin.end();
});

it('keeps its tables in the schema that its URL names', async () => {
  await using database = await server.freshDatabase();
  await using one = await open(`${database.url}?schema=one`);
  await using two = await open(`${database.url}?schema=two&pool=1`);
  await one.insert(newJob());
  expect((await one.do('count', { filter: {} })).total).toBe(1);
  expect((await two.do('count', { filter: {} })).total).toBe(0);
});

it("corrects the clock by the database's", async () => {
  await using database = await server.freshDatabase();
  const clock = followingClock({ ...systemClock, now: () => systemClock.now() - 3_600_000 });
  await using store = await open(database.url, { clock });
  await store.do('leader', {});
  expect(Math.abs(clock.now() - systemClock.now())).toBeLessThan(1_000);
});

it('holds every text that comes from outside', async () => {
  await using database = await server.freshDatabase();
  await using store = await open(database.url);
  const odd = ['a\u0000b', '\ud800', '\u0001"x"', '{"a",b}\\', 'NULL', ''];
  for (const text of odd) {
    const reference = { type: text, id: `${text}!` };
    const job = newJob({ reference, args: { text }, tags: [text], meta: { [text]: text } });
    await store.insert(job);
    const found = await store.do('list', { filter: { reference }, limit: 5, order: 'asc' });
    expect(found.jobs.map(({ id }) => id)).toEqual([job.id]);
    expect(found.jobs[0]).toMatchObject({ reference, args: { text }, tags: [text], meta: { [text]: text } });
    expect((await store.do('list', { filter: { tag: text }, limit: 5, order: 'asc' })).jobs).toHaveLength(1);
    const rejected = { key: `k${text}`, at: T0, queue: text, msgId: text, code: 'c', message: text, issues: [] };
    await store.do('reject', { rejected: [rejected] });
    expect((await store.do('rejected', { limit: 1 })).rejected).toEqual([rejected]);
  }
});
