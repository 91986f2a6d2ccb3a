import { afterEach, expect, it, vi } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import { Connection } from '../../../src/store/postgres/connection.ts';
import type { QueueChange } from '../../../src/store/queue-record.ts';
import { usePostgresDrivers } from '../../conformance/store/postgres-drivers.ts';
import { failure, newJob, request, type StoreDriver, T0 } from '../../conformance/store/store-driver.ts';

const { driver } = usePostgresDrivers();

afterEach(() => {
  vi.restoreAllMocks();
});

/** The claims of all stores from now on: those of jobs that the store knew to be next, and those that looked for them. */
function claims(): { fresh: number; looked: number } {
  const seen = { fresh: 0, looked: 0 };
  const { lists } = Connection.prototype;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(function (this: Connection, statement, values) {
    if (statement.text.includes('xmin = any')) seen.fresh += 1;
    if (statement.text.startsWith('with picked')) seen.looked += 1;
    return lists.call(this, statement, values);
  });
  return seen;
}

/** A store that knows what is in line: a claim found nothing. */
async function knowing(): Promise<StoreDriver> {
  const store = await driver();
  expect(await store.claim()).toEqual([]);
  return store;
}

const some = (count: number, part: (at: number) => Partial<NewJob> = () => ({})): NewJob[] =>
  Array.from({ length: count }, (_, at) => newJob({ args: { at }, ...part(at) }));
const ids = (jobs: readonly { id: string }[]): string[] => jobs.map(({ id }) => id);

it('claims what it inserted since a claim found nothing, in order, whole, and without looking for it', async () => {
  const store = await knowing();
  const seen = claims();
  const [normal, urgent] = [some(30), some(5, () => ({ priority: 0 }))];
  await store.insert(...normal);
  await store.insert(...urgent);
  const got = [...(await store.claim({ limit: 7 })), ...(await store.claim({ limit: 99 }))];
  expect(ids(got)).toEqual(ids([...urgent, ...normal]));
  expect(seen).toEqual({ fresh: 2, looked: 0 });
  const {
    state: _state,
    unique: _unique,
    backoff: _backoff,
    deadlineAt: _deadlineAt,
    ...first
  } = normal[0] ?? newJob();
  expect(got[5]).toEqual({ ...first, run: 1, attempt: 1 });
  expect(await store.job(first.id)).toMatchObject({
    state: 'executing',
    attempt: 1,
    attemptedAt: T0,
    worker: 'worker-a',
  });
  expect((await store.complete({ id: first.id, run: 1, attempt: 1 })).settled).toHaveLength(1);
});

it('tells of each start', async () => {
  const store = await knowing();
  await store.insert(...some(2, () => ({ scheduledAt: T0 - 40 })));
  await store.claim();
  const fact = { what: 'started', state: 'executing', run: 1, attempt: 1, at: T0, waitMs: 40 };
  expect(store.facts).toMatchObject([fact, fact]);
});

it('claims a job as another store has changed it, and none that another one has taken, moved or deleted', async () => {
  const [one, other] = [await knowing(), await driver()];
  const jobs = some(20);
  await one.insert(...jobs);
  const [changed = '', moved = '', deleted = ''] = ids(jobs);
  await other.do('update', { now: T0, id: changed, changes: { args: 'new' } });
  await other.do('update', { now: T0, id: moved, changes: { queue: 'elsewhere' } });
  await other.do('delete', { now: T0, id: deleted });
  const theirs = await other.claim({ limit: 4, worker: 'worker-b' });
  expect(theirs).toHaveLength(4);
  const mine = [];
  for (let got = await one.claim({ limit: 9 }); got.length > 0; got = await one.claim({ limit: 9 })) mine.push(...got);
  const all = [...theirs, ...mine];
  expect(ids(all).toSorted()).toEqual(
    ids(jobs)
      .filter((id) => id !== moved && id !== deleted)
      .toSorted(),
  );
  expect(all.find(({ id }) => id === changed)?.args).toBe('new');
});

it('claims the later job where another store deleted the first one with its id', async () => {
  const [one, other] = [await knowing(), await driver()];
  const jobs = some(6);
  await one.insert(...jobs);
  const id = jobs[2]?.id ?? '';
  await other.do('delete', { now: T0, id });
  // With others of its statement, so that its transaction is among those that are asked for.
  const later = some(3, (at) => ({ ...(at === 1 ? { id } : {}), args: { later: at }, insertedAt: T0 + 1 }));
  await one.insert(...later);
  const got = [...(await one.claim({ limit: 99 })), ...(await one.claim({ limit: 99 }))];
  expect(got).toHaveLength(8);
  expect(got.find((job) => job.id === id)).toMatchObject({ args: { later: 1 }, insertedAt: T0 + 1 });
});

it.each<[string, (store: StoreDriver, id: string) => Promise<unknown>]>([
  ['handed back', (store, id) => store.settle({ id, attempt: 1, run: 1 }, { outcome: 'release' })],
  [
    'retried by hand',
    async (store, id) => {
      await store.settle({ id, attempt: 1, run: 1 }, failure());
      await store.do('retry', { now: T0 - 5_000, id });
    },
  ],
  ['rescued', (store) => store.do('rescue', { now: T0, deadBefore: T0 + 1, limit: 9 })],
  [
    'due',
    async (store, id) => {
      await store.settle({ id, attempt: 1, run: 1 }, failure(), { now: T0 - 100_000 });
      await store.do('stage', { now: T0, limit: 9 });
    },
  ],
])('claims a job that was %s in its place among what it knows', async (_, putBack) => {
  const store = await knowing();
  const jobs = some(10);
  await store.insert(...jobs);
  const [first] = await store.claim({ limit: 1 });
  await putBack(store, first?.id ?? '');
  await store.insert(...some(3));
  expect(ids(await store.claim({ limit: 3 }))).toEqual(ids(jobs.slice(0, 3)));
});

it('claims nothing of a queue that is paused, and keeps to its limits', async () => {
  const store = await knowing();
  const jobs = some(10);
  await store.insert(...jobs);
  const change = (part: QueueChange) => store.do('changeQueue', { now: T0, queue: 'default', change: part });
  await change({ paused: true });
  expect(await store.claim()).toEqual([]);
  await change({ paused: false, globalLimit: 3 });
  expect(ids(await store.claim())).toEqual(ids(jobs.slice(0, 3)));
  expect(await store.claim()).toEqual([]);
});

it('finds a job that another store put in line before its own ones soon', async () => {
  const [one, other] = [await knowing(), await driver()];
  await one.insert(...some(2_000));
  const urgent = newJob({ priority: 0 });
  await other.insert(urgent);
  for (let claimed = 0; claimed < 2_000; claimed++) {
    if (ids(await one.claim({ limit: 1 })).includes(urgent.id)) return;
  }
  expect.unreachable('it was never claimed');
});

it('claims each job once where many groups insert and claim at once', async () => {
  const store = await knowing();
  const seen = claims();
  const jobs = Array.from({ length: 60 }, (_, at) => some(20, () => ({ scheduledAt: T0 - 1_000 + at })));
  const got: string[] = [];
  const claimSome = async () => got.push(...ids(await store.claim({ limit: 30 })));
  await Promise.all(jobs.flatMap((list) => [store.insert(...list), claimSome()]));
  for (let last = -1; last !== got.length; ) {
    last = got.length;
    await Promise.all([claimSome(), claimSome(), claimSome()]);
  }
  expect(got.toSorted()).toEqual(ids(jobs.flat()).toSorted());
  expect(seen.fresh).toBeGreaterThan(0);
});

it('claims each job once also where groups fail', async () => {
  const store = await knowing();
  const [jobs, more] = [some(12), some(12)];
  await store.insert(...jobs);
  const claim = { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', limit: 5 };
  // The second request is one that PostgreSQL chokes on: the group goes back, and each is run by itself.
  const [claimed] = await store.group(
    request('claim', claim),
    request('insert', { jobs: [newJob({ maxAttempts: 2 ** 40 })] }),
  );
  expect(claimed).toMatchObject({ ok: true });
  const first = claimed?.ok ? ids(claimed.answer as { id: string }[]) : [];
  expect(first).toEqual(ids(jobs.slice(0, 5)));
  await store.insert(...more);
  expect(ids(await store.claim({ limit: 99 }))).toEqual(ids([...jobs.slice(5), ...more]));
});
