import { Client } from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import type { StoreOptions } from '../../../src/store/job-store.ts';
import { usePostgresClient } from '../../conformance/store/postgres-drivers.ts';
import { newJob, type StoreDriver } from '../../conformance/store/store-driver.ts';

const { client, driver } = usePostgresClient();

afterEach(() => {
  vi.restoreAllMocks();
});

/** Jobs with numbers for ids, of which SQL says in which queue and state they are, and of which type. */
async function put(jobs: number, of: { queue: string; state: string; type?: string }): Promise<void> {
  const { queue, state, type = "'t'" } = of;
  await client().query(`insert into rota.jobs (id, scheduled_at, inserted_at, attempted_at, finished_at, max_attempts, priority,
      state, queue, type, args)
    select lpad(n::text, 32, '0')::uuid, n, n, n, n, 20, 5, ${state}, ${queue}, ${type}, '{}'
    from generate_series(1, ${jobs}) as n`);
  await client().query('vacuum analyze rota.jobs');
}

const numberOf = (id: string): number => Number(id.replaceAll('-', ''));

/** A page, as the numbers of its jobs, and how many entries of which indexes of jobs were read for it. */
async function page(
  one: StoreDriver,
  part: Partial<StoreOptions<'list'>>,
): Promise<{ numbers: number[]; read: number; by: string[]; cursor: string | null }> {
  const query = vi.spyOn(Client.prototype, 'query');
  const { jobs, cursor } = await one.do('list', { filter: {}, limit: 20, order: 'asc', ...part });
  // The driver is given an object with the text and the values.
  const asked = query.mock.calls.map(([config]) => config as unknown as { text: string; values?: unknown[] });
  query.mockRestore();
  let read = 0;
  const by = new Set<string>();
  for (const { text, values } of asked.filter((one) => /\$1/.test(one.text))) {
    const { rows } = await client().query({ text: `explain (analyze, format json) ${text}`, values: values ?? [] });
    for (const step of stepsOf(rows[0]['QUERY PLAN'][0].Plan)) {
      if (step['Relation Name'] !== 'jobs' || step['Actual Loops'] === 0) continue;
      by.add(step['Index Name'] ?? step['Node Type']);
      read += (step['Actual Rows'] + (step['Rows Removed by Filter'] ?? 0)) * step['Actual Loops'];
    }
  }
  return { numbers: jobs.map(({ id }) => numberOf(id)), read, by: [...by].sort(), cursor };
}

interface Step {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  Plans?: Step[];
}

const stepsOf = (step: Step): Step[] => [step, ...(step.Plans ?? []).flatMap(stepsOf)];

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

it('finds a few of one state among many of another by the index of places alone', async () => {
  const one = await driver();
  await put(10_000, { queue: "'q'", state: "case when n % 1000 = 7 then 'discarded' else 'completed' end" });
  const few = [7, 1007, 2007, 3007, 4007, 5007, 6007, 7007, 8007, 9007];
  const found = await page(one, { filter: { states: ['discarded'] } });
  expect(found).toMatchObject({ numbers: few, by: ['jobs_pkey', 'jobs_placed'] });
  expect(found.read).toBeLessThan(100);
  expect((await page(one, { filter: { states: ['discarded'], queue: 'q' }, order: 'desc' })).numbers).toEqual(
    few.reverse(),
  );
});

it('reads of many queues and states what is near enough for a page, forwards and backwards', async () => {
  const one = await driver();
  await put(10_000, {
    queue: "'q' || n % 50",
    state: "(array['completed', 'available', 'scheduled', 'discarded'])[1 + (n / 50) % 4]",
  });
  await one.insert(newJob({ queue: 'running' }));
  await one.claim({ queue: 'running' });
  const first = await page(one, {});
  expect(first).toMatchObject({
    numbers: upTo(20),
    by: ['jobs_available', 'jobs_executing', 'jobs_pkey', 'jobs_placed'],
  });
  expect(first.read).toBeLessThan(1_000);
  const second = await page(one, { cursor: first.cursor ?? '' });
  expect(second.numbers).toEqual(upTo(40).slice(20));
  const last = await page(one, {
    order: 'desc',
    filter: { states: ['completed', 'available', 'scheduled', 'discarded'] },
  });
  expect(last.numbers).toEqual(upTo(10_000).slice(-20).reverse());
  expect(last.read).toBeLessThan(1_000);
});

it('does not read a queue to its end for what another one has at once', async () => {
  const one = await driver();
  await put(40_000, {
    queue: "case when n % 100 = 0 then 'few' else 'many' end",
    state: "'completed'",
    type: "'t' || sign(n % 100)",
  });
  for (const order of ['asc', 'desc'] as const) {
    const found = await page(one, { filter: { type: 't0' }, order });
    const numbers = upTo(20).map((at) => (order === 'asc' ? at * 100 : 40_100 - at * 100));
    expect(found.numbers).toEqual(numbers);
    expect(found.read).toBeLessThan(15_000);
  }
  expect((await page(one, { filter: { type: 't2' } })).numbers).toEqual([]);
});
