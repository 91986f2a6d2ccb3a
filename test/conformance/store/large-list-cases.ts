import { expect, it } from 'vitest';
import type { Job, NewJob } from '../../../src/job/job.ts';
import { JOB_STATES } from '../../../src/job/state.ts';
import type { JobFilter } from '../../../src/store/job-store.ts';
import { matches } from './list-cases.ts';
import type { StoreSuite } from './store-conformance.ts';
import { laterJob, newJob, T0 } from './store-driver.ts';

/** So many jobs that most of them, which wait in one queue, are more than are sorted for a page. */
const JOBS = 24_500;
/** So many at a time. */
const STEP = 500;
const FILTERS: readonly JobFilter[] = [
  { queue: 'most', before: T0 + 4_000 },
  { queue: 'most', states: ['available'] },
  { states: ['available', 'scheduled'], type: 'test.third' },
  { states: ['completed', 'executing', 'discarded', 'cancelled'] },
  { queue: 'rest', type: 'test.other' },
  { tag: 'seventh' },
  { tag: 'seventh', queue: 'rest', states: ['available', 'completed'] },
  { reference: { type: 'file', id: '3' } },
  { schedule: 's1', states: ['scheduled', 'available'] },
  { schedule: 's1', after: T0 + 9_000 },
  { after: T0 + 2_000, before: T0 + 21_000, type: 'test.third' },
  { queue: 'most', states: ['available'], after: T0 + 20_000 },
];

/** List and count where there are many. */
export function largeListCases({ driver }: StoreSuite): void {
  let made = 0;

  /** The next job: what kind it is goes by turns. */
  function nextJob(): NewJob {
    const index = made++;
    const part: Partial<NewJob> = {
      queue: index % 8 === 7 ? 'rest' : 'most',
      type: index % 3 === 0 ? 'test.third' : 'test.other',
      insertedAt: T0 + index,
      tags: index % 7 === 0 ? ['seventh', 'x'] : [],
      reference: index % 9 === 0 ? { type: 'file', id: `${index % 5}` } : null,
      schedule: index % 11 === 0 ? { name: `s${index % 2}`, at: T0 + index, late: false } : null,
    };
    return index % 50 === 3 ? laterJob(T0 + 1e6, part) : newJob(part);
  }

  /** Every job there is then, in order of insertion. */
  async function fill(): Promise<Job[]> {
    const ids: string[] = [];
    for (let from = 0; from < JOBS; from += STEP) {
      const jobs = Array.from({ length: STEP }, nextJob);
      await driver().insert(...jobs);
      ids.push(...jobs.map(({ id }) => id));
    }
    for (const queue of ['most', 'rest']) {
      const [first, second, third] = [
        await driver().claim({ queue, limit: 200 }),
        await driver().claim({ queue, limit: 200 }),
        await driver().claim({ queue, limit: 200 }),
      ];
      const settle = { now: T0, worker: 'worker-a' };
      const refs = (jobs: typeof first) => jobs.map(({ id, attempt, run }) => ({ id, attempt, run }));
      const complete = { outcome: 'complete', result: null } as const;
      await driver().do('settle', { ...settle, outcomes: refs(first).map((ref) => ({ ...ref, ...complete })) });
      const discard = { outcome: 'discard', reason: 'r' } as const;
      await driver().do('settle', { ...settle, outcomes: refs(second).map((ref) => ({ ...ref, ...discard })) });
      for (const { id } of third.slice(0, 50)) await driver().do('cancel', { now: T0, id, terminate: false });
    }
    return found(ids);
  }

  async function found(ids: readonly string[]): Promise<Job[]> {
    const jobs: Job[] = [];
    for (let from = 0; from < ids.length; from += STEP) {
      jobs.push(...(await driver().do('get', { ids: ids.slice(from, from + STEP) })));
    }
    return jobs;
  }

  it('lists and counts a large table: pages add up to the whole, whatever comes in between', async () => {
    const jobs = await fill();
    expect(jobs.filter(({ queue, state }) => queue === 'most' && state === 'available').length).toBeGreaterThan(20_000);
    for (const filter of FILTERS) {
      for (const order of ['asc', 'desc'] as const) {
        const label = `${order} ${JSON.stringify(filter)}`;
        const before = jobs.filter((job) => matches(job, filter)).map(({ id }) => id);
        expect(before.length, label).toBeGreaterThan(0);
        expect((await driver().do('count', { filter })).total, label).toBe(before.length);
        const come: string[] = [];
        const listed: string[] = [];
        let ahead = 0;
        for (let cursor: string | null | undefined; cursor !== null; ) {
          ahead = come.length;
          const page = await driver().do('list', { filter, order, limit: STEP, ...(cursor ? { cursor } : {}) });
          expect(page.jobs.length, label).toBeGreaterThan(0);
          listed.push(...page.jobs.map(({ id }) => id));
          cursor = page.cursor;
          const more = Array.from({ length: 10 }, nextJob);
          await driver().insert(...more);
          come.push(...more.map(({ id }) => id));
        }
        // What came before the last page is ahead of whoever goes up, and behind whoever goes down.
        const later = await found(come);
        const reached = later.slice(0, ahead).filter((job) => matches(job, filter));
        const whole = order === 'asc' ? [...before, ...reached.map(({ id }) => id)] : before.toReversed();
        expect(listed, label).toEqual(whole);
        jobs.push(...later);
      }
    }
    const { total, byState, byQueue } = await driver().do('count', { filter: {} });
    expect(total).toBe(jobs.length);
    for (const state of JOB_STATES) {
      expect(byState[state], state).toBe(jobs.filter((job) => job.state === state).length);
    }
    expect(byQueue).toEqual({
      most: jobs.filter(({ queue }) => queue === 'most').length,
      rest: jobs.filter(({ queue }) => queue === 'rest').length,
    });
  }, 300_000);
}
