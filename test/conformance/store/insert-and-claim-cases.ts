import { expect, it } from 'vitest';
import { storedJob } from '../../../src/job/job.ts';
import type { StoreSuite } from './store-conformance.ts';
import { laterJob, newJob, T0 } from './store-driver.ts';

/** Insert, get, claim, stage. */
export function insertAndClaimCases({ driver }: StoreSuite): void {
  it('keeps every field of a job', async () => {
    const job = laterJob(T0 + 5_000, {
      args: { list: [1, 'zwei', null, { deep: true }], text: 'ünï \u0000 "quoted" \ud83d\ude00' },
      priority: 0,
      maxAttempts: 3,
      tags: ['a', 'b c'],
      meta: { __proto: 1, tenant: 'x' },
      reference: { type: 'file', id: "4'2; drop table jobs" },
      schedule: { name: 'nightly', at: T0, late: true },
      backoff: { kind: 'linear', baseMs: 5, maxMs: 10, jitter: 0 },
      timeoutMs: 2_500_000_000,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    });
    expect(await driver().insert(job)).toEqual([{ job: storedJob(job), conflict: false }]);
    expect(await driver().job(job.id)).toEqual(storedJob(job));
  });

  it('tells inserted, and scheduled of a delayed one', async () => {
    const [now, later] = [newJob(), laterJob(T0 + 1_000)];
    await driver().insert(now, later);
    expect(driver().facts).toEqual([
      expect.objectContaining({ what: 'inserted', id: now.id, state: 'available', at: T0, run: 0, attempt: 0 }),
      expect.objectContaining({ what: 'inserted', id: later.id, state: 'scheduled' }),
      expect.objectContaining({ what: 'scheduled', id: later.id, nextAt: T0 + 1_000 }),
    ]);
  });

  it('answers the existing row of an id that is there, in one request and later, and changes nothing', async () => {
    const job = newJob();
    const answers = await driver().insert(job, { ...job, args: { other: 1 }, queue: 'elsewhere' });
    expect(answers.map(({ conflict }) => conflict)).toEqual([false, true]);
    expect(answers[1]?.job).toEqual(storedJob(job));
    expect(driver().whats()).toEqual(['inserted']);
    const [again] = await driver().insert({ ...job, priority: 0 });
    expect(again).toEqual({ job: storedJob(job), conflict: true });
    expect(driver().whats()).toEqual([]);
    expect((await driver().do('count', { filter: {} })).total).toBe(1);
  });

  it('stores many jobs at once: of an id that is there already, or twice among them, the first', async () => {
    const before = newJob({ queue: 'elsewhere' });
    await driver().insert(before);
    const jobs = Array.from({ length: 70 }, (_, n) => newJob({ args: { n }, ...(n > 60 ? { tags: ['last'] } : {}) }));
    const there = { ...newJob({ args: 'again' }), id: before.id };
    const twice = { ...newJob({ args: 'again' }), id: jobs[12]?.id ?? '' };
    const all = jobs.toSpliced(5, 0, there).toSpliced(19, 0, twice).toSpliced(45, 0, twice);
    const answers = await driver().insert(...all);
    const first = jobs[12] ?? before;
    expect(answers).toEqual(
      all.map((job) => {
        if (job === there) return { job: storedJob(before), conflict: true };
        return job === twice ? { job: storedJob(first), conflict: true } : { job: storedJob(job), conflict: false };
      }),
    );
    expect(driver().facts.map(({ what, id }) => [what, id])).toEqual(jobs.map(({ id }) => ['inserted', id]));
    const claimed = await driver().claim({ limit: 100 });
    expect(claimed.map(({ id, args, tags }) => ({ id, args, tags }))).toEqual(
      jobs.map(({ id, args, tags }) => ({ id, args, tags })),
    );
  });

  it('claims and ends of many jobs those that are meant, wherever others stand between them', async () => {
    const jobs = Array.from({ length: 80 }, (_, n) => newJob({ queue: n % 27 === 9 ? 'between' : 'default' }));
    await driver().insert(...jobs);
    const claimed = await driver().claim({ limit: 60 });
    const outcomes = claimed
      .filter((_, n) => n % 25 !== 3)
      .map(({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete', result: null }) as const);
    await driver().do('settle', { now: T0 + 1, worker: 'worker-a', outcomes: outcomes.toReversed() });
    const stateOf = (id: string) => {
      if (outcomes.some((one) => one.id === id)) return 'completed';
      return claimed.some((one) => one.id === id) ? 'executing' : 'available';
    };
    const rows = await driver().do('get', { ids: jobs.map(({ id }) => id) });
    expect(rows.map(({ state }) => state)).toEqual(jobs.map(({ id }) => stateOf(id)));
    expect(new Set(rows.map(({ state }) => state)).size).toBe(3);
  });

  it('answers the existing job of a tick that is inserted again under another id', async () => {
    const schedule = { name: 'nightly', at: T0, late: false };
    const first = newJob({ schedule });
    await driver().insert(first);
    const [again] = await driver().insert(newJob({ schedule }));
    expect(again).toEqual({ job: storedJob(first), conflict: true });
  });

  it('gets jobs in the order of the ids and leaves out what is not there', async () => {
    const [a, b] = [newJob(), newJob()];
    await driver().insert(a, b);
    const found = await driver().do('get', { ids: [b.id, newJob().id, a.id] });
    expect(found.map(({ id }) => id)).toEqual([b.id, a.id]);
  });

  it('claims by priority, then time, then insertion, up to the limit', async () => {
    const jobs = [
      newJob({ priority: 5, scheduledAt: T0 - 10 }),
      newJob({ priority: 5, scheduledAt: T0 - 20 }),
      newJob({ priority: 5, scheduledAt: T0 - 20 }),
      newJob({ priority: 9, scheduledAt: T0 - 99 }),
      newJob({ priority: 0, scheduledAt: T0 }),
    ];
    await driver().insert(...jobs);
    const order = [4, 1, 2, 0, 3].map((place) => jobs[place]?.id);
    const first = await driver().claim({ limit: 3 });
    const second = await driver().claim({ limit: 3 });
    expect([...first, ...second].map(({ id }) => id)).toEqual(order);
    expect(await driver().claim()).toEqual([]);
    expect(driver().facts).toEqual([]);
  });

  it('moves a claimed job to executing with attempt and run raised, and tells how long it waited', async () => {
    const job = newJob({ scheduledAt: T0 - 1_500, timeoutMs: 50, tags: ['x'], meta: { m: 1 } });
    await driver().insert(job);
    const [claimed] = await driver().claim({ now: T0 });
    const { insertedAt, scheduledAt, args, timeoutMs, tags, meta } = job;
    expect(claimed).toMatchObject({
      id: job.id,
      run: 1,
      attempt: 1,
      insertedAt,
      scheduledAt,
      args,
      timeoutMs,
      tags,
      meta,
    });
    expect(driver().facts).toEqual([
      expect.objectContaining({ what: 'started', state: 'executing', waitMs: 1_500, run: 1, attempt: 1, at: T0 }),
    ]);
    expect(await driver().job(job.id)).toMatchObject({
      state: 'executing',
      attempt: 1,
      run: 1,
      attemptedAt: T0,
      node: 'node-a',
      worker: 'worker-a',
    });
  });

  it('never tells a negative wait', async () => {
    await driver().running({ scheduledAt: T0 + 50 });
    expect(driver().facts[0]?.waitMs).toBe(0);
  });

  it('claims only of the queue, and only of the types where they are given', async () => {
    const wanted = newJob({ type: 'test.wanted' });
    await driver().insert(newJob({ queue: 'other' }), newJob(), wanted);
    const claimed = await driver().claim({ types: ['test.wanted', 'test.more'] });
    expect(claimed.map(({ id }) => id)).toEqual([wanted.id]);
    expect(await driver().claim({ types: [] })).toEqual([]);
    expect(await driver().claim({ queue: 'none' })).toEqual([]);
  });

  it('claims no more than fits, but always the first, and leaves the rest in its place', async () => {
    const jobs = Array.from({ length: 300 }, (_, index) =>
      newJob({ args: { text: 'ä'.repeat(index === 0 ? 50_000 : 500) } }),
    );
    await driver().insert(...jobs);
    const size = (claimed: unknown) => Buffer.byteLength(JSON.stringify(claimed));
    expect(await driver().claim({ limit: 300, bytesMax: 10 })).toHaveLength(1);
    const some = await driver().claim({ limit: 299, bytesMax: 100_000 });
    expect(some.length).toBeGreaterThan(40);
    expect(some.length).toBeLessThan(90);
    expect(size(some)).toBeLessThan(100_000);
    const rest = await driver().claim({ limit: 300, bytesMax: 10_000_000 });
    expect([...some, ...rest].map(({ id }) => id)).toEqual(jobs.slice(1).map(({ id }) => id));
    const hostile = { type: '\u0001'.repeat(256), id: '\u0002'.repeat(256) };
    await driver().insert(...Array.from({ length: 50 }, () => newJob({ reference: hostile })));
    const escaped = await driver().claim({ limit: 50, bytesMax: 50_000 });
    expect(size(escaped)).toBeLessThan(50_000);
    expect(escaped.length).toBeGreaterThan(5);
  });

  it('does not claim what is scheduled, however late, until it is staged', async () => {
    const job = laterJob(T0 + 1_000);
    await driver().insert(job);
    expect(await driver().claim({ now: T0 + 9_000 })).toEqual([]);
    expect(await driver().do('stage', { now: T0 + 999, limit: 10 })).toEqual({
      staged: 0,
      queues: [],
      nextAt: T0 + 1_000,
    });
    expect(await driver().do('stage', { now: T0 + 1_000, limit: 10 })).toEqual({
      staged: 1,
      queues: ['default'],
      nextAt: null,
    });
    expect((await driver().job(job.id)).state).toBe('available');
    expect(await driver().claim({ now: T0 + 1_000 })).toHaveLength(1);
  });

  it('stages in bounded steps, the longest due first, and says when the next one is due', async () => {
    const jobs = [30, 10, 20].map((ms) => laterJob(T0 + ms, { queue: `q${ms}` }));
    await driver().insert(...jobs, laterJob(T0 + 500));
    const first = await driver().do('stage', { now: T0 + 100, limit: 2 });
    expect(first).toMatchObject({ staged: 2, nextAt: T0 + 30 });
    expect(new Set(first.queues)).toEqual(new Set(['q10', 'q20']));
    expect(await driver().do('stage', { now: T0 + 100, limit: 2 })).toEqual({
      staged: 1,
      queues: ['q30'],
      nextAt: T0 + 500,
    });
  });
}
