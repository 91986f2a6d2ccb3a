import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import { examineSchema } from '../../../src/store/postgres/examine-schema.ts';
import { MIGRATIONS } from '../../../src/store/postgres/migrate.ts';
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.ts';
import { ServerPool, Servers } from '../../../src/store/postgres/server-pool.ts';
import { readStoreUrl } from '../../../src/store/postgres/store-url.ts';
import { newJob, StoreDriver } from '../../conformance/store/store-driver.ts';
import { freePort } from '../../support/free-port.ts';
import { runAs } from '../../support/postgres/database.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { startPooler } from '../../support/postgres/pooler.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres/postgres-server.ts';
import { TcpGate } from '../../support/tcp-gate.ts';

const newId = uuidSource(systemClock);

async function open(url: string, warn = (_: string): void => {}, signal?: AbortSignal) {
  const clock = followingClock(systemClock);
  const given = { url, random: systemRandom, clock, newId, warn, ...(signal && { signal }) };
  const driver = new StoreDriver(await openPostgresStore(given));
  return Object.assign(driver, { [Symbol.asyncDispose]: () => driver.store.close() });
}

/** The URL of a database on several servers. */
const urlOf = (...ports: number[]): string =>
  `postgres://rota@${ports.map((port) => `127.0.0.1:${port}`).join()}/rota?target_session_attrs=read-write`;

/** How many sessions of ours a server has. */
async function sessionsOf({ adminUrl }: PostgresServer): Promise<number> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  const { rowCount } = await client.query("select 1 from pg_stat_activity where application_name = 'rota'");
  await client.end();
  return rowCount ?? 0;
}

describe('a URL of several hosts', () => {
  it('is one for each, alike but for the host', () => {
    const url = 'postgresql://u:p,@h1,h2:6543,[::1]:1/d?target_session_attrs=read-write&schema=s&sslmode=require';
    const { urls, needs, schema } = readStoreUrl(url);
    expect(urls).toEqual(['h1', 'h2:6543', '[::1]:1'].map((host) => `postgresql://u:p,@${host}/d?sslmode=require`));
    expect([needs, schema]).toEqual(['read-write', 's']);
    expect(readStoreUrl('postgres://h1,h2/d').needs).toBe('primary');
  });

  it.each([
    'postgres://h1,/d',
    'postgres://,h2/d',
    'postgres://u@h1,,h2/d',
    'postgres://h1:x,h2/d',
    'postgres:///d?host=h1,h2',
    'postgres://h/d?port=1,2',
    'postgres://h1,h2/d?target_session_attrs=any',
    'postgres://h/d?target_session_attrs=standby',
  ])('is refused: %s', (url) => {
    expect(() => readStoreUrl(url)).toThrow(expect.objectContaining({ code: 'invalid_config' }));
  });
});

it('gives no session of a server that was left, though it is idle and well', async () => {
  await using one = await freshDatabase();
  await using other = await freshDatabase();
  const servers = new Servers({ urls: [one.url, other.url], needs: 'primary' });
  const pool = new ServerPool(servers, { max: 2, settings: false });
  onTestFinished(() => pool.end());
  const [first, second] = [await pool.connect(), await pool.connect()];
  expect([first.server, second.server]).toEqual([one.url, one.url]);
  first.release();
  servers.leave(one.url);
  servers.leave(one.url);
  second.release();
  const [third, fourth] = [await pool.connect(), await pool.connect()];
  expect([third.server, fourth.server]).toEqual([other.url, other.url]);
  third.release();
  fourth.release();
});

describe('a primary and its standby', () => {
  let primary: PostgresServer;
  let standby: PostgresServer;
  beforeAll(async () => {
    primary = await startPostgres({ fsync: false });
    standby = await primary.startStandby();
  });
  afterAll(async () => {
    await primary?.dispose();
    await standby?.dispose();
  });

  it('are one store, in whatever order they are named', async () => {
    const nobody = await freePort();
    await using store = await open(urlOf(nobody, standby.port, primary.port));
    await using other = await open(urlOf(primary.port, standby.port));
    const job = newJob();
    await store.insert(job);
    expect(await other.do('states', { ids: [job.id] })).toEqual([{ id: job.id, state: 'available' }]);
    expect(await sessionsOf(standby)).toBe(0);
    expect(await examineSchema(urlOf(standby.port, primary.port))).toMatchObject({ version: MIGRATIONS.length });
  });

  it('are none while only the standby can be reached', async () => {
    const [warn, over] = [vi.fn(), new AbortController()];
    const opening = open(urlOf(standby.port), warn, over.signal);
    await vi.waitFor(() => expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('it is a standby')));
    over.abort();
    await expect(opening).rejects.toThrow('it is a standby');
    const nobody = await freePort();
    await expect(examineSchema(urlOf(nobody, standby.port))).rejects.toThrow(
      `no server takes writes: 127.0.0.1:${nobody}: connect ECONNREFUSED 127.0.0.1:${nobody}; ` +
        `127.0.0.1:${standby.port}: it is a standby`,
    );
  });

  it('are told apart from what lets nobody in', async () => {
    const wrong = urlOf(primary.port, standby.port).replace('/rota?', '/nowhere?');
    await expect(open(wrong)).rejects.toMatchObject({ code: 'invalid_config' });
  });

  it('takes one that is read-only by default where no more is asked than a primary', async () => {
    await using database = await primary.freshDatabase();
    await using kept = await open(database.url);
    await runAs(database.adminUrl, [`alter database ${database.name} set default_transaction_read_only = on`]);
    await using store = await open(database.url);
    expect(await store.insert(newJob())).toMatchObject([{ conflict: false }]);
    await expect(examineSchema(`${database.url}?target_session_attrs=read-write`)).rejects.toThrow(
      'it takes no writes',
    );
    expect(await kept.insert(newJob())).toMatchObject([{ conflict: false }]);
  });

  it('are not taken one for the other where a pooler goes over to the standby', async () => {
    const port = await freePort();
    const gates = [new TcpGate(port, primary.port), new TcpGate(port, standby.port)] as const;
    await gates[0].open();
    const url = new URL(primary.url);
    url.port = String(port);
    await using pooler = await startPooler(url.href);
    await using store = await open(`${pooler.url}?prepare=false`);
    expect(await store.do('leader', {})).toBeNull();
    await gates[0].shut();
    await gates[1].open();
    // A standby may lag behind: what it says is no answer.
    await expect(store.do('leader', {})).rejects.toMatchObject({ code: 'unavailable' });
    await expect(store.insert(newJob())).rejects.toMatchObject({ code: 'unavailable' });
    // It would let the store's farewell wait for the server to come back.
    await pooler.dispose();
    await gates[1].shut();
  }, 30_000);

  it('goes on with the standby once that is promoted, and with nothing of the former primary', async () => {
    await using store = await open(urlOf(primary.port, standby.port));
    const [before, after] = [newJob(), newJob()];
    await store.insert(before);
    await primary.kill();
    // A promotion that takes longer than a store waits is an outage to who asks, who asks again.
    const inserting = store.insert(after).catch(() => undefined);
    await standby.promote();
    const again = () => vi.waitFor(() => store.insert(after), { timeout: 20_000, interval: 100 });
    expect((await inserting) ?? (await again())).toMatchObject([{ conflict: false }]);
    expect(await store.do('states', { ids: [before.id, after.id] })).toHaveLength(2);

    // The former one follows, and is as quick to answer.
    await primary.dispose();
    primary = await standby.startStandby(primary.port);
    [primary, standby] = [standby, primary];
    await using later = await open(urlOf(standby.port, primary.port));
    await later.insert(newJob());
    expect(await sessionsOf(standby)).toBe(0);

    // And back. All sessions leave the server that is a primary no more.
    await primary.stop('fast');
    await standby.promote();
    for (const each of [store, later]) expect(await each.insert(newJob())).toMatchObject([{ conflict: false }]);
    expect(await later.do('states', { ids: [before.id, after.id] })).toHaveLength(2);
  }, 60_000);
});
