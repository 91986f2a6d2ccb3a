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
    expect(cancelled.wereRunning).toEqual([{ id: before.executing, queue: 'executing', worker: 'worker-a', run: 1 }]);
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
