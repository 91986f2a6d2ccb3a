import { Client } from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import { PASSED_MAX } from '../../../src/store/postgres/statements/prune.ts';
import { usePostgresClient } from '../../conformance/store/postgres-drivers.ts';
import type { StoreDriver } from '../../conformance/store/store-driver.ts';

const { url, client, driver } = usePostgresClient();

afterEach(() => {
  vi.restoreAllMocks();
});

const DAY_MS = 86_400_000;
const NOW = 1_700_000_000_000;
const KEEP = { completed: DAY_MS, cancelled: DAY_MS, discarded: DAY_MS };

/** Jobs that have ended: when they were inserted and when they ended, in milliseconds before {@link NOW}. */
async function put(
  jobs: number,
  at: { inserted: number; ended: number; queue?: string; state?: string },
): Promise<void> {
  const { inserted, ended, queue = 'default', state = 'completed' } = at;
  await client().query(
    `insert into rota.jobs (id, scheduled_at, inserted_at, attempted_at, finished_at, max_attempts, priority, state, queue,
        type, args)
      select gen_random_uuid(), $1, $1, $1, $2, 20, 5, $3, $4, 't', '{}' from generate_series(1, $5::integer)`,
    [NOW - inserted, NOW - ended, state, queue, jobs],
  );
}

const prune = async (one: StoreDriver, limit = 1_000, now = NOW): Promise<number> =>
  (await one.do('prune', { now, keepMs: KEEP, limit })).pruned;

const left = async (): Promise<number> =>
  Number((await client().query('select count(*) as n from rota.jobs')).rows[0].n);

it('passes over what ended lately, so many at a time, goes on where it stopped, and begins anew after the end', async () => {
  const one = await driver();
  await put(PASSED_MAX + 1_500, { inserted: 9 * DAY_MS, ended: DAY_MS / 2 });
  await put(7, { inserted: 9 * DAY_MS, ended: 9 * DAY_MS });
  await put(5, { inserted: 9 * DAY_MS, ended: 9 * DAY_MS, queue: 'other', state: 'discarded' });
  await put(3, { inserted: 2_000, ended: 1_000 });
  // Another queue does not wait until all of it is passed over.
  expect(await prune(one)).toBe(5);
  expect(await prune(one)).toBe(7);
  expect(await prune(one)).toBe(0);
  expect(await left()).toBe(PASSED_MAX + 1_503);
  // Half a day later they are past their time, and all are found, whatever was passed over before.
  let pruned = 0;
  for (let step = 0; step < 200 && pruned < PASSED_MAX + 1_500; step++)
    pruned += await prune(one, 1_000, NOW + DAY_MS / 2);
  expect(pruned).toBe(PASSED_MAX + 1_500);
});

it('deletes no more than it is told to, and goes on behind what it deleted', async () => {
  const one = await driver();
  await put(5, { inserted: 3 * DAY_MS, ended: 1 });
  await put(25, { inserted: 3 * DAY_MS, ended: 2 * DAY_MS });
  await put(5, { inserted: 3 * DAY_MS, ended: 2 * DAY_MS, state: 'cancelled' });
  expect([await prune(one, 10), await prune(one, 10), await prune(one, 10)]).toEqual([10, 10, 10]);
  expect(await prune(one, 10)).toBe(0);
  expect(await left()).toBe(5);
});

it('is not stopped by what a clock that went ahead left behind', async () => {
  const one = await driver();
  await put(3, { inserted: -9 * DAY_MS, ended: -9 * DAY_MS });
  await put(4, { inserted: 2 * DAY_MS, ended: 2 * DAY_MS });
  expect(await prune(one)).toBe(4);
  expect(await left()).toBe(3);
});

it('reads what it deletes and one row more', async () => {
  const one = await driver();
  await put(40, { inserted: 2 * DAY_MS, ended: 2 * DAY_MS });
  await put(5_000, { inserted: 2_000, ended: 1_000 });
  await client().query('analyze rota.jobs');
  const query = vi.spyOn(Client.prototype, 'query');
  expect(await prune(one, 10)).toBe(10);
  // The driver is given an object with the text and the values.
  const asked = query.mock.calls.map(([config]) => config as unknown as { text: string; values: unknown[] });
  query.mockRestore();
  const walk = asked.find(({ text }) => text.startsWith('with near'));
  await client().query('begin');
  const { rows } = await client().query({
    text: `explain (analyze, format json) ${walk?.text}`,
    values: walk?.values ?? [],
  });
  await client().query('rollback');
  const plan = JSON.stringify(rows[0]['QUERY PLAN']);
  const scans = [...plan.matchAll(/"Index Name":"(\w+)".*?"Actual Rows":(\d+)/g)];
  expect(scans.map(([, index]) => index)).toEqual(['jobs_placed']);
  expect(Number(scans[0]?.[2])).toBeLessThanOrEqual(12);
});

it.each([
  ['is retried', "state = 'available'"],
  ['has ended anew', `finished_at = ${NOW}`],
])('never deletes a job that %s meanwhile', async (_what, change) => {
  const one = await driver();
  await put(3, { inserted: 2 * DAY_MS, ended: 2 * DAY_MS });
  await client().query('begin');
  await client().query(`update rota.jobs set ${change} where seq = (select min(seq) from rota.jobs)`);
  const pruned = prune(one);
  const waiting = new Client({ connectionString: url() });
  await waiting.connect();
  try {
    const blocked = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'with near%'";
    await vi.waitUntil(async () => (await waiting.query(blocked)).rows.length > 0, { timeout: 10_000, interval: 5 });
  } finally {
    await waiting.end();
  }
  await client().query('commit');
  expect(await pruned).toBe(2);
  expect(await left()).toBe(1);
});
