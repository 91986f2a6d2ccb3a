import { expect, it } from 'vitest';
import type { StoreOptions } from '../../../src/store/job-store.ts';
import { jobInEach } from './change-cases.ts';
import type { StoreSuite } from './store-conformance.ts';
import { newJob, T0 } from './store-driver.ts';

/** Verbs on all jobs that fit a filter. */
export function sweepCases({ driver }: StoreSuite): void {
  type Sweep = Partial<StoreOptions<'sweep'>>;
  const step = (part: Sweep) =>
    driver().do('sweep', { now: T0, action: 'cancel', filter: {}, terminate: false, limit: 3, ...part });

  /** Every step of a sweep; what happens between two of them comes in `between`. */
  async function sweep(part: Sweep, between: () => Promise<unknown> = async () => {}) {
    const total = { done: 0, steps: 0, wereRunning: [] as unknown[], facts: [] as string[] };
    let from: Sweep = {};
    while (total.steps < 1_000) {
      const { done, cursor, wereRunning } = await step({ ...part, ...from });
      total.facts.push(...driver().whats());
      total.done += done;
      total.steps += 1;
      total.wereRunning.push(...wereRunning);
      if (cursor === null) break;
      from = { cursor };
      await between();
    }
    return total;
  }

  const count = async (filter: object) => (await driver().do('count', { filter })).total;

  it('does it to those whose state allows it, tells each, and passes over the rest', async () => {
    const before = await jobInEach(driver());
    const cancelled = await sweep({ action: 'cancel', terminate: true });
    expect(cancelled).toMatchObject({ done: 4, facts: Array(4).fill('cancelled') });
    expect(cancelled.wereRunning).toEqual([
      { id: before.executing, queue: 'executing', worker: 'worker-a', run: 1, insertedAt: T0 },
    ]);
    expect(await count({ states: ['cancelled'] })).toBe(5);
    expect(await sweep({ action: 'retry' })).toMatchObject({ done: 7, facts: Array(7).fill('retried') });
    expect(await count({ states: ['available'] })).toBe(7);
    expect(await sweep({ action: 'retry' })).toMatchObject({ done: 0 });
    await driver().claim();
    expect(await sweep({ action: 'delete' })).toMatchObject({ done: 6, facts: Array(6).fill('deleted') });
    expect(await count({})).toBe(1);
  });

  it('keeps to every part of its filter', async () => {
    const part = { tags: ['x'], type: 'test.swept', reference: { type: 'r', id: '1' } };
    await driver().insert(newJob(part), newJob({ ...part, queue: 'other' }), newJob({ tags: ['x'] }), newJob());
    expect(await sweep({ filter: { states: ['completed', 'executing'] } })).toMatchObject({ done: 0 });
    expect(await sweep({ filter: { tag: 'x', type: 'test.swept', queue: 'other' } })).toMatchObject({ done: 1 });
    expect(await sweep({ filter: { reference: part.reference } })).toMatchObject({ done: 1 });
    expect(await sweep({ filter: { tag: 'x', states: ['available'] } })).toMatchObject({ done: 1 });
    expect(await count({ states: ['available'] })).toBe(1);
  });

  it('works in bounded steps and ends, however many jobs are inserted meanwhile', async () => {
    await driver().insert(...Array.from({ length: 10 }, () => newJob()));
    const insertMore = () => driver().insert(newJob(), newJob(), newJob(), newJob(), newJob());
    const { done, steps } = await sweep({ action: 'cancel', limit: 3 }, insertMore);
    expect(done).toBe(10);
    expect(steps).toBeLessThanOrEqual(5);
    expect(await count({ states: ['cancelled'] })).toBe(10);
  });

  it.each(['delete', 'prune'])(
    'takes no job that was inserted after it began, though the newest one is gone by %s',
    async (how) => {
      const jobs = Array.from({ length: 4 }, () => newJob());
      await driver().insert(...jobs);
      const newest = newJob();
      await driver().insert(newest);
      const { done, cursor } = await step({ action: 'delete', limit: 2 });
      expect([done, cursor]).toEqual([2, expect.any(String)]);
      if (how === 'delete') await driver().do('delete', { now: T0, id: newest.id });
      else {
        await driver().do('cancel', { now: T0, id: newest.id, terminate: false });
        await driver().do('announced', { places: [{ from: 0, to: 1e9 }] });
        await driver().do('prune', {
          now: T0 + 1_000,
          keepMs: { completed: 0, cancelled: 0, discarded: 0 },
          limit: 10,
        });
      }
      expect(await count({})).toBe(2);
      // One alone and as many as are stored at once.
      const later = [newJob(), ...Array.from({ length: 50 }, () => newJob())];
      await driver().insert(...later.slice(0, 1));
      await driver().insert(...later.slice(1));
      if (cursor === null) throw new Error('there is more');
      const rest = await step({ action: 'delete', limit: 100, cursor });
      expect(rest).toMatchObject({ done: 2, cursor: null });
      expect(await count({})).toBe(later.length);
      const { jobs: listed } = await driver().do('list', { filter: {}, order: 'asc', limit: 100 });
      expect(listed.map(({ id }) => id)).toEqual(later.map(({ id }) => id));
    },
  );

  it('takes no job twice, also where it fits again after it was done', async () => {
    await driver().insert(...Array.from({ length: 7 }, () => newJob()));
    await sweep({ action: 'cancel' });
    const cancelAll = () => sweep({ action: 'cancel' });
    expect(await sweep({ action: 'retry', filter: { states: ['cancelled'] }, limit: 2 }, cancelAll)).toMatchObject({
      done: 7,
    });
  });

  it('goes over long stretches that are gone or fit nothing', async () => {
    const jobs = Array.from({ length: 25_000 }, (_, index) =>
      newJob({ type: index % 12_000 === 0 ? 'test.rare' : 'test.job' }),
    );
    await driver().insert(...jobs);
    expect((await step({ filter: { type: 'test.none' } })).cursor).not.toBeNull();
    const rare = await sweep({ filter: { type: 'test.rare' }, limit: 500 });
    expect(rare).toMatchObject({ done: 3 });
    expect(rare.steps).toBeLessThanOrEqual(3);
    await sweep({ action: 'delete', filter: { type: 'test.job' }, limit: 5_000 });
    await driver().insert(newJob());
    const last = await sweep({ filter: { states: ['available'] }, limit: 500 });
    expect(last).toMatchObject({ done: 1 });
    expect(last.steps).toBeLessThanOrEqual(2);
  });

  it('refuses a cursor that is none', async () => {
    expect((await driver().refused('sweep', { ...sweepOptions, cursor: 'nonsense' })).code).toBe('invalid_request');
  });
}

const sweepOptions = { now: T0, action: 'cancel', filter: {}, terminate: false, limit: 3 } as const;
