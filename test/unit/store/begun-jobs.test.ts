import { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterEach, expect, it, vi } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import type { Outcome } from '../../../src/job/outcome.ts';
import type { StoreAnswer, StoreOptions, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { newJob, request, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { type Dice, diceOf } from '../../support/dice.ts';
import { useStoreFolders } from './store-folders.ts';

const makeFolder = useStoreFolders();
afterEach(() => {
  vi.restoreAllMocks();
});

function opened(): { driver: StoreDriver; path: string } {
  const folder = makeFolder();
  return { driver: new StoreDriver(folder.open()), path: folder.path };
}

const ID = '0199aaaa-0000-7000-8000-00000000000b';
const claimOf = ({ worker = 'worker-a', ...part }: Partial<StoreOptions<'claim'>> = {}): StoreRequest =>
  request('claim', {
    ...{ now: T0 + 7, queue: 'default', worker, node: 'node-a', limit: 10, types: ['test.job'] },
    ...part,
  });
const some = (count: number, part: (at: number) => Partial<NewJob> = () => ({})): NewJob[] =>
  Array.from({ length: count }, (_, at) => newJob({ args: { at }, ...part(at) }));
const insertOf = (...jobs: NewJob[]): StoreRequest => request('insert', { jobs });

/** What is written of jobs, by column, with what is counted and who works: a worker has its number when it is first heard of. */
function written(path: string): unknown {
  using db = new DatabaseSync(path);
  const all = (sql: string) => db.prepare(sql).all();
  const names = new Map(all('select key, worker from workers').map(({ key, worker }) => [key, worker]));
  return {
    jobs: all('select * from jobs order by seq').map((row) => ({
      ...row,
      runner: names.get(row.runner) ?? row.runner,
    })),
    counts: all('select * from job_counts where jobs <> 0 order by 1, 2'),
    workers: all('select worker, node, seen_at from workers order by worker'),
  };
}

/** What is written of jobs until the end of the test, a word for each statement; of jobs that begin: how many. */
function writes(): (string | number)[] {
  const texts: (string | number)[] = [];
  const run = StatementSync.prototype.run;
  vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
    const [what = ''] = this.sourceSQL.split(' ');
    const isBegun = what === 'insert' && values.some((value: unknown) => value === 'executing');
    if (/\b(into|update) jobs\b/.test(this.sourceSQL))
      texts.push(isBegun ? begunBy(this.sourceSQL, values.length) : what);
    return run.apply(this, values);
  });
  return texts;
}

/** How many jobs an insert begins: twelve values are for all, and two for each; with partitions thirteen and three. */
const begunBy = (sql: string, values: number): number =>
  sql.includes('partition_key') ? (values - 13) / 3 : (values - 12) / 2;

/**
 * Replies with all rows made: a store may make one only where it is looked at. Of a job that was there already only which one:
 * what an insert meets executes where a claim of its group has it, and waits where that comes later.
 */
const shown = (replies: readonly StoreReply[]): unknown[] =>
  replies.map((reply) => {
    const isInsert = reply.ok && Array.isArray(reply.answer) && reply.answer.some((one) => 'conflict' in one);
    if (!isInsert) return reply;
    const inserted = reply.answer as StoreAnswer<'insert'>;
    return { ...reply, answer: inserted.map(({ job, conflict }) => (conflict ? job.id : { job })) };
  });

/** Does the same in groups and one by one, and expects the same answers, facts and rows. */
async function expectSame(
  groups: readonly StoreRequest[][],
  before: (driver: StoreDriver) => Promise<unknown> = async () => {},
): Promise<{ wrote: (string | number)[]; begun: number }> {
  const [together, apart] = [opened(), opened()];
  for (const { driver } of [together, apart]) await before(driver);
  const texts = writes();
  const replies: unknown[] = [];
  for (const group of groups) replies.push(...shown(await together.driver.group(...group)));
  const wrote = [...texts];
  vi.restoreAllMocks();
  const others: unknown[] = [];
  for (const one of groups.flat()) others.push(...shown(await apart.driver.group(one)));
  expect(replies).toEqual(others);
  for (const { driver } of [together, apart]) {
    await driver.expectCountsHold();
    await driver.store.close();
  }
  expect(written(together.path)).toEqual(written(apart.path));
  return { wrote, begun: wrote.reduce<number>((sum, what) => (typeof what === 'number' ? sum + what : sum), 0) };
}

it('writes a job that the claim behind its insert takes once, and as two would have', async () => {
  expect(await expectSame([[insertOf(newJob()), claimOf({ bytesMax: 9_999 })]])).toMatchObject({ wrote: [1] });
});

it('does so again and again, and where nothing is waiting any more', async () => {
  const groups = some(4, (at) => ({ priority: at })).map((job) => [insertOf(job), claimOf()]);
  const before = async (driver: StoreDriver) => driver.running({ id: ID });
  expect(await expectSame(groups, before)).toMatchObject({ wrote: [1, 1, 1, 1] });
});

it.each([1, 7, 20, 21, 45, 1_000])('begins %i jobs that come together', async (count) => {
  const { wrote } = await expectSame([[insertOf(...some(count)), claimOf({ limit: 2_000 })]]);
  const twenties = Math.floor(count / 20);
  expect(wrote).toEqual([...Array(twenties).fill(20), ...Array(count % 20).fill(1)]);
});

it('begins what several inserts bring, and jobs of different times in order', async () => {
  const parts = [
    some(3),
    some(25),
    some(40, (at) => ({ scheduledAt: T0 + at })),
    some(1, () => ({ scheduledAt: T0 + 90 })),
  ];
  const { begun, wrote } = await expectSame([[...parts.map((jobs) => insertOf(...jobs)), claimOf({ limit: 2_000 })]]);
  expect(begun).toBe(69);
  expect(wrote).not.toContain('update');
});

it.each([
  [1, 1, 1],
  [3, 30, 7],
  [19, 21, 20],
  [20, 20, 2_000],
  [0, 45, 45],
])('begins jobs for the claims of several workers in turn, with limits that cut: %j', async (...limits) => {
  const claims = limits.map((limit, at) => claimOf({ limit, worker: `worker-${at}`, now: T0 + at }));
  const { begun } = await expectSame([[insertOf(...some(45)), ...claims], [claimOf({ limit: 99 })]]);
  expect(begun).toBe(Math.min(45, limits[0] + limits[1] + limits[2]));
});

it('begins jobs of several types and queues, each for who takes it', async () => {
  const types = ['test.job', 'test.other'];
  const jobs = some(63, (at) => ({
    type: types[at % 3 === 0 ? 0 : 1] ?? '',
    queue: at % 4 === 0 ? 'second' : 'default',
  }));
  const claims = [
    claimOf({ limit: 5 }),
    claimOf({ limit: 9, worker: 'worker-b', types: ['test.other'] }),
    claimOf({ limit: 4, worker: 'worker-c', types }),
    claimOf({ limit: 99, worker: 'worker-c', queue: 'second', types }),
  ];
  const { begun } = await expectSame([
    [insertOf(...jobs.slice(0, 40)), insertOf(...jobs.slice(40)), ...claims],
    claims,
  ]);
  expect(begun).toBeGreaterThan(25);
});

it('begins nothing behind a job that goes the usual way, and the claim has both', async () => {
  for (const odd of [{ tags: ['a'] }, { type: 'test.nobody' }, { timeoutMs: 5 }]) {
    const jobs = some(60, (at) => (at === 33 ? odd : {}));
    for (const limit of [20, 33, 34, 50, 99]) {
      const { begun } = await expectSame([[insertOf(...jobs), claimOf({ limit })], [claimOf({ limit: 99 })]]);
      expect(begun).toBe(Math.min(limit, 33));
    }
  }
});

it('begins no job that does not come in the order of claims', async () => {
  for (const part of [{ priority: 1 }, { priority: 9 }, { scheduledAt: T0 - 1 }]) {
    const jobs = some(30, (at) => (at === 12 ? part : {}));
    expect(await expectSame([[insertOf(...jobs), claimOf({ limit: 20 })]])).toMatchObject({ begun: 0 });
  }
});

it.each([2, 30, 60])('gives what waits first, where it all comes before: a claim of %i', async (limit) => {
  const waiting = some(21, (at) => ({ priority: at % 5 }));
  const { begun } = await expectSame(
    [[insertOf(...some(25)), claimOf({ limit }), claimOf({ limit: 8, worker: 'worker-b' })], [claimOf({ limit: 99 })]],
    (driver) => driver.insert(...waiting),
  );
  expect(begun).toBe(limit < 21 ? 0 : Math.min(25, limit - 21 + 8));
});

it.each<[string, Partial<NewJob>]>([
  ['behind them', { priority: 9 }],
  ['between them', { scheduledAt: T0 + 5 }],
  ['before them, for nobody', { type: 'test.nobody', priority: 1 }],
])('begins nothing where a job waits %s', async (_, part) => {
  const jobs = some(25, (at) => ({ scheduledAt: T0 + at }));
  for (const limit of [3, 24, 99]) {
    const wrote = await expectSame([[insertOf(...jobs), claimOf({ limit })], [claimOf({ limit: 99 })]], (driver) =>
      driver.insert(newJob({ id: ID, ...part })),
    );
    expect(wrote).toMatchObject({ begun: 0 });
  }
});

it.each(['twice in a part', 'twice in the rest', 'there before', 'there and running'])(
  'stores an id once that is %s, and gives it to one claim once',
  async (where) => {
    const twice = where === 'twice in the rest' ? 44 : 15;
    const jobs = some(45, (at) => (at === 3 || at === twice ? { id: ID } : {}));
    const before = async (driver: StoreDriver) => {
      if (where === 'there and running') await driver.running({ id: ID });
      if (where === 'there before') await driver.complete(await driver.running({ id: ID }));
    };
    const limits = [1, 4, 5, 20, 43, 44, 99];
    for (const limit of limits) {
      const claims = [claimOf({ limit }), claimOf({ limit: 20, worker: 'worker-b' })];
      const { begun } = await expectSame([[insertOf(...jobs), ...claims], [claimOf({ limit: 99 })]], before);
      expect(begun).toBeGreaterThan(0);
    }
  },
);

const say = (change: StoreOptions<'changeQueue'>['change']) => (driver: StoreDriver) =>
  driver.do('changeQueue', { now: T0, queue: 'default', change });

const BEHIND = some(65, (at) => ({ ...(at < 64 ? { type: 'test.other' } : {}), priority: 6 }));

/** Where a claim does not take the job, or not it alone, or the row is not a plain one. */
const OTHERWISE: Record<
  string,
  { job?: Partial<NewJob>; claim?: Partial<StoreOptions<'claim'>>; before?: (driver: StoreDriver) => Promise<unknown> }
> = {
  'another job waits before it': { before: (driver) => driver.insert(newJob({ id: ID })), claim: { limit: 1 } },
  'another job waits behind it': { before: (driver) => driver.insert(newJob({ id: ID, priority: 9 })) },
  'the claim takes other types': { claim: { types: ['test.other'] } },
  'the claim takes no types': { claim: { types: [] } },
  'the claim is of another queue': { claim: { queue: 'other' } },
  'it is for later': { job: { state: 'scheduled', scheduledAt: T0 + 9_000 } },
  'it has a time limit': { job: { timeoutMs: 50 } },
  'it is unique': {
    job: { unique: { key: 'k', states: ['available'], withinMs: null, onConflict: { kind: 'keep' } } },
  },
  'it has tags': { job: { tags: ['a'] } },
  'the queue is paused': { before: say({ paused: true }) },
  'the queue is full': { before: say({ globalLimit: 0 }) },
  'the queue has a rate': { before: say({ rate: { limit: 0, periodMs: 1_000 } }) },
  'its partition is full': { before: say({ partition: { by: 'args.to', limit: 0 } }) },
  'jobs were set aside that come behind it': {
    claim: { types: ['test.job', 'test.other'], limit: 2 },
    before: async (driver) => {
      await driver.insert(...BEHIND);
      // Theirs stand in the way, and are set aside.
      await driver.claim({ types: ['test.job'] });
    },
  },
};

it.each(Object.keys(OTHERWISE))('goes the usual way where %s', async (name) => {
  const { job: part, claim, before } = OTHERWISE[name] ?? {};
  expect(await expectSame([[insertOf(newJob(part)), claimOf(claim)]], before)).toMatchObject({ begun: 0 });
});

/** What stands between the insert of jobs, the first of them of this id, and the claim. */
const BETWEEN: Record<string, StoreRequest> = {
  pause: request('changeQueue', { now: T0, queue: 'default', change: { paused: true } }),
  limit: request('changeQueue', { now: T0, queue: 'default', change: { globalLimit: 2 } }),
  cancel: request('cancel', { now: T0, id: ID, terminate: false }),
  delete: request('delete', { now: T0, id: ID }),
  update: request('update', { now: T0, id: ID, changes: { priority: 9 } }),
  'sweep that cancels': request('sweep', { now: T0, action: 'cancel', filter: {}, terminate: false, limit: 2 }),
  look: request('get', { ids: [ID] }),
  count: request('count', { filter: {} }),
  'return of a job': request('settle', {
    ...{ now: T0, worker: 'worker-a' },
    outcomes: [{ id: '0199aaaa-0000-7000-8000-00000000000c', attempt: 1, run: 1, outcome: 'release' }],
  }),
  'beat that releases one': request('beat', {
    ...{ now: T0 + 5_000, queue: 'default', worker: 'worker-a', node: 'node-a', beatMs: 1_000, running: [] },
  }),
  rescue: request('rescue', { now: T0 + 9, deadBefore: T0 + 1, limit: 9 }),
  stage: request('stage', { now: T0 + 9, limit: 9 }),
};

it.each(Object.keys(BETWEEN))('goes the usual way where between insert and claim there is a %s', async (name) => {
  const between = BETWEEN[name];
  if (between === undefined) throw new Error('it is in the list');
  const later = newJob({ state: 'scheduled', scheduledAt: T0 - 1 });
  const before = async (driver: StoreDriver) => {
    await driver.insert(later);
    await driver.running({ id: '0199aaaa-0000-7000-8000-00000000000c' });
    await driver.beat([], { now: T0 + 1_000, beatMs: 500 });
  };
  const jobs = some(3, (at) => (at === 0 ? { id: ID } : {}));
  for (const limit of [1, 2, 9]) {
    const groups = [
      [insertOf(...jobs), between, claimOf({ limit })],
      [insertOf(newJob(), newJob()), between, insertOf(newJob()), claimOf({ limit })],
    ];
    expect(await expectSame(groups, before)).toMatchObject({ begun: 0 });
  }
});

it('begins nothing for a claim behind an insert that comes behind another claim', async () => {
  const claims = [claimOf({ limit: 2, worker: 'worker-b' }), claimOf({ limit: 9 })] as const;
  const look = request('get', { ids: [] });
  const groups = [
    [insertOf(...some(3)), claims[0], insertOf(...some(2)), claims[1]],
    [insertOf(...some(3)), claims[1], look, insertOf(...some(2)), claims[0]],
  ];
  expect(await expectSame(groups)).toMatchObject({ begun: 0 });
});

it('begins jobs for the claims before a pause, and none for those behind it', async () => {
  const pause = request('changeQueue', { now: T0, queue: 'default', change: { paused: true } });
  const group = [insertOf(...some(9)), claimOf({ limit: 2 }), pause, claimOf({ limit: 9, worker: 'worker-b' })];
  expect(await expectSame([group])).toMatchObject({ begun: 2 });
});

it('begins jobs also where between there are ends of others, signs of life and progress', async () => {
  const between = [
    request('settle', {
      ...{ now: T0 + 7, worker: 'worker-a' },
      outcomes: [{ id: ID, attempt: 1, run: 1, outcome: 'complete', result: null }],
    }),
    request('touch', { now: T0 + 7, workers: [{ worker: 'worker-a', node: 'node-a' }] }),
  ];
  const before = (driver: StoreDriver) => driver.running({ id: ID });
  expect(await expectSame([[insertOf(...some(3)), ...between, claimOf()]], before)).toMatchObject({ begun: 3 });
});

/** Groups of inserts and claims as they may come, with the ends of some that run. */
function randomGroups({ below, one, random }: Dice): StoreRequest[][] {
  const types = ['test.job', 'test.other', 'test.third'];
  const ids: string[] = [];
  return Array.from({ length: 8 }, (_, step) => {
    const [priority, type, mixed] = [one([5, 5, 1]), one(types), random() < 0.4];
    const jobs = some(1 + below(one([2, 25, 70])), (at) => ({
      ...{ priority, type: mixed ? one(types) : type, scheduledAt: T0 + 1_000 * step + Math.floor(at / 9) },
      ...(random() < 0.02 ? one<Partial<NewJob>>([{ tags: ['a'] }, { priority: 2 }, { queue: 'second' }]) : {}),
      ...(random() < 0.02 && ids.length > 0 ? { id: one(ids) } : {}),
    }));
    for (const { id } of jobs) ids.push(id);
    const now = T0 + 1_000 * step + 7;
    const claims = Array.from({ length: below(4) }, (_claim, at) => {
      const limit = one([1, 10, 30, 200]);
      const wanted = one<readonly string[]>([types, types, ['test.job'], ['test.other', 'test.third']]);
      return claimOf({
        now,
        limit,
        worker: `worker-${at}`,
        types: wanted,
        queue: one(['default', 'default', 'second']),
      });
    });
    const outcomes = Array.from({ length: below(5) }, () => {
      const end = one<Outcome>([{ outcome: 'complete', result: null }, { outcome: 'release' }]);
      return { id: one(ids), attempt: 1, run: 1, ...end };
    });
    const ends = request('settle', { now, worker: 'worker-0', outcomes });
    const cut = below(jobs.length);
    return [ends, insertOf(...jobs.slice(0, cut)), insertOf(...jobs.slice(cut)), ...claims];
  });
}

it('does in random groups what it does one by one', async () => {
  let all = 0;
  for (let seed = Number(process.env.SEED ?? 1), count = Number(process.env.SEEDS ?? 20); count > 0; seed++, count--) {
    try {
      all += (await expectSame(randomGroups(diceOf(seed)))).begun;
    } catch (thrown) {
      throw new Error(`seed ${seed}`, { cause: thrown });
    }
  }
  expect(all).toBeGreaterThan(0);
});

/** Rules that change nothing of what a claim of all may take at once, and some that do. */
const RULES: Record<string, StoreOptions<'changeQueue'>['change']> = {
  'a global limit': { globalLimit: 60 },
  'a rate': { rate: { limit: 90, periodMs: 2_000 } },
  partitions: { partition: { by: 'args.at', limit: 2 } },
  'all three': { partition: { by: 'args.at', limit: 3 }, globalLimit: 120, rate: { limit: 200, periodMs: 3_000 } },
};

it.each(Object.keys(RULES))('does in random groups what it does one by one where the queue has %s', async (name) => {
  const rule = RULES[name] ?? {};
  let all = 0;
  for (let seed = Number(process.env.SEED ?? 1), count = Number(process.env.SEEDS ?? 15); count > 0; seed++, count--) {
    const groups = randomGroups(diceOf(seed)).map((requests) => {
      const claims = requests.filter(({ verb }) => verb === 'claim');
      // With partitions, claims that come together share out turns in another way: there is one, of all.
      const ones = claims.slice(0, rule.partition ? 1 : 9).map((one) => ({
        ...one,
        ...(rule.partition ? { limit: 200, types: ['test.job', 'test.other', 'test.third'] } : {}),
      }));
      return [...requests.filter(({ verb }) => verb !== 'claim'), ...ones] as StoreRequest[];
    });
    try {
      all += (await expectSame(groups, say(rule))).begun;
    } catch (thrown) {
      throw new Error(`seed ${seed}`, { cause: thrown });
    }
  }
  expect(all).toBeGreaterThan(0);
});

it('begins jobs of partitions that have room past those that wait for theirs', async () => {
  const group = [insertOf(...some(45, (at) => ({ args: { at: at % 9 } }))), claimOf({ limit: 99 })];
  const next = [insertOf(...some(45, (at) => ({ args: { at: at % 20 } }))), claimOf({ limit: 99 })];
  const { begun } = await expectSame([group, next], say({ partition: { by: 'args.at', limit: 4 } }));
  expect(begun).toBe(9 * 4 + 11 * 2);
});

it('begins no more than an answer of so many bytes has room for, and leaves what is over to the next', async () => {
  for (const [bytesMax, length] of [
    [20_000, 1_000],
    [60_000, 3_000],
    [3_000, 9],
    [700_000, 9_000],
    [100, 9],
  ] as const) {
    const { driver } = opened();
    await driver.insert(...some(2, (at) => ({ args: 'ä'.repeat(length + at), scheduledAt: T0 - 1 })));
    const jobs = some(70, (at) => ({ args: (at % 2 === 0 ? '…' : '"\\').repeat(length / (1 + (at % 3))) }));
    const workers = ['worker-a', 'worker-b', 'worker-c'];
    const replies = await driver.group(
      insertOf(...jobs),
      ...workers.map((worker) => claimOf({ limit: 25, worker, bytesMax })),
    );
    const answers = replies.slice(1).map((reply) => (reply.ok ? (reply.answer as ClaimedJob[]) : []));
    for (const got of answers) {
      expect(got.length).toBeGreaterThan(0);
      expect(got.length).toBeLessThanOrEqual(25);
      if (got.length > 1) expect(Buffer.byteLength(JSON.stringify(got))).toBeLessThanOrEqual(bytesMax);
    }
    const rest = await driver.claim({ limit: 99 });
    const all = [...answers.flat(), ...rest];
    expect(new Set(all.map(({ id }) => id)).size).toBe(72);
    expect(all).toHaveLength(72);
    // Between answers a job that did not fit one may fit the next: in each they are in order.
    const places = new Map(jobs.map(({ id }, at) => [id, at]));
    for (const got of [...answers, rest]) {
      const at = got.map(({ id }) => places.get(id) ?? -1);
      expect(at).toEqual(at.toSorted((a, b) => a - b));
    }
    await driver.expectCountsHold();
  }
});

it('ends what it began without a look at the rows', async () => {
  const { driver } = opened();
  const jobs = some(21);
  await driver.group(insertOf(...jobs), claimOf({ limit: 99 }));
  const read: string[] = [];
  const noted = (sql: string): void => {
    if (/\b(from|join) jobs\b/.test(sql)) read.push(sql);
  };
  const { all, get } = StatementSync.prototype;
  vi.spyOn(StatementSync.prototype, 'all').mockImplementation(function (this: StatementSync, ...values) {
    noted(this.sourceSQL);
    return all.apply(this, values);
  });
  vi.spyOn(StatementSync.prototype, 'get').mockImplementation(function (this: StatementSync, ...values) {
    noted(this.sourceSQL);
    return get.apply(this, values);
  });
  const outcomes = jobs.map(({ id }) => ({ id, attempt: 1, run: 1, outcome: 'complete' as const, result: null }));
  const { settled } = await driver.do('settle', { now: T0 + 9, worker: 'worker-a', outcomes });
  expect(settled).toHaveLength(21);
  expect(read).toEqual([]);
});

it('answers the job that is there by its id, which the claim does not get again', async () => {
  const before = (driver: StoreDriver) => driver.running({ id: ID });
  await expectSame([[insertOf(newJob({ id: ID })), claimOf()]], before);
});

it('leaves nothing half begun where the group fails and each of it is done by itself', async () => {
  const { driver } = opened();
  const jobs = some(45);
  const [first] = jobs;
  const broken = Object.assign(newJob(), { queue: null });
  const waiting = newJob({ scheduledAt: T0 - 1 });
  await driver.insert(waiting);
  const replies = await driver.group(insertOf(...jobs), insertOf(broken), claimOf({ limit: 40 }));
  expect(replies.map(({ ok }) => ok)).toEqual([true, false, true]);
  expect(replies[2]).toMatchObject({ answer: [waiting, ...jobs.slice(0, 39)].map(({ id }) => ({ id, run: 1 })) });
  const run = { state: 'executing', worker: 'worker-a', run: 1, attempt: 1 };
  expect(await driver.job(first?.id ?? '')).toMatchObject(run);
  await driver.complete({ id: first?.id ?? '', attempt: 1, run: 1 });
  expect(await driver.claim({ limit: 99 })).toHaveLength(6);
  await driver.expectCountsHold();
});
