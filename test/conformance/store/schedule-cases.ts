import { expect, it } from 'vitest';
import { assert } from '../../../src/kernel/error.ts';
import { SCHEDULE_DEFAULTS } from '../../../src/scheduler/schedule.ts';
import type { ScheduleRecord, TickRecord } from '../../../src/store/schedule-record.ts';
import type { StoreSuite } from './store-conformance.ts';
import { laterJob, newJob, T0 } from './store-driver.ts';

const MINUTE_MS = 60_000;

const scheduleRecord = (name: string, part: Partial<ScheduleRecord> = {}): ScheduleRecord => ({
  name,
  source: 'config',
  declaration: { ...SCHEDULE_DEFAULTS, spec: { cron: '* * * * *' }, job: { type: 'test.job', queue: 'default' } },
  fingerprint: 'print-1',
  anchorAt: T0,
  cursorAt: T0,
  lastAt: null,
  lastJobId: null,
  lastState: null,
  runs: 0,
  pausedBy: null,
  ...part,
});

/** Schedules and their ticks. */
export function scheduleCases({ driver, reopen }: StoreSuite): void {
  let term = 0;

  /** Takes the lead and lays these schedules beside what is stored. */
  async function sync(now: number, ...schedules: ScheduleRecord[]) {
    ({ term } = await driver().do('lead', { now, node: 'node-a', instance: 'one', leaseMs: 10_000 }));
    return driver().do('syncSchedules', { now, term, schedules });
  }

  async function schedule(name: string): Promise<ScheduleRecord> {
    const found = (await driver().do('schedules', {})).find((record) => record.name === name);
    assert(found !== undefined, `the schedule ${name} is there`);
    return found;
  }

  const tickAt = (minute: number, part: Partial<TickRecord> = {}): TickRecord => {
    const at = T0 + minute * MINUTE_MS;
    const job = newJob({ schedule: { name: 'a', at, late: false }, insertedAt: at, scheduledAt: at });
    return { schedule: 'a', cursorAt: at, nominalAt: at, job, ...part };
  };
  const tick = (...ticks: TickRecord[]) => driver().do('tick', { now: T0, term, ticks });

  it("adds, changes and removes the config's schedules by fingerprint", async () => {
    const first = await sync(T0 + 7, scheduleRecord('b'), scheduleRecord('a'), scheduleRecord('c'));
    expect(first).toMatchObject({ added: ['b', 'a', 'c'], changed: [], removed: [] });
    expect(first.schedules.map(({ name, cursorAt }) => [name, cursorAt])).toEqual([
      ['a', T0 + 7],
      ['b', T0 + 7],
      ['c', T0 + 7],
    ]);
    expect(await driver().do('schedules', {})).toEqual(first.schedules);
    const same = await sync(T0 + 9, scheduleRecord('a'), scheduleRecord('b'), scheduleRecord('c'));
    expect(same).toEqual({ schedules: first.schedules, added: [], changed: [], removed: [] });
    const changed = scheduleRecord('a', { fingerprint: 'print-2', anchorAt: T0 + 20, pausedBy: 'config' });
    const next = await sync(T0 + 20, changed, scheduleRecord('b'));
    expect(next).toMatchObject({ added: [], changed: ['a'], removed: ['c'] });
    expect(next.schedules[0]).toEqual({ ...changed, cursorAt: T0 + 20 });
  });

  it('keeps the history and never moves the cursor back when a schedule changes', async () => {
    await sync(T0, scheduleRecord('a'));
    await tick(tickAt(5));
    await sync(T0 + MINUTE_MS, scheduleRecord('a', { fingerprint: 'print-2' }));
    expect(await schedule('a')).toMatchObject({ runs: 1, lastAt: T0 + 5 * MINUTE_MS, cursorAt: T0 + 5 * MINUTE_MS });
    await sync(T0 + 9 * MINUTE_MS, scheduleRecord('a', { fingerprint: 'print-3' }));
    expect(await schedule('a')).toMatchObject({ runs: 1, cursorAt: T0 + 9 * MINUTE_MS });
  });

  it('pauses by the outcome of a job until the config changes', async () => {
    await sync(T0, scheduleRecord('a'));
    await tick(tickAt(1));
    const [job] = await driver().claim({ now: T0 + MINUTE_MS });
    assert(job !== undefined, 'the tick made a job');
    await driver().settle(job, { outcome: 'complete', result: null, endSchedule: true });
    expect(await schedule('a')).toMatchObject({ pausedBy: 'operator', lastState: 'completed' });
    await sync(T0, scheduleRecord('a'));
    expect((await schedule('a')).pausedBy).toBe('operator');
    await sync(T0, scheduleRecord('a', { fingerprint: 'print-2' }));
    expect((await schedule('a')).pausedBy).toBeNull();
  });

  it("inserts a tick's job and moves the cursor", async () => {
    await sync(T0, scheduleRecord('a'));
    const first = tickAt(1);
    expect(await tick(first)).toMatchObject({ inserted: [{ id: first.job?.id, state: 'available' }] });
    expect(driver().whats()).toEqual(['inserted']);
    const at = T0 + MINUTE_MS;
    expect(await schedule('a')).toMatchObject({
      cursorAt: at,
      lastAt: at,
      lastJobId: first.job?.id,
      lastState: 'available',
      runs: 1,
    });
    await driver().claim({ now: at });
    expect((await schedule('a')).lastState).toBe('executing');
  });

  it('inserts a jittered tick as a delayed job', async () => {
    await sync(T0, scheduleRecord('a'));
    const at = T0 + MINUTE_MS;
    await tick(tickAt(1, { job: laterJob(at + 500, { schedule: { name: 'a', at, late: false } }) }));
    expect(driver().whats()).toEqual(['inserted', 'scheduled']);
  });

  it('moves the cursor without a job, and never back', async () => {
    await sync(T0, scheduleRecord('a'));
    expect(await tick(tickAt(2, { job: null }))).toEqual({ inserted: [] });
    await tick(tickAt(1, { job: null }));
    expect(await schedule('a')).toMatchObject({ cursorAt: T0 + 2 * MINUTE_MS, runs: 0, lastAt: null });
  });

  it('makes one job of a tick, however often it comes, also when its job is gone', async () => {
    await sync(T0, scheduleRecord('a'));
    expect((await tick(tickAt(1), tickAt(1), tickAt(2))).inserted).toHaveLength(2);
    expect((await tick(tickAt(1), tickAt(2))).inserted).toEqual([]);
    expect(driver().facts).toEqual([]);
    expect((await schedule('a')).runs).toBe(2);
    for (const job of await driver().claim({ now: T0 + 9e6 })) await driver().complete(job);
    await driver().do('announced', { from: 0, to: 1e9 });
    const keepMs = { completed: 0, cancelled: 0, discarded: 0 };
    expect(await driver().do('prune', { now: T0 + 9e6, keepMs, limit: 10 })).toEqual({ pruned: 2 });
    expect((await tick(tickAt(1), tickAt(2))).inserted).toEqual([]);
    expect(await schedule('a')).toMatchObject({ runs: 2, lastState: null });
  });

  it('makes several missed ticks at once', async () => {
    await sync(T0, scheduleRecord('a'));
    const cursorAt = T0 + 3 * MINUTE_MS;
    expect((await tick(...[1, 2, 3].map((minute) => tickAt(minute, { cursorAt })))).inserted).toHaveLength(3);
    expect(await schedule('a')).toMatchObject({ runs: 3, lastAt: cursorAt, cursorAt });
  });

  it('makes nothing for a schedule that is gone', async () => {
    await sync(T0, scheduleRecord('b'));
    expect(await tick(tickAt(1))).toEqual({ inserted: [] });
    expect((await driver().do('count', { filter: {} })).total).toBe(0);
  });

  it('refuses a leader that no longer leads, and changes nothing', async () => {
    await sync(T0, scheduleRecord('a'));
    const old = term;
    await driver().do('lead', { now: T0 + 10_000, node: 'node-b', instance: 'one', leaseMs: 10_000 });
    const error = await driver().refused('tick', { now: T0, term: old, ticks: [tickAt(1)] });
    expect(error.code).toBe('conflict');
    expect((await driver().refused('syncSchedules', { now: T0, term: old, schedules: [] })).code).toBe('conflict');
    expect(await schedule('a')).toMatchObject({ runs: 0, cursorAt: T0 });
    await driver().do('resign', { now: T0, node: 'node-b', instance: 'one' });
    expect((await driver().refused('tick', { now: T0, term: old + 1, ticks: [] })).code).toBe('conflict');
  });

  it('keeps schedules over a restart', async () => {
    if (!driver().store.capabilities.durable) return;
    const { schedules } = await sync(T0, scheduleRecord('a'), scheduleRecord('b'));
    await reopen();
    expect(await driver().do('schedules', {})).toEqual(schedules);
  });
}
