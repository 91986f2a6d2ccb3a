import { afterEach, expect, it, vi } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import { Connection } from '../../../src/store/postgres/connection.ts';
import { usePostgresClient } from '../../conformance/store/postgres-drivers.ts';
import { newJob, request, T0 } from '../../conformance/store/store-driver.ts';

const { client, driver } = usePostgresClient();

afterEach(() => {
  vi.restoreAllMocks();
});

const some = (count: number, part: (at: number) => Partial<NewJob> = () => ({})): NewJob[] =>
  Array.from({ length: count }, (_, at) => newJob({ args: { at }, ...part(at) }));
const ids = (jobs: readonly { id: string }[]): string[] => jobs.map(({ id }) => id);
const CLAIM = { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a' };

/** Does something once, before the n-th statement that has a text. */
function before(part: string, deed: () => Promise<unknown>): void {
  const { lists } = Connection.prototype;
  let done = false;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(async function (this: Connection, statement, values) {
    if (!done && statement.text.includes(part)) {
      done = true;
      await deed();
    }
    return lists.call(this, statement, values);
  });
}

it.each([[{ priority: 0 }], [{ priority: 0, tags: ['x'] }]])(
  'a claim sees what its own group inserted before, in order: line %j',
  async (part) => {
    const store = await driver();
    expect(await store.claim()).toEqual([]);
    await store.insert(...some(30));
    const urgent = newJob(part);
    const [, reply] = await store.group(
      request('insert', { jobs: [urgent] }),
      request('claim', { ...CLAIM, limit: 2 }),
    );
    expect(ids((reply as { answer: ClaimedJob[] }).answer)[0]).toBe(urgent.id);
  },
);

it('a claim sees what its own group inserted before, in order: start', async () => {
  const store = await driver();
  await store.insert(...some(30));
  await store.claim({ limit: 10 });
  const urgent = newJob({ priority: 0 });
  const [, reply] = await store.group(request('insert', { jobs: [urgent] }), request('claim', { ...CLAIM, limit: 2 }));
  expect(ids((reply as { answer: ClaimedJob[] }).answer)[0]).toBe(urgent.id);
});

it('sets jobs of others aside also where its own ones are always known', async () => {
  const store = await driver();
  const types = ['mine'];
  expect(await store.claim({ types })).toEqual([]);
  await store.insert(...some(2_000, () => ({ type: 'theirs' })));
  await store.insert(...some(50, () => ({ type: 'mine' })));
  for (let claims = 0; claims < 1_000; claims++) {
    await store.insert(...some(5, () => ({ type: 'mine' })));
    expect(await store.claim({ types, limit: 5 })).toHaveLength(5);
    const aside = await client().query('select 1 from rota.jobs where aside is not null limit 1');
    if (aside.rows.length > 0) return;
  }
  expect.unreachable('they are walked past at each look');
});

it('a page has a job that runs and ends meanwhile', async () => {
  const store = await driver();
  const jobs = some(3);
  await store.insert(...jobs);
  const [first] = await store.claim({ limit: 1 });
  before('with jobs as materialized', () =>
    client().query(`update rota.jobs set state = 'completed' where id = '${first?.id}'`),
  );
  const page = await store.do('list', { filter: {}, limit: 10, order: 'asc' });
  expect(ids(page.jobs)).toEqual(ids(jobs));
});

it('a page has a job once that becomes due meanwhile', async () => {
  const store = await driver();
  const jobs = some(3);
  const later = newJob({ state: 'scheduled', scheduledAt: T0 + 5 });
  await store.insert(...jobs);
  await store.insert(later);
  before("jobs.state <> 'available') is false and true", () =>
    client().query(`update rota.jobs set state = 'available' where id = '${later.id}'`),
  );
  const page = await store.do('list', { filter: {}, limit: 10, order: 'asc' });
  expect(ids(page.jobs)).toEqual(ids([...jobs, later]));
});

it('a page does not say that it is the last one because a job of it was pruned meanwhile', async () => {
  const store = await driver();
  const jobs = some(30, (at) => ({ queue: `q${at % 15}`, state: 'scheduled', scheduledAt: T0 + 1_000 }));
  await store.insert(...jobs);
  before('found.seq, found.id', () => client().query(`delete from rota.jobs where id = '${jobs[0]?.id}'`));
  const page = await store.do('list', { filter: {}, limit: 10, order: 'asc' });
  expect(page.cursor).not.toBe(null);
});

it('a sweep cancels a job that fails meanwhile, and counts one that becomes due once', async () => {
  const store = await driver();
  const later = newJob({ state: 'scheduled', scheduledAt: T0 + 5 });
  await store.insert(...some(1));
  await store.insert(later);
  before("jobs.state <> 'available') is false and true", () =>
    client().query(`update rota.jobs set state = 'available' where id = '${later.id}'`),
  );
  const answer = await store.do('sweep', { now: T0, action: 'cancel', filter: {}, terminate: false, limit: 10 });
  expect(answer.done).toBe(2);
});

it('a sweep cancels a job that fails meanwhile', async () => {
  const store = await driver();
  await store.insert(...some(1));
  const [first] = await store.claim();
  await store.insert(...some(1));
  before('with jobs as materialized', () =>
    client().query(`update rota.jobs set state = 'retryable' where id = '${first?.id}'`),
  );
  const answer = await store.do('sweep', { now: T0, action: 'cancel', filter: {}, terminate: false, limit: 10 });
  expect(answer.done).toBe(2);
});

it('knows its rows also after they were frozen and written anew', async () => {
  const store = await driver();
  expect(await store.claim()).toEqual([]);
  await store.insert(...some(30));
  await client().query('vacuum (freeze) rota.jobs');
  const taken: number[] = [];
  const { lists } = Connection.prototype;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(async function (this: Connection, statement, values) {
    const rows = await lists.call(this, statement, values);
    if (statement.text.includes('xmin = any')) taken.push(rows.length);
    return rows;
  });
  expect(await store.claim({ limit: 10 })).toHaveLength(10);
  await client().query('vacuum (full, freeze) rota.jobs');
  expect(await store.claim({ limit: 10 })).toHaveLength(10);
  expect(taken).toEqual([10, 10]);
});
