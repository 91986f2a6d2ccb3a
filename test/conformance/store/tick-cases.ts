import { expect, it } from 'vitest';
import { assert } from '../../../src/kernel/error.ts';
import type { TickRecord, TickResult } from '../../../src/store/schedule-record.ts';
import { addSchedules, storedSchedule } from './schedule-cases.ts';
import type { StoreSuite } from './store-conformance.ts';
import { ALL_PLACES, laterJob, newJob, T0 } from './store-driver.ts';

const MINUTE_MS = 60_000;

/** Ticks of schedules, and of programs' starts. */
export function tickCases({ driver }: StoreSuite): void {
  let term = 0;

  async function leading(...names: string[]): Promise<void> {
    ({ term } = await driver().do('lead', { now: T0, node: 'node-a', instance: 'one', leaseMs: 10_000 }));
    await addSchedules(driver(), ...names);
  }

  /** A tick of `a` as it is stored now, at some minutes. */
  async function ticksAt(minutes: number[], part: Partial<TickRecord> = {}): Promise<TickRecord> {
    const { revision, runs, cursorAt: cursorFrom } = await storedSchedule(driver(), 'a');
    const at = (minute: number): number => T0 + minute * MINUTE_MS;
    const jobs = minutes.map((minute) =>
      newJob({ schedule: { name: 'a', at: at(minute), late: false }, insertedAt: T0, scheduledAt: T0 }),
    );
    const passed = { cancelsRunning: false, skipped: 0, missed: 0, lastPassed: null };
    return { schedule: 'a', revision, runs, cursorFrom, cursorAt: at(minutes.at(-1) ?? 0), jobs, ...passed, ...part };
  }
  const tick = (...ticks: TickRecord[]): Promise<TickResult[]> => driver().do('tick', { now: T0, term, ticks });
  const reboot = (instance: string, ...ticks: TickRecord[]) => driver().do('reboot', { now: T0, instance, ticks });
  const fired = (count: number): TickResult => ({
    stale: false,
    jobs: Array.from({ length: count }, () => 'fired' as const),
    cancelled: [],
  });
  const STALE: TickResult = { stale: true, jobs: [], cancelled: [] };

  it('inserts the jobs of ticks and moves the cursor', async () => {
    await leading('a');
    const first = await ticksAt([1, 2]);
    expect(await tick(first)).toEqual([fired(2)]);
    expect(driver().whats()).toEqual(['inserted', 'inserted']);
    const at = T0 + 2 * MINUTE_MS;
    const last = { lastAt: at, lastJobId: first.jobs[1]?.id, lastState: 'available' };
    expect(await storedSchedule(driver(), 'a')).toMatchObject({ cursorAt: at, runs: 2, ...last });
    await driver().claim({ now: at });
    expect((await storedSchedule(driver(), 'a')).lastState).toBe('executing');
    const ids = [...first.jobs.map(({ id }) => id), newJob().id];
    const states = await driver().do('states', { ids });
    expect(states).toEqual(ids.slice(0, 2).map((id) => ({ id, state: 'executing' })));
  });

  it('inserts a delayed tick as a delayed job', async () => {
    await leading('a');
    const job = laterJob(T0 + 500, { schedule: { name: 'a', at: T0 + 1, late: true } });
    await tick(await ticksAt([1], { jobs: [job] }));
    expect(driver().whats()).toEqual(['inserted', 'scheduled']);
    expect((await driver().job(job.id)).schedule).toEqual({ name: 'a', at: T0 + 1, late: true });
  });

  it('counts what made no job, and moves the cursor, but never back', async () => {
    await leading('a');
    const lastPassed = { at: T0 + MINUTE_MS, what: 'missed', reason: 'skip' } as const;
    expect(await tick(await ticksAt([], { cursorAt: T0 + 9, skipped: 2, missed: 1_000, lastPassed }))).toEqual([
      fired(0),
    ]);
    await tick(await ticksAt([], { cursorAt: T0 + 4, skipped: 1 }));
    const counted = { cursorAt: T0 + 9, runs: 0, skipped: 3, missed: 1_000, lastPassed, lastAt: null };
    expect(await storedSchedule(driver(), 'a')).toMatchObject(counted);
  });

  it('records nothing for a schedule that has moved on or is gone, and the others all the same', async () => {
    await leading('a', 'b');
    const first = await ticksAt([1]);
    const other = await ticksAt([2]);
    expect(await tick(first, other)).toEqual([fired(1), STALE]);
    expect(await tick(first)).toEqual([STALE]);
    const skipped = await ticksAt([2], { jobs: [], skipped: 1 });
    expect(await tick(skipped, skipped)).toEqual([fired(0), STALE]);
    const { revision, ...state } = await storedSchedule(driver(), 'a');
    const paused = { name: 'a', revision, state: { ...state, pausedBy: 'operator' as const } };
    const decided = await ticksAt([3]);
    await driver().do('changeSchedules', { now: T0, changes: [paused] });
    expect(await tick(decided)).toEqual([STALE]);
    expect(await tick({ ...decided, schedule: 'nobody' })).toEqual([STALE]);
    expect((await driver().do('count', { filter: {} })).total).toBe(1);
    expect(await storedSchedule(driver(), 'a')).toMatchObject({ runs: 1, skipped: 1, cursorAt: T0 + 2 * MINUTE_MS });
  });

  it('makes one job of a nominal time, also when that job is gone', async () => {
    await leading('a');
    await tick(await ticksAt([1, 2]));
    for (const job of await driver().claim({ now: T0 + 9e6 })) await driver().complete(job);
    await driver().do('announced', { places: ALL_PLACES });
    const keepMs = { completed: 0, cancelled: 0, discarded: 0 };
    expect(await driver().do('prune', { now: T0 + 9e6, keepMs, limit: 10 })).toEqual({ pruned: 2 });
    expect(await tick(await ticksAt([2, 3]))).toEqual([{ stale: false, jobs: ['repeat', 'fired'], cancelled: [] }]);
    const byHand = newJob({ schedule: { name: 'a', at: T0 + 4 * MINUTE_MS, late: false } });
    await driver().do('runSchedules', { now: T0, jobs: [byHand] });
    expect(await tick(await ticksAt([4]))).toEqual([{ stale: false, jobs: ['repeat'], cancelled: [] }]);
    expect(await storedSchedule(driver(), 'a')).toMatchObject({ runs: 3, cursorAt: T0 + 4 * MINUTE_MS });
  });

  it('cancels the last job before each new one where that is asked for', async () => {
    await leading('a');
    await tick(await ticksAt([1]));
    const [running] = await driver().claim();
    assert(running !== undefined, 'the tick made a job');
    const next = await ticksAt([2, 3], { cancelsRunning: true });
    const cancelled = [
      { id: running.id, queue: 'default', worker: 'worker-a', run: 1, insertedAt: running.insertedAt },
    ];
    expect(await tick(next)).toEqual([{ ...fired(2), cancelled }]);
    expect(driver().whats()).toEqual(['cancelled', 'inserted', 'cancelled', 'inserted']);
    const ids = [running.id, ...next.jobs.map(({ id }) => id)];
    const states = await driver().do('states', { ids });
    expect(states.map(({ state }) => state)).toEqual(['cancelled', 'cancelled', 'available']);
    expect(await tick(await ticksAt([3], { cancelsRunning: true }))).toMatchObject([
      { jobs: ['repeat'], cancelled: [] },
    ]);
    expect((await driver().job(ids[2] ?? '')).state).toBe('available');
  });

  it('refuses a leader that no longer leads, and changes nothing', async () => {
    await leading('a');
    const old = term;
    const ticks = [await ticksAt([1])];
    await driver().do('lead', { now: T0 + 10_000, node: 'node-b', instance: 'two', leaseMs: 10_000 });
    expect((await driver().refused('tick', { now: T0, term: old, ticks })).code).toBe('conflict');
    expect(await storedSchedule(driver(), 'a')).toMatchObject({ runs: 0, cursorAt: T0 });
    await driver().do('resign', { now: T0, node: 'node-b', instance: 'two' });
    expect((await driver().refused('tick', { now: T0, term: old + 1, ticks })).code).toBe('conflict');
  });

  it('does not wait longer than a lease for a silent leader when the clock has stepped back', async () => {
    await leading('a');
    const back = T0 - 3_600_000;
    const other = { node: 'node-b', instance: 'two', leaseMs: 10_000 };
    expect(await driver().do('lead', { now: back, ...other })).toMatchObject({ instance: 'one', until: back + 10_000 });
    expect(await driver().do('lead', { now: back + 9_999, ...other })).toMatchObject({ instance: 'one' });
    expect(await driver().do('lead', { now: back + 10_000, ...other })).toMatchObject({ instance: 'two' });
  });

  it('records the ticks of a start once per program, whoever leads and whichever started first', async () => {
    await leading('a');
    expect(await reboot('two', await ticksAt([2]))).toEqual({ done: true, results: [fired(1)] });
    expect(await reboot('one', await ticksAt([1]))).toEqual({ done: true, results: [fired(1)] });
    expect(await reboot('one', await ticksAt([3]))).toEqual({ done: true, results: [] });
    const last = await storedSchedule(driver(), 'a');
    expect(last).toMatchObject({ runs: 2, lastAt: T0 + 2 * MINUTE_MS });
    const stale = { ...(await ticksAt([4])), runs: 0 };
    expect(await reboot('three', stale)).toEqual({ done: false, results: [STALE] });
    expect(await reboot('three', await ticksAt([4]))).toEqual({ done: true, results: [fired(1)] });
    expect(await reboot('four')).toEqual({ done: true, results: [] });
    expect((await driver().do('count', { filter: { schedule: 'a' } })).total).toBe(3);
  });
}
