import { beforeEach, describe, expect, it } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import type { StoreOptions, StoreVerb } from '../../../src/store/job-store.ts';
import type { StoreSuite } from './store-conformance.ts';
import { failure, newJob, request, type StoreDriver, T0 } from './store-driver.ts';

/** Jobs that come together as of one bulk enqueue: alike but for what is said of one. */
const fresh = (count: number, part: (at: number) => Partial<NewJob> = () => ({})): NewJob[] =>
  Array.from({ length: count }, (_, at) => newJob({ args: { at }, ...part(at) }));

/** What happens to one of the jobs between their insert and their claim, and what the claim then gives of it. */
const BETWEEN: Record<
  string,
  { do: (driver: StoreDriver, id: string) => Promise<unknown>; gives: Partial<ClaimedJob> }
> = {
  'new args': { do: (driver, id) => change(driver, id, { args: { other: [1] } }), gives: { args: { other: [1] } } },
  'another priority': { do: (driver, id) => change(driver, id, { priority: 7 }), gives: { priority: 7 } },
  tags: { do: (driver, id) => change(driver, id, { tags: ['a'] }), gives: { tags: ['a'] } },
  meta: { do: (driver, id) => change(driver, id, { meta: { tenant: 'x' } }), gives: { meta: { tenant: 'x' } } },
  'fewer attempts': { do: (driver, id) => change(driver, id, { maxAttempts: 2 }), gives: { maxAttempts: 2 } },
  'an earlier time': {
    do: (driver, id) => change(driver, id, { scheduledAt: T0 - 9 }),
    gives: { scheduledAt: T0 - 9 },
  },
  'a cancel and a retry by hand': {
    do: async (driver, id) => {
      await driver.do('cancel', { now: T0, id, terminate: false });
      await driver.do('retry', { now: T0 + 7, id });
    },
    gives: { scheduledAt: T0 + 7, run: 1 },
  },
  'a run that was handed back': {
    do: async (driver, id) => driver.settle(await claimed(driver, id), { outcome: 'release' }),
    gives: { run: 2, attempt: 1 },
  },
  'a run that failed and a retry by hand': {
    do: async (driver, id) => {
      await driver.settle(await claimed(driver, id), failure());
      await driver.do('retry', { now: T0, id });
    },
    gives: { run: 2, attempt: 2 },
  },
  'a worker that died': {
    do: async (driver, id) => {
      await claimed(driver, id);
      await driver.do('rescue', { now: T0 + 1, deadBefore: T0 + 1, limit: 99 });
    },
    gives: { run: 2, attempt: 2 },
  },
};

/** What is claimed right after it was inserted, which a store may know without reading it, is as it is in the store. */
export function freshJobCases({ driver }: StoreSuite): void {
  describe('what was just inserted', () => {
    // A store may know what is in line from a claim on that found nothing.
    beforeEach(async () => {
      await driver().claim();
      await driver().claim({ types: ['mine'] });
    });
    freshCases({ driver });
  });
}

function freshCases({ driver }: Pick<StoreSuite, 'driver'>): void {
  it.each(Object.keys(BETWEEN))('claims a job that was just inserted as it is after %s', async (name) => {
    const between = BETWEEN[name];
    const jobs = fresh(43, (at) => (at === 0 ? { priority: 4 } : {}));
    const [first] = jobs;
    await driver().insert(...jobs);
    await between?.do(driver(), first?.id ?? '');
    const got = await driver().claim({ now: T0 + 9, limit: 99 });
    expect(got.map(({ id }) => id).toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
    expect(got.find(({ id }) => id === first?.id)).toMatchObject(between?.gives ?? {});
    for (const job of got.slice(1, -1))
      expect(await driver().job(job.id)).toMatchObject({ args: job.args, run: job.run });
  });

  it.each(['deleted', 'purged'])('gives a job that takes the place of one that was %s as itself', async (how) => {
    const jobs = fresh(21, (at) => (at < 20 ? {} : { type: 'test.last' }));
    await driver().insert(...jobs);
    if (how === 'deleted') await driver().do('delete', { now: T0, id: jobs[20]?.id ?? '' });
    else
      await driver().do('sweep', {
        ...{ now: T0, limit: 9, terminate: false },
        action: 'delete',
        filter: { type: 'test.last' },
      });
    const next = newJob({ args: 'next', type: 'test.next', tags: ['next'], timeoutMs: 5 });
    await driver().insert(next);
    const got = await driver().claim({ limit: 99 });
    expect(got.map(({ id }) => id)).toEqual([...jobs.slice(0, 20), next].map(({ id }) => id));
    expect(got.at(-1)).toMatchObject({ args: 'next', type: 'test.next', tags: ['next'], timeoutMs: 5 });
  });

  it('claims nothing of what was moved, cancelled, deleted or purged meanwhile', async () => {
    const jobs = fresh(60, (at) => ({ type: at < 40 ? 'test.job' : 'test.purged' }));
    await driver().insert(...jobs);
    const [moved, later, cancelled, deleted] = jobs.map(({ id }) => id);
    await change(driver(), moved ?? '', { queue: 'elsewhere' });
    await change(driver(), later ?? '', { scheduledAt: T0 + 9 });
    await driver().do('cancel', { now: T0, id: cancelled ?? '', terminate: false });
    await driver().do('delete', { now: T0, id: deleted ?? '' });
    for (const action of ['cancel', 'delete'] as const) {
      const filter = { type: 'test.purged' };
      await driver().do('sweep', { now: T0, action, filter, terminate: false, limit: 99 });
    }
    const rest = jobs.slice(4, 40).map(({ id }) => id);
    expect((await driver().claim({ limit: 99 })).map(({ id }) => id)).toEqual(rest);
    expect(await driver().claim({ queue: 'elsewhere' })).toMatchObject([{ id: moved, queue: 'elsewhere' }]);
  });

  it('claims in order what was just inserted among what is otherwise', async () => {
    const at = (n: number) => ({ priority: n % 3, ...(n % 7 === 0 ? { tags: [`${n}`] } : {}) });
    const jobs = [...fresh(45), ...fresh(90, at), ...fresh(25, () => ({ priority: 0 })), ...fresh(45)];
    for (const part of [jobs.slice(0, 50), jobs.slice(50, 51), jobs.slice(51)]) await driver().insert(...part);
    const got: ClaimedJob[] = [];
    for (const limit of [1, 70, 7, 200]) got.push(...(await driver().claim({ limit })));
    const due = jobs.map((job, place) => ({ job, place }));
    due.sort((a, b) => a.job.priority - b.job.priority || a.place - b.place);
    const view = ({ id, args, tags, priority }: NewJob | ClaimedJob) => ({ id, args, tags, priority });
    expect(got.map(view)).toEqual(due.map(({ job }) => view(job)));
  });

  it('claims only its types of what was just inserted, also where they are mixed', async () => {
    const mixed = fresh(50, (at) => ({ type: at % 2 === 0 ? 'theirs' : 'mine' }));
    await driver().insert(...mixed);
    const got = await driver().claim({ types: ['mine'], limit: 9 });
    expect(got.map(({ id }) => id)).toEqual(
      mixed
        .filter(({ type }) => type === 'mine')
        .slice(0, 9)
        .map(({ id }) => id),
    );
    await driver().claim({ limit: 99 });
  });

  it('claims only its types of what was just inserted, also where others were set aside', async () => {
    const jobs = fresh(200, (at) => ({ type: at < 100 ? 'theirs' : 'mine' }));
    await driver().insert(...jobs);
    const ids = (part: readonly { id: string }[]) => part.map(({ id }) => id);
    // Theirs stand in the way at the head, and are set aside.
    expect(ids(await driver().claim({ types: ['mine'], limit: 30 }))).toEqual(ids(jobs.slice(100, 130)));
    expect(ids(await driver().claim({ types: ['theirs'], limit: 30 }))).toEqual(ids(jobs.slice(0, 30)));
    expect(ids(await driver().claim({ types: ['mine', 'theirs'], limit: 80 }))).toEqual(
      ids(jobs.slice(30, 100).concat(jobs.slice(130, 140))),
    );
    expect(ids(await driver().claim({ limit: 99 }))).toEqual(ids(jobs.slice(140)));
  });

  it('claims of what was just inserted no more bytes than asked for, but one job always', async () => {
    await driver().insert(...fresh(40, () => ({ args: 'ä'.repeat(2_000) })));
    expect(await driver().claim({ limit: 40, bytesMax: 10 })).toHaveLength(1);
    const some = await driver().claim({ limit: 40, bytesMax: 20_000 });
    expect(some.length).toBeGreaterThan(1);
    expect(JSON.stringify(some).length).toBeLessThan(20_000);
    expect(some.length).toBeLessThan(5);
    expect(await driver().claim({ limit: 99 })).toHaveLength(39 - some.length);
  });

  it('starts of what was just inserted no more than operators allow', async () => {
    await driver().insert(...fresh(60));
    const say = (said: StoreOptions<'changeQueue'>['change']) =>
      driver().do('changeQueue', { now: T0, queue: 'default', change: said });
    await say({ paused: true });
    expect(await driver().claim({ limit: 99 })).toEqual([]);
    await say({ paused: false, globalLimit: 7 });
    await driver().insert(...fresh(20));
    expect(await driver().claim({ limit: 99 })).toHaveLength(7);
    await say({ globalLimit: null, rate: { limit: 9, periodMs: 1_000 } });
    await driver().insert(...fresh(20));
    expect(await driver().claim({ limit: 99 })).toHaveLength(9);
    await say({ rate: null, partition: { by: 'args.at', limit: 1 } });
    for (let done = false; !done; ) {
      ({ done } = await driver().do('sortPartitions', { queue: 'default', limit: 500 }));
    }
    await driver().insert(...fresh(80, (at) => ({ args: { at: at % 2 } })));
    const got = await driver().claim({ limit: 99 });
    const keys = got.map(({ args }) => JSON.stringify(args));
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('claims in the group that inserts, twice and after an end, each job once', async () => {
    const jobs = fresh(60);
    const claim = (limit: number) =>
      request('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', limit });
    const replies = await driver().group(request('insert', { jobs }), claim(25), claim(99));
    const got = replies.slice(1).flatMap((reply) => (reply.ok ? (reply.answer as ClaimedJob[]) : []));
    expect(got.map(({ id, run }) => ({ id, run }))).toEqual(jobs.map(({ id }) => ({ id, run: 1 })));
    for (const job of got.slice(0, 5)) await driver().complete(job);
    expect(await driver().claim({ limit: 99 })).toEqual([]);
    expect(await driver().job(jobs[0]?.id ?? '')).toMatchObject({ state: 'completed', run: 1, attempt: 1 });
    expect(await driver().job(jobs[6]?.id ?? '')).toMatchObject({ state: 'executing', worker: 'worker-a', run: 1 });
  });

  it('shares nothing with who inserted a job or who runs it', async () => {
    const jobs = fresh(21, (at) => ({ args: { list: [at] }, meta: {}, tags: [] }));
    const said = jobs.map(({ args }) => structuredClone(args));
    await driver().insert(...jobs);
    for (const job of jobs) Object.assign(job, { type: 'changed', args: Object.assign(job.args ?? {}, { list: [] }) });
    const got = await driver().claim({ limit: 99 });
    expect(got.map(({ args, type }) => ({ args, type }))).toEqual(said.map((args) => ({ args, type: 'test.job' })));
    got[0]?.tags.push('changed');
    expect(got[1]?.tags).toEqual([]);
  });
}

function change(driver: StoreDriver, id: string, changes: StoreOptions<'update'>['changes']): Promise<unknown> {
  return driver.do('update' satisfies StoreVerb, { now: T0, id, changes });
}

/** Claims the one job that is first. */
async function claimed(driver: StoreDriver, id: string): Promise<ClaimedJob> {
  const [job] = await driver.claim({ limit: 1 });
  expect(job?.id).toBe(id);
  // It was just looked at.
  return job as ClaimedJob;
}
