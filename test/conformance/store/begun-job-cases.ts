import { expect, it } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import type { StoreOptions, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { diceOf } from '../../support/dice.ts';
import type { StoreSuite } from './store-conformance.ts';
import { failure, newJob, request, type StoreDriver, T0 } from './store-driver.ts';

const some = (count: number, part: (at: number) => Partial<NewJob> = () => ({})): NewJob[] =>
  Array.from({ length: count }, (_, at) => newJob({ args: { at }, ...part(at) }));
const ids = (jobs: readonly { id: string }[]): string[] => jobs.map(({ id }) => id);
const insertOf = (...jobs: NewJob[]): StoreRequest => request('insert', { jobs });
const claimOf = (part: Partial<StoreOptions<'claim'>> = {}): StoreRequest =>
  request('claim', { now: T0 + 7, queue: 'default', worker: 'worker-a', node: 'node-a', limit: 10, ...part });
const completed = (jobs: readonly ClaimedJob[], part: Partial<StoreOptions<'settle'>> = {}): StoreRequest =>
  request('settle', {
    ...{ now: T0 + 8, worker: 'worker-a', ...part },
    outcomes: jobs.map(({ id, attempt, run, insertedAt }) => ({
      ...{ id, attempt, run, insertedAt, outcome: 'complete' as const, result: null },
    })),
  });

/** The answers of the claims in a group, each checked by itself: what it may have and in which order. */
function claimedBy(requests: readonly StoreRequest[], replies: readonly StoreReply[]): ClaimedJob[][] {
  const answers: ClaimedJob[][] = [];
  for (const [at, asked] of requests.entries()) {
    if (asked.verb !== 'claim') continue;
    const reply = replies[at];
    if (!reply?.ok) expect.unreachable(`a claim is answered: ${JSON.stringify(reply)}`);
    // The answer of a claim.
    const jobs = reply.answer as ClaimedJob[];
    expect(jobs.length).toBeLessThanOrEqual(asked.limit);
    const inOrder = jobs.toSorted((a, b) => a.priority - b.priority || a.scheduledAt - b.scheduledAt);
    expect(ids(jobs)).toEqual(ids(inOrder));
    for (const { type, queue } of jobs) {
      expect(queue).toBe(asked.queue);
      if (asked.types !== undefined) expect(asked.types).toContain(type);
    }
    expect(reply.facts).toEqual(
      jobs.map((job) =>
        expect.objectContaining({ what: 'started', id: job.id, run: job.run, attempt: job.attempt, at: asked.now }),
      ),
    );
    answers.push(jobs);
  }
  const all = ids(answers.flat());
  expect(new Set(all).size, 'each is claimed once').toBe(all.length);
  return answers;
}

/** Performs a group; its claims' answers are checked, and that each that executes is as it was answered. */
async function performed(driver: StoreDriver, ...requests: StoreRequest[]): Promise<ClaimedJob[][]> {
  const answers = claimedBy(requests, await driver.group(...requests));
  const workers = requests.flatMap((asked) => (asked.verb === 'claim' ? [asked.worker] : []));
  for (const [nth, jobs] of answers.entries()) {
    const rows = await driver.do('get', { ids: ids(jobs) });
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const { id, run, attempt, args } of jobs) {
      const row = { id, run, attempt, args, state: 'executing', worker: workers[nth], attemptedAt: T0 + 7 };
      expect(byId.get(id)).toMatchObject(row);
    }
  }
  await driver.expectCountsHold();
  return answers;
}

/** Jobs that a group inserts and its claims take are as if they had been inserted first and claimed then. */
export function begunJobCases({ driver }: StoreSuite): void {
  /** A store may know from claims that found nothing what waits from then on. */
  const knowing = async (...types: (readonly string[])[]): Promise<StoreDriver> => {
    expect(await driver().claim()).toEqual([]);
    for (const part of types) await driver().claim({ types: part });
    return driver();
  };

  it.each([1, 7, 20, 21, 45, 1_000])('gives %i jobs to the claim of their group', async (count) => {
    const jobs = some(count, (at) => ({ scheduledAt: T0 + Math.floor(at / 30) }));
    const [got = []] = await performed(await knowing(), insertOf(...jobs), claimOf({ limit: 2_000 }));
    expect(ids(got)).toEqual(ids(jobs));
    const {
      state: _state,
      unique: _unique,
      backoff: _backoff,
      deadlineAt: _deadlineAt,
      ...first
    } = jobs[0] ?? newJob();
    expect(got[0]).toEqual({ ...first, run: 1, attempt: 1 });
    expect(await driver().claim()).toEqual([]);
  });

  it('does so group after group, with the ends of what the one before began', async () => {
    await knowing();
    let running: ClaimedJob[] = [];
    for (const count of [30, 1, 45, 20, 3]) {
      const jobs = some(count);
      const ends = completed(running);
      const [got = []] = await performed(driver(), ends, insertOf(...jobs), claimOf({ limit: 99 }));
      expect(ids(got)).toEqual(ids(jobs));
      expect((await driver().do('count', { filter: {} })).byState).toMatchObject({ available: 0, executing: count });
      running = got;
    }
    expect((await driver().do('settle', completed(running) as StoreRequest & { verb: 'settle' })).settled).toHaveLength(
      3,
    );
    expect((await driver().do('count', { filter: {} })).byState).toMatchObject({ completed: 99, executing: 0 });
  });

  it('gives jobs to several claims in turn, and leaves what is over to the next one', async () => {
    const jobs = some(90);
    const got = await performed(
      await knowing(),
      ...[jobs.slice(0, 50), jobs.slice(50)].map((part) => insertOf(...part)),
      ...[13, 1, 30, 20].map((limit, at) => claimOf({ limit, worker: `worker-${at}` })),
    );
    expect(got.map(ids)).toEqual(
      [
        [0, 13],
        [13, 14],
        [14, 44],
        [44, 64],
      ].map(([from, to]) => ids(jobs.slice(from, to))),
    );
    expect(ids(await driver().claim({ limit: 99 }))).toEqual(ids(jobs.slice(64)));
  });

  it('gives what waits first, also of the same time and of a higher priority', async () => {
    const store = await knowing();
    const [waiting, urgent, jobs] = [some(12), some(3, () => ({ priority: 1 })), some(40)];
    await store.insert(...waiting);
    await store.insert(...urgent);
    const got = await performed(
      ...([store, insertOf(...jobs), claimOf({ limit: 10 }), claimOf({ limit: 10, worker: 'worker-b' })] as const),
      claimOf({ limit: 99, worker: 'worker-c' }),
    );
    expect(ids(got.flat())).toEqual(ids([...urgent, ...waiting, ...jobs]));
    expect(got.map(({ length }) => length)).toEqual([10, 10, 35]);
  });

  it.each<[string, Partial<NewJob>, number]>([
    ['behind', { priority: 9 }, 30],
    ['between', { scheduledAt: T0 + 15 }, 15],
    ['before', { scheduledAt: T0 - 1, tags: ['a'] }, 0],
  ])('gives a job that waits %s them in its place', async (_, part, place) => {
    for (const limit of [5, 20, 99]) {
      const waiting = newJob(part);
      const store = await knowing();
      await store.insert(waiting);
      const jobs = some(30, (at) => ({ scheduledAt: T0 + at }));
      const all = [...jobs.slice(0, place), waiting, ...jobs.slice(place)];
      const [got = []] = await performed(store, insertOf(...jobs), claimOf({ limit }));
      expect(ids(got)).toEqual(ids(all.slice(0, limit)));
      expect(ids(await store.claim({ limit: 99 }))).toEqual(ids(all.slice(limit)));
    }
  });

  it('leaves nothing to a later claim that one with room takes, of what waits behind another type', async () => {
    const store = await knowing(['mine']);
    const waiting = some(3, (at) => ({ type: 'mine', scheduledAt: T0 + at }));
    await store.insert(...waiting);
    const others = some(2, () => ({ type: 'theirs', scheduledAt: T0 + 1 }));
    const [got = []] = await performed(store, insertOf(...others), claimOf({ types: ['mine'] }));
    expect(ids(got)).toEqual(ids(waiting));
  });

  it('gives each type to who takes it, with jobs that are not plain among them', async () => {
    const types = ['mine', 'theirs', 'nobodys'];
    const jobs = some(120, (at) => ({
      ...{ type: types[at % 40 < 25 ? at % 2 : 2] ?? '' },
      ...(at % 50 === 49 ? { tags: ['a'], meta: { at } } : {}),
    }));
    const store = await knowing(['mine'], ['mine', 'theirs']);
    const claims = [
      claimOf({ types: ['mine'], limit: 7 }),
      claimOf({ types: ['mine', 'theirs'], worker: 'worker-b', limit: 99 }),
    ];
    const [mine = [], both = []] = await performed(store, insertOf(...jobs), ...claims);
    const taken = jobs.filter(({ type }) => type === 'mine').slice(0, 7);
    expect(ids(mine)).toEqual(ids(taken));
    expect(ids(both)).toEqual(ids(jobs.filter((job) => job.type !== 'nobodys' && !taken.includes(job))));
    expect(await store.claim({ types: ['mine', 'theirs'] })).toEqual([]);
  });

  it('puts what comes of a priority or a time of its own in its place', async () => {
    for (const part of [{ priority: 1 }, { scheduledAt: T0 - 9 }, { priority: 9 }]) {
      const jobs = some(30, (at) => (at === 20 ? part : {}));
      const [got = [], rest = []] = await performed(
        ...([await knowing(), insertOf(...jobs), claimOf({ limit: 12 }), claimOf({ limit: 99, worker: 'b' })] as const),
      );
      const last = part.priority === 9;
      expect(ids([...got, ...rest]).at(last ? -1 : 0)).toBe(jobs[20]?.id);
      expect(got.length + rest.length).toBe(30);
    }
  });

  it('answers no more bytes than a claim asks for, but one job always', async () => {
    for (const bytesMax of [10, 9_000, 60_000]) {
      const jobs = some(60, (at) => ({ args: (at % 2 === 0 ? '…' : 'ä"').repeat(900) }));
      const claims = ['worker-a', 'worker-b'].map((worker) => claimOf({ limit: 30, worker, bytesMax }));
      const got = await performed(await knowing(), insertOf(...jobs), ...claims);
      for (const answer of got) {
        expect(answer.length).toBeGreaterThan(0);
        if (answer.length > 1) expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThanOrEqual(bytesMax);
      }
      const rest = await driver().claim({ limit: 99 });
      expect(ids([...got.flat(), ...rest]).toSorted()).toEqual(ids(jobs).toSorted());
    }
  });

  it('stores an id once that comes twice or was there, and gives it to one claim once', async () => {
    const id = newJob().id;
    for (const there of [false, true]) {
      const store = await knowing();
      const jobs = some(30, (at) => (at === 4 || at === 9 ? { id } : {}));
      const replies = await store.group(insertOf(...jobs), claimOf({ limit: 20 }), claimOf({ limit: 50, worker: 'b' }));
      const got = claimedBy([insertOf(), claimOf({ limit: 20 }), claimOf({ limit: 50 })], replies);
      expect(got.map(({ length }) => length)).toEqual([20, there ? 8 : 9]);
      expect(ids(got.flat()).includes(id)).toBe(!there);
      const told = replies[0]?.ok ? ids(replies[0].facts) : [];
      expect(told).toHaveLength(there ? 28 : 29);
      expect(await store.claim()).toEqual([]);
    }
  });

  it('knows what was said of the queue in the same group', async () => {
    await knowing();
    const say = (change: StoreOptions<'changeQueue'>['change']) =>
      request('changeQueue', { now: T0, queue: 'default', change });
    const jobs = some(20);
    expect(await performed(driver(), insertOf(...jobs.slice(0, 10)), say({ paused: true }), claimOf())).toEqual([[]]);
    expect(await performed(driver(), insertOf(...jobs.slice(10)), claimOf())).toEqual([[]]);
    const limited = [say({ paused: false, globalLimit: 3 }), insertOf(newJob()), claimOf()];
    expect((await performed(driver(), ...limited)).map(ids)).toEqual([ids(jobs.slice(0, 3))]);
    expect(await performed(driver(), insertOf(newJob()), say({ globalLimit: 4 }), claimOf())).toMatchObject([
      [{ id: jobs[3]?.id }],
    ]);
  });

  it('gives no job that the same group changes, cancels or deletes before its claim', async () => {
    await knowing();
    const jobs = some(5);
    const [changed = '', cancelled = '', deleted = '', ...left] = ids(jobs);
    const got = await performed(
      ...([driver(), insertOf(...jobs)] as const),
      request('update', { now: T0, id: changed, changes: { priority: 9 } }),
      request('cancel', { now: T0, id: cancelled, terminate: false }),
      request('delete', { now: T0, id: deleted }),
      claimOf(),
    );
    expect(got.map(ids)).toEqual([[...left, changed]]);
    expect((await driver().do('count', { filter: {} })).byState).toMatchObject({ cancelled: 1, executing: 3 });
  });

  it('gives what the same group hands back before what it inserts', async () => {
    const job = await driver().running({ scheduledAt: T0 - 5 });
    await knowing();
    const back = request('settle', {
      ...{ now: T0 + 1, worker: 'worker-a' },
      outcomes: [{ id: job.id, attempt: 1, run: 1, outcome: 'release' }],
    });
    const jobs = some(3);
    expect((await performed(driver(), back, insertOf(...jobs), claimOf({ limit: 2 }))).map(ids)).toEqual([
      [job.id, jobs[0]?.id],
    ]);
  });

  it('ends what it began as anything that was claimed: by all outcomes, once, and only by its worker', async () => {
    const jobs = some(5);
    const [got = []] = await performed(await knowing(), insertOf(...jobs), claimOf());
    const [one, two, three, four] = got;
    if (!one || !two || !three || !four) return expect.unreachable('they were claimed');
    expect((await driver().complete(one, { worker: 'worker-b' })).settled).toEqual([]);
    expect((await driver().complete(one, { now: T0 + 9 })).settled).toEqual([{ id: one.id, state: 'completed' }]);
    expect(driver().facts).toMatchObject([{ what: 'completed', id: one.id, run: 1, attempt: 1, at: T0 + 9 }]);
    expect(await driver().job(one.id)).toMatchObject({
      state: 'completed',
      attempt: 1,
      attemptedAt: T0 + 7,
      finishedAt: T0 + 9,
    });
    await driver().settle(two, failure('x', 500), { now: T0 + 9 });
    expect(await driver().job(two.id)).toMatchObject({ state: 'retryable', attempt: 1, scheduledAt: T0 + 509 });
    await driver().settle(three, { outcome: 'release' }, { now: T0 + 9 });
    await driver().settle(four, { outcome: 'snooze', forMs: 90 }, { now: T0 + 9 });
    expect(await driver().job(four.id)).toMatchObject({ state: 'scheduled', scheduledAt: T0 + 99 });
    expect(await driver().claim({ worker: 'worker-b' })).toMatchObject([{ id: three.id, run: 2, attempt: 1 }]);
    expect((await driver().complete(three)).settled).toEqual([]);
  });

  it('hears of what it began in a beat, releases what two do not list, and rescues the rest of who died', async () => {
    const jobs = some(4);
    const [got = []] = await performed(await knowing(), insertOf(...jobs), claimOf());
    const refs = got.map(({ id, run, attempt }) => ({ id, run, attempt }));
    const listed = refs.slice(0, 3);
    for (const now of [T0 + 6_000, T0 + 12_000]) await driver().beat(listed, { now });
    expect(await driver().job(got[3]?.id ?? '')).toMatchObject({ state: 'available', run: 1 });
    for (const { id } of listed) expect(await driver().job(id)).toMatchObject({ state: 'executing', run: 1 });
    await driver().do('cancel', { now: T0 + 12_000, id: got[0]?.id ?? '', terminate: true });
    const heard = await driver().beat(listed, { now: T0 + 13_000 });
    expect(heard).toEqual({ cancel: [{ id: got[0]?.id, terminate: true }], lost: [] });
    await driver().do('rescue', { now: T0 + 90_000, deadBefore: T0 + 60_000, limit: 99 });
    expect((await driver().do('count', { filter: {} })).byState).toMatchObject({ executing: 0 });
    for (const { id } of listed.slice(1))
      expect(await driver().job(id)).toMatchObject({ state: 'available', attempt: 1 });
    const again = await driver().claim({ now: T0 + 90_000 });
    expect(again.map(({ run }) => run)).toEqual([2, 2, 2]);
  });

  it('leaves nothing half begun where one request of the group cannot be kept', async () => {
    await knowing();
    const jobs = some(45);
    const broken = Object.assign(newJob(), { queue: null });
    const requests = [insertOf(...jobs), insertOf(broken), claimOf({ limit: 40 })];
    const replies = await driver().group(...requests);
    expect(replies.map(({ ok }) => ok)).toEqual([true, false, true]);
    expect(claimedBy(requests, replies).map(ids)).toEqual([ids(jobs.slice(0, 40))]);
    expect(ids(await driver().claim({ limit: 99 }))).toEqual(ids(jobs.slice(40)));
  });

  partitionCases(driver);
  limitCases(driver);
}

/** What a group with partitions gives, whatever comes between its inserts and its claims. */
function partitionCases(driver: () => StoreDriver): void {
  const ofKey = (...keys: string[]): NewJob[] => keys.map((key) => newJob({ args: { key } }));
  const limited = async (limit: number): Promise<void> => {
    const change = { partition: { by: 'args.key', limit } };
    await driver().do('changeQueue', { now: T0, queue: 'default', change });
    await driver().claim();
  };

  it('gives each partition its turn also where other claims take none of it', async () => {
    await limited(9);
    const other = claimOf({ limit: 5, types: ['test.other'], worker: 'worker-b' });
    const claims = [claimOf({ limit: 5, types: ['test.job'] }), other];
    const [got = []] = await performed(driver(), insertOf(...ofKey(...'aaaaabbbbb')), ...claims);
    expect(new Set(got.map(({ args }) => (args as { key: string }).key))).toEqual(new Set('ab'));
  });

  it('keeps the order of a partition that ends free between its jobs', async () => {
    await limited(1);
    const [running] = ofKey('a');
    if (running === undefined) return expect.unreachable('there is one');
    const before = await performed(driver(), insertOf(running), claimOf());
    const [first, second] = [ofKey('a'), ofKey('a')];
    const ends = completed(before.flat());
    const [got = []] = await performed(driver(), insertOf(...first), ends, insertOf(...second), claimOf());
    expect(ids(got)).toEqual(ids(first));
  });

  it('gives a claim no more than it asked for where inserts come apart', async () => {
    await limited(10);
    const running = await performed(driver(), insertOf(...ofKey(...'aaaaaaaaaa')), claimOf());
    await driver().insert(...ofKey(...'aaaaaaaaaa'));
    const look = request('announced', { places: [] });
    const inserts = [insertOf(...ofKey('b')), completed(running.flat()), look, insertOf(...ofKey('c'))];
    await performed(driver(), ...inserts, claimOf({ limit: 3 }));
    await performed(driver(), insertOf(...ofKey('d')), look, insertOf(...ofKey('e')), claimOf({ limit: 3 }));
  });
}

/** Limits of a queue, and how many of its jobs they let execute, of how many in each partition. */
const LIMITS: readonly { change: StoreOptions<'changeQueue'>['change']; all: number; each: number }[] = [
  { change: { globalLimit: 40 }, all: 40, each: 99 },
  { change: { partition: { by: 'args.key', limit: 3 } }, all: 999, each: 3 },
  { change: { partition: { by: 'args.key', limit: 4 }, globalLimit: 50 }, all: 50, each: 4 },
];

/** What claims of all that they may take, in groups with inserts and ends, leave of a queue with limits. */
function limitCases(driver: () => StoreDriver): void {
  it.each(LIMITS)(
    'keeps to the limits of a queue and leaves nothing that might run: $change',
    async ({ change, all, each }) => {
      const dice = diceOf(11);
      await driver().do('changeQueue', { now: T0, queue: 'default', change });
      await driver().claim();
      const running = new Map<string, ClaimedJob>();
      const workers = new Map<string, string>();
      const waiting: NewJob[] = [];
      const keyOf = ({ args }: { args: unknown }): number => (args as { key: number }).key;
      for (let step = 0; step < 25; step += 1) {
        const ends = [...running.values()].filter(() => dice.random() < 0.5).slice(0, 30);
        const jobs = some(1 + dice.below(dice.one([2, 30, 70])), () => ({ args: { key: dice.below(12) } }));
        const claims = Array.from({ length: dice.below(3) }, (_, at) =>
          claimOf({ limit: 200, worker: `worker-${at}` }),
        );
        const byWorker = Map.groupBy(ends, ({ id }) => workers.get(id) ?? '');
        const settles = [...byWorker].map(([worker, its]) => completed(its, { worker }));
        const answers = await performed(driver(), ...settles, insertOf(...jobs), ...claims);
        // What a claim left to the next one.
        if (claims.length > 0)
          answers.push(...(await performed(driver(), claimOf({ limit: 200, worker: `worker-${claims.length}` }))));
        for (const { id } of ends) running.delete(id);
        waiting.push(...jobs);
        for (const [nth, got] of answers.entries()) {
          for (const job of got) {
            workers.set(job.id, `worker-${nth}`);
            running.set(job.id, job);
            const at = waiting.findIndex(({ id }) => id === job.id);
            // Of its partition it is the first.
            const before = waiting.slice(0, at).filter((one) => each < 99 && keyOf(one) === keyOf(job));
            expect(before.filter(({ id }) => !ids(answers.flat()).includes(id))).toEqual([]);
          }
        }
        for (const id of running.keys()) {
          const at = waiting.findIndex((one) => one.id === id);
          if (at >= 0) waiting.splice(at, 1);
        }
        const counts = new Map<number, number>();
        for (const job of running.values()) counts.set(keyOf(job), (counts.get(keyOf(job)) ?? 0) + 1);
        expect(running.size).toBeLessThanOrEqual(all);
        expect(Math.max(0, ...counts.values())).toBeLessThanOrEqual(each);
        const mightRun = waiting.filter((job) => (counts.get(keyOf(job)) ?? 0) < each);
        if (claims.length > 0 && running.size < all) expect(mightRun).toEqual([]);
      }
      await driver().expectCountsHold();
    },
  );
}
