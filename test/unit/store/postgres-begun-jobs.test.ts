import { DatabaseError } from 'pg';
import { afterEach, expect, it, vi } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import type { StoreOptions, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { Connection } from '../../../src/store/postgres/connection.ts';
import { usePostgresClient } from '../../conformance/store/postgres-drivers.ts';
import { newJob, request, type StoreDriver, T0 } from '../../conformance/store/store-driver.ts';

const { client, driver } = usePostgresClient();

afterEach(() => {
  vi.restoreAllMocks();
});

const isBegin = (text: string): boolean => text.startsWith('with begun');

interface Seen {
  begun: number;
  fresh: number;
  looked: number;
  /** Looks at the head of a queue. */
  heads: number;
}

/** What stores do from now on: jobs that began, claims of jobs that were known to be next, and those that looked for them. */
function seen(): Seen {
  const counts = { begun: 0, fresh: 0, looked: 0, heads: 0 };
  const { lists } = Connection.prototype;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(async function (this: Connection, statement, values) {
    const rows = await lists.call(this, statement, values);
    // The places of those that began are one list.
    if (isBegin(statement.text)) counts.begun += String(rows[0]?.[0]).split(',').length;
    if (statement.text.includes('xmin = any')) counts.fresh += 1;
    if (statement.text.startsWith('with picked')) counts.looked += 1;
    if (/^select id.*limit 1 for update skip locked$/s.test(statement.text)) counts.heads += 1;
    return rows;
  });
  return counts;
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
const insertOf = (...jobs: NewJob[]): StoreRequest => request('insert', { jobs });
const claimOf = (part: Partial<StoreOptions<'claim'>> = {}): StoreRequest =>
  request('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', limit: 10, ...part });
const claimedOf = (replies: readonly StoreReply[]): string[] =>
  // What answers no claim is not of jobs with a run.
  replies.flatMap((reply) => (reply.ok && Array.isArray(reply.answer) ? ids(reply.answer.filter(isClaimed)) : []));
const isClaimed = (one: object): one is ClaimedJob => 'run' in one && 'id' in one;

/** What executes and what waits, by what the table says. */
async function table(): Promise<{ executing: string[]; available: string[] }> {
  const { rows } = await client().query('select id, state, run, attempt, runner from rota.jobs order by seq');
  const of = (state: string) => ids(rows.filter((row) => row.state === state));
  for (const { state, run, attempt, runner } of rows) {
    if (state === 'available') expect({ run, attempt, runner }).toMatchObject({ run: 0, attempt: 0 });
    if (state === 'executing') expect(run * attempt).toBeGreaterThan(0);
  }
  return { executing: of('executing'), available: of('available') };
}

it('stores what a claim of the group takes once, and looks for nothing', async () => {
  const store = await knowing();
  const counts = seen();
  for (const count of [1, 45, 300]) {
    const jobs = some(count);
    const claims = [claimOf({ limit: 100 }), claimOf({ limit: 500, worker: 'b' })].slice(0, Math.ceil(count / 100));
    const replies = await store.group(insertOf(...jobs), ...claims);
    expect(claimedOf(replies)).toEqual(ids(jobs));
  }
  expect(counts).toMatchObject({ begun: 346, fresh: 0, looked: 0 });
});

it('looks at the head now and then, and goes on to begin jobs where nothing waits there', async () => {
  const store = await knowing();
  const counts = seen();
  let jobs = 0;
  for (; counts.heads < 2 && jobs < 9_999; jobs++) await store.group(insertOf(newJob()), claimOf());
  expect(counts).toEqual({ begun: jobs, fresh: 0, looked: 0, heads: 2 });
});

it('ends what it began without a look at the rows', async () => {
  const store = await knowing();
  // So many that first runs are settled by a statement of their own.
  const jobs = some(60);
  const replies = await store.group(insertOf(...jobs), claimOf({ limit: 99 }));
  expect(claimedOf(replies)).toHaveLength(60);
  const texts: string[] = [];
  const { lists } = Connection.prototype;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(function (this: Connection, statement, values) {
    texts.push(statement.text);
    return lists.call(this, statement, values);
  });
  const outcomes = jobs.map(({ id, insertedAt }) => ({
    ...{ id, insertedAt, attempt: 1, run: 1, outcome: 'complete' as const, result: null },
  }));
  const { settled } = await store.do('settle', { now: T0 + 9, worker: 'worker-a', outcomes });
  expect(settled).toHaveLength(60);
  expect(store.whats()).toEqual(Array(60).fill('completed'));
  // What is not known is asked of each row.
  expect(texts.filter((text) => text.includes('as said (id, run, attempt, runner'))).toEqual([]);
});

it('begins nothing before a claim found nothing, and what a line knows goes first', async () => {
  const store = await driver();
  const counts = seen();
  await store.group(insertOf(...some(3)), claimOf());
  expect(counts).toMatchObject({ begun: 0, looked: 1 });
  await store.group(insertOf(...some(3)), claimOf());
  expect(counts).toMatchObject({ begun: 3, looked: 1 });
  const [waiting, jobs] = [some(4), some(20)];
  await store.insert(...waiting);
  const replies = await store.group(insertOf(...jobs), claimOf({ limit: 9 }));
  expect(claimedOf(replies)).toEqual(ids([...waiting, ...jobs.slice(0, 5)]));
  expect(counts).toMatchObject({ begun: 8, fresh: 1, looked: 1 });
});

it('knows what is next after jobs began, of what did not', async () => {
  const store = await knowing();
  const counts = seen();
  const jobs = some(40);
  await store.group(insertOf(...jobs), claimOf({ limit: 15 }));
  const more = some(10);
  await store.insert(...more);
  expect(ids(await store.claim({ limit: 30 }))).toEqual(ids([...jobs.slice(15), ...more].slice(0, 30)));
  expect(ids(await store.claim({ limit: 30 }))).toEqual(ids(more.slice(5)));
  expect(counts).toMatchObject({ begun: 15, fresh: 2, looked: 0 });
  expect(await store.claim()).toEqual([]);
  expect(await table()).toMatchObject({ available: [], executing: { length: 50 } });
});

it('begins no job before one that the group itself has put in line', async () => {
  const store = await knowing();
  const [first, ...jobs] = some(4, (at) => (at === 0 ? { tags: ['a'] } : {}));
  if (first === undefined) return expect.unreachable('there are four');
  const counts = seen();
  const replies = await store.group(
    insertOf(first),
    // Keeps the inserts from being one.
    request('unannounced', { after: 0, limit: 1 }),
    insertOf(...jobs),
    claimOf({ limit: 2 }),
  );
  expect(claimedOf(replies)).toEqual([first.id, jobs[0]?.id]);
  expect(counts.begun).toBe(0);
});

it('finds a job that another store put in line before what it begins within 100 ms', async () => {
  const [one, other] = [await knowing(), await driver()];
  const now = async (): Promise<number> => {
    const { rows } = await client().query('select extract(epoch from clock_timestamp()) * 1000 as at');
    return Number(rows[0].at);
  };
  for (const part of [{ priority: 0 }, { scheduledAt: T0 - 1 }]) {
    const counts = seen();
    for (let round = 0; counts.begun === 0 && round < 9; round++) await one.group(insertOf(...some(2)), claimOf());
    const earlier = newJob(part);
    await other.insert(earlier);
    const there = await now();
    for (let found = false; !found; ) {
      const isLate = (await now()) - there >= 100;
      const jobs = some(2);
      const got = claimedOf(await one.group(insertOf(...jobs), claimOf()));
      found = got.includes(earlier.id);
      if (found) expect(got).toEqual([earlier.id, ...ids(jobs)]);
      else expect(isLate, 'it is found by a group that begins 100 ms later').toBe(false);
    }
    expect(counts.begun).toBeGreaterThan(0);
    vi.restoreAllMocks();
  }
  expect(await table()).toMatchObject({ available: [] });
});

/** The first time that a statement is run from now on, it is refused after it was run. */
function refuseOnce(isMeant: (text: string) => boolean, code: string): () => number {
  let refused = 0;
  const { lists } = Connection.prototype;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(async function (this: Connection, statement, values) {
    const rows = await lists.call(this, statement, values);
    if (refused > 0 || !isMeant(statement.text)) return rows;
    refused += 1;
    throw Object.assign(new DatabaseError('it is refused', 0, 'error'), { code });
  });
  return () => refused;
}

it.each<[string, string]>([
  ['others were in the way', '40P01'],
  ['a job seemed to be there', '23505'],
  ['the database could not', '22003'],
])('leaves nothing half begun where the group is rolled back since %s, and is repeated', async (_, code) => {
  for (const isMeant of [isBegin, (text: string) => text.includes('xmin = any')]) {
    const store = await knowing();
    await store.claim({ limit: 99 });
    const [waiting, jobs, late] = [some(3), some(30), newJob({ state: 'scheduled', scheduledAt: T0 + 9_000 })];
    await store.insert(...waiting);
    const refused = refuseOnce(isMeant, code);
    const replies = await store.group(
      insertOf(...jobs, late),
      claimOf({ limit: 20 }),
      claimOf({ limit: 5, worker: 'b' }),
    );
    expect(refused()).toBe(1);
    vi.restoreAllMocks();
    expect(replies.map(({ ok }) => ok)).toEqual([true, true, true]);
    const facts = replies.map((reply) => (reply.ok ? reply.facts.map(({ what }) => what) : []));
    expect(facts.map(({ length }) => length)).toEqual([32, 20, 5]);
    const got = claimedOf(replies);
    expect(got).toEqual(ids([...waiting, ...jobs].slice(0, 25)));
    expect((await table()).available).toEqual(ids(jobs.slice(22)));
    expect(ids(await store.claim({ limit: 99 }))).toEqual(ids(jobs.slice(22)));
    const { settled } = await store.do('settle', {
      ...{ now: T0, worker: 'worker-a' },
      outcomes: got.slice(0, 20).map((id) => ({ id, attempt: 1, run: 1, outcome: 'complete', result: null })),
    });
    expect(settled).toHaveLength(20);
    await store.expectCountsHold();
    await client().query('delete from rota.jobs');
  }
});

it('begins each job that is new where an id is there already, once it is', async () => {
  const store = await knowing();
  const there = newJob();
  await store.insert(there);
  await store.complete((await store.claim())[0] as ClaimedJob);
  const jobs = some(20, (at) => (at === 7 ? { id: there.id } : {}));
  const replies = await store.group(insertOf(...jobs), claimOf({ limit: 99 }));
  expect(claimedOf(replies)).toEqual(ids(jobs.filter(({ id }) => id !== there.id)));
  expect(await store.job(there.id)).toMatchObject({ state: 'completed', run: 1 });
});

it('forgets what it began where its connection breaks, and begins it again', async () => {
  const store = await knowing();
  const jobs = some(12);
  const { lists } = Connection.prototype;
  let broken = 0;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(async function (this: Connection, statement, values) {
    const rows = await lists.call(this, statement, values);
    if (!isBegin(statement.text) || broken++ > 0) return rows;
    const own = await lists.call(this, { text: 'select pg_backend_pid()::text' }, []);
    await client().query('select pg_terminate_backend($1)', [Number(own[0]?.[0])]);
    return rows;
  });
  const replies = await store.group(insertOf(...jobs), claimOf({ limit: 5 }));
  expect(broken).toBeGreaterThan(0);
  expect(claimedOf(replies)).toEqual(ids(jobs.slice(0, 5)));
  expect(await table()).toEqual({ executing: ids(jobs.slice(0, 5)), available: ids(jobs.slice(5)) });
  expect(ids(await store.claim({ limit: 99 }))).toEqual(ids(jobs.slice(5)));
});

it('begins each job once where many groups of two stores insert and claim at once', async () => {
  const stores = [await knowing(), await knowing()];
  const counts = seen();
  const jobs = Array.from({ length: 80 }, (_, at) => some(1 + (at % 30), () => ({ scheduledAt: T0 - 1_000 + at })));
  const got: string[] = [];
  await Promise.all(
    jobs.map(async (list, at) => {
      const store = stores[at % 2];
      const claims = [claimOf({ limit: 8 }), claimOf({ limit: 20, worker: 'b' })].slice(at % 3 === 0 ? 0 : 1);
      got.push(...claimedOf((await store?.group(insertOf(...list), ...claims)) ?? []));
    }),
  );
  expect(counts.begun).toBeGreaterThan(0);
  const { executing, available } = await table();
  expect(got.toSorted()).toEqual(executing.toSorted());
  for (let idle = 0; idle < 2; ) {
    const more = [
      ...ids((await stores[0]?.claim({ limit: 50 })) ?? []),
      ...ids((await stores[1]?.claim({ limit: 50 })) ?? []),
    ];
    idle = more.length === 0 ? idle + 1 : 0;
    got.push(...more);
  }
  expect(got).toHaveLength(executing.length + available.length);
  expect(got.toSorted()).toEqual(ids(jobs.flat()).toSorted());
});

it.each<[string, StoreOptions<'changeQueue'>['change'], number]>([
  ['a global limit', { globalLimit: 30 }, 30],
  ['a rate', { rate: { limit: 30, periodMs: 60_000 } }, 30],
  ['partitions', { partition: { by: 'args.key', limit: 6 } }, 30],
])(
  'begins jobs in a queue with %s as far as that leaves room, and leaves the rest to claims',
  async (_, change, most) => {
    const store = await driver();
    await store.do('changeQueue', { now: T0, queue: 'default', change });
    expect(await store.claim()).toEqual([]);
    const counts = seen();
    const jobs = some(44, (at) => ({ args: { key: at % 5 } }));
    const first = await store.group(insertOf(...jobs.slice(0, 20)), claimOf({ limit: 99 }));
    expect([claimedOf(first), counts.begun]).toEqual([ids(jobs.slice(0, 20)), 20]);
    const next = await store.group(insertOf(...jobs.slice(20)), claimOf({ limit: 99 }));
    expect(claimedOf(next)).toEqual(ids(jobs.slice(20, most)));
    expect(await table()).toEqual({ executing: ids(jobs.slice(0, most)), available: ids(jobs.slice(most)) });
    expect(await store.claim({ limit: 99 })).toEqual([]);
  },
);

it('gives what waits of partitions first, and begins jobs of others past those that are full', async () => {
  const store = await driver();
  await store.do('changeQueue', { now: T0, queue: 'default', change: { partition: { by: 'args.key', limit: 2 } } });
  const [waiting, jobs] = [
    some(5, () => ({ args: { key: 'a' } })),
    some(6, (at) => ({ args: { key: 'abc'[at % 3] ?? '' } })),
  ];
  await store.insert(...waiting);
  const counts = seen();
  const replies = await store.group(insertOf(...jobs), claimOf({ limit: 99 }));
  const begun = jobs.filter(({ args }) => (args as { key: string }).key !== 'a');
  expect(claimedOf(replies)).toEqual(ids([...waiting.slice(0, 2), ...begun]));
  expect(counts.begun).toBe(4);
});

it('begins none past what waits of its partition because it did not fit an answer', async () => {
  const store = await driver();
  await store.do('changeQueue', { now: T0, queue: 'default', change: { partition: { by: 'args.key', limit: 5_000 } } });
  expect(await store.claim()).toEqual([]);
  const of = (count: number) => some(count, () => ({ args: { key: 'a' } }));
  await store.insert(...of(2_000));
  const late = of(1);
  // Jobs are thought to be larger than they are, so that there seems to be room for it.
  const replies = await store.group(insertOf(...late), claimOf({ limit: 3_000, bytesMax: 1_000_000 }));
  const { executing, available } = await table();
  expect(claimedOf(replies)).toHaveLength(executing.length);
  expect([...executing, ...available]).toHaveLength(2_001);
  expect(available.length === 0 || available.includes(late[0]?.id ?? '')).toBe(true);
});

it('begins none past what waits of its partition because another group is at the one before', async () => {
  const store = await driver();
  await store.do('changeQueue', { now: T0, queue: 'default', change: { partition: { by: 'args.key', limit: 1 } } });
  const jobs = some(3, (at) => ({ args: { key: 'a' }, scheduledAt: T0 + at }));
  await store.insert(...jobs.slice(0, 2));
  await client().query('begin');
  await client().query("update rota.jobs set state = 'cancelled', finished_at = $2 where id = $1", [jobs[0]?.id, T0]);
  const group = store.group(insertOf(...jobs.slice(2)), claimOf({ now: T0 + 5, limit: 3 }));
  await group;
  await client().query('commit');
  expect((await table()).executing).not.toContain(jobs[2]?.id);
  expect(ids(await store.claim({ now: T0 + 5 }))).toEqual([jobs[1]?.id]);
});
