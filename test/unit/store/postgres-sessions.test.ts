import { Client } from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { INCOMPLETE_STATES } from '../../../src/job/state.ts';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import type { InsertResult } from '../../../src/store/job-store.ts';
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.ts';
import { ANSWER_TIMEOUT_MS, withSettings } from '../../../src/store/postgres/settings.ts';
import { newJob, request, StoreDriver } from '../../conformance/store/store-driver.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { startPooler } from '../../support/postgres/pooler.ts';
import { startPostgres } from '../../support/postgres/postgres-server.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const open = async (url: string): Promise<StoreDriver> =>
  new StoreDriver(
    await openPostgresStore({
      ...{ url, random: systemRandom, clock: followingClock(systemClock), newId: uuidSource(systemClock) },
    }),
  );

/** The texts of what the driver was asked from now on. */
function asked(): () => string[] {
  const query = vi.spyOn(Client.prototype, 'query');
  // The store asks with an object that has a text.
  return () => query.mock.calls.map(([config]) => String((config as unknown as { text?: unknown }).text));
}

it('sets its settings once for each connection, beside what the URL asks for', async () => {
  await using database = await freshDatabase();
  const driver = await open(database.url);
  const texts = asked();
  await driver.insert(newJob());
  await driver.claim();
  expect(texts().filter((text) => text.startsWith('begin'))).toHaveLength(2);
  expect(texts().some((text) => text.includes('set_config'))).toBe(false);
  await driver.store.close();
  const client = new Client({ connectionString: withSettings(`${database.url}?options=-c%20work_mem%3D7MB`) });
  await client.connect();
  const settings = ['work_mem', 'enable_seqscan', 'enable_sort', 'statement_timeout'];
  const { rows } = await client.query(`select ${settings.map((name) => `current_setting('${name}') as ${name}`)}`);
  await client.end();
  expect(rows).toEqual([{ work_mem: '7MB', enable_seqscan: 'off', enable_sort: 'off', statement_timeout: '8s' }]);
});

it('sets them for each transaction where a pooler keeps the sessions', async () => {
  await using database = await freshDatabase();
  await using pooler = await startPooler(database.url);
  for (const url of [pooler.url, `${pooler.url}?prepare=false`]) {
    const driver = await open(url);
    const texts = asked();
    expect(await driver.do('queues', {})).toEqual([]);
    expect(await driver.do('queues', {})).toEqual([]);
    const set = texts().filter((text) => text.includes("set_config('enable_sort', 'off', true)"));
    expect(set).toHaveLength(2);
    await driver.store.close();
    vi.restoreAllMocks();
  }
});

it('prepares its statements on each of its sessions, and none where that is turned off', async () => {
  await using database = await freshDatabase();
  for (const [parameters, prepares] of [
    ['', true],
    ['?prepare=false', false],
  ] as const) {
    const driver = await open(`${database.url}${parameters}`);
    const query = vi.spyOn(Client.prototype, 'query');
    await driver.insert(newJob());
    expect(await driver.claim()).toHaveLength(1);
    await driver.do('leader', {});
    const sessions = [...new Set(query.mock.contexts as unknown as Client[])];
    vi.restoreAllMocks();
    // One for jobs and one for nodes and the lead.
    expect(sessions).toHaveLength(2);
    for (const session of sessions) {
      const { rows } = await session.query("select 1 from pg_prepared_statements where name like 'rota%'");
      expect(rows.length > 0).toBe(prepares);
    }
    await driver.store.close();
  }
});

it('runs a group again where a job of it is there already, and from then on looks first', async () => {
  await using database = await freshDatabase();
  const driver = await open(database.url);
  const [there, fresh, other] = [newJob(), newJob(), newJob()];
  await driver.insert(there);
  const texts = asked();
  const inserts = (...jobs: ReturnType<typeof newJob>[]) => jobs.map((job) => request('insert', { jobs: [job] }));
  const replies = await driver.group(...inserts(fresh, there, fresh));
  const conflicts = replies.map((reply) => reply.ok && (reply.answer as { conflict: boolean }[])[0]?.conflict);
  expect(conflicts).toEqual([false, true, true]);
  expect(replies.flatMap((reply) => (reply.ok ? reply.facts : [])).map(({ what, id }) => [what, id])).toEqual([
    ['inserted', fresh.id],
  ]);
  await driver.group(...inserts(there, other));
  expect(texts().filter((text) => text === 'rollback')).toHaveLength(1);
  expect((await driver.do('count', { filter: {} })).total).toBe(3);
  await driver.store.close();
});

it('asks no more for a hundred jobs of one unique key than for two', async () => {
  await using database = await freshDatabase();
  const driver = await open(database.url);
  const unique = { key: 'k', withinMs: null, states: [...INCOMPLETE_STATES], onConflict: { kind: 'keep' } } as const;
  const jobs = Array.from({ length: 100 }, () => newJob({ unique: { ...unique, states: [...unique.states] } }));
  // One that came before under its id, whatever it was then, is answered as it is.
  const before = newJob({ queue: 'other' });
  await driver.insert(before);
  jobs.push(newJob({ id: before.id, unique: { ...unique, states: [...unique.states] } }));
  const texts = asked();
  const replies = await driver.group(...jobs.map((job) => request('insert', { jobs: [job] })));
  expect(texts().length).toBeLessThan(10);
  const results = replies.map((reply) => reply.ok && (reply.answer as InsertResult[])[0]);
  expect(results.map((result) => result && [result.job.id, result.conflict])).toEqual(
    jobs.map(({ id }, index) => [id === before.id ? id : jobs[0]?.id, index > 0]),
  );
  expect((await driver.do('count', { filter: {} })).total).toBe(2);
  await driver.store.close();
});

it('notices a server that froze, and goes on once it is thawed', async () => {
  await using server = await startPostgres({ fsync: false });
  const driver = await open(server.url);
  await driver.insert(newJob());
  const job = newJob();
  const from = systemClock.monotonicMs();
  server.freeze();
  try {
    await expect(driver.insert(job)).rejects.toMatchObject({ code: 'unavailable' });
  } finally {
    server.thaw();
  }
  // A machine that is busy with other things may take half as long again.
  expect(systemClock.monotonicMs() - from).toBeLessThan(ANSWER_TIMEOUT_MS * 1.5);
  expect((await driver.insert(job))[0]?.conflict).toBe(false);
  await driver.store.close();
}, 40_000);
