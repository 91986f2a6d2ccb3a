import { expect, it } from 'vitest';
import { assert } from '../../../src/kernel/error.ts';
import { SCHEDULE_DEFAULTS } from '../../../src/scheduler/schedule.ts';
import type { ScheduleState } from '../../../src/scheduler/schedule-changes.ts';
import type { ScheduleChangeResult, ScheduleRecord } from '../../../src/store/schedule-record.ts';
import type { StoreSuite } from './store-conformance.ts';
import { newJob, type StoreDriver, T0 } from './store-driver.ts';

/** What a schedule begins with in these tests. */
export const scheduleState = (part: Partial<ScheduleState> = {}): ScheduleState => ({
  source: 'runtime',
  declaration: { ...SCHEDULE_DEFAULTS, spec: { cron: '* * * * *' }, job: { type: 'test.job', queue: 'default' } },
  fingerprint: 'print-1',
  anchorAt: T0,
  cursorAt: T0,
  pausedBy: null,
  endedAt: null,
  ...part,
});

/** The stored schedule of a name. */
export async function storedSchedule(driver: StoreDriver, name: string): Promise<ScheduleRecord> {
  const [record] = (await driver.do('schedules', { names: [name] })).schedules;
  assert(record !== undefined, `the schedule ${name} is there`);
  return record;
}

/** Adds schedules that are not there yet. */
export function addSchedules(driver: StoreDriver, ...names: string[]): Promise<ScheduleChangeResult[]> {
  const changes = names.map((name) => ({ name, revision: null, state: scheduleState() }));
  return driver.do('changeSchedules', { now: T0, changes });
}

const names = ({ schedules }: { schedules: ScheduleRecord[] }): string[] => schedules.map(({ name }) => name);
const EVERYTHING = { after: -1 };

/** Schedules: what is stored of them, who may change it, how a reader learns of it. */
export function scheduleCases({ driver, reopen }: StoreSuite): void {
  const lead = (instance: string, now = T0) => driver().do('lead', { now, node: 'node-a', instance, leaseMs: 10_000 });

  it('adds, changes and removes one that is as it was decided on', async () => {
    const [added] = await addSchedules(driver(), 'a');
    const record = await storedSchedule(driver(), 'a');
    expect(added).toEqual({ stale: false, schedule: record });
    const fresh = { ...scheduleState(), name: 'a', runs: 0, skipped: 0, missed: 0, lastPassed: null };
    const nothing = { lastAt: null, lastJobId: null, lastState: null, ranAt: null, ranJobId: null, ranState: null };
    expect(record).toEqual({ ...fresh, ...nothing, revision: expect.any(Number) });

    const state = scheduleState({ source: 'config', fingerprint: 'print-2', pausedBy: 'operator', endedAt: T0 + 1 });
    const change = { name: 'a', revision: record.revision, state };
    const [changed] = await driver().do('changeSchedules', { now: T0, changes: [change] });
    expect(changed).toMatchObject({ stale: false, schedule: { ...state, name: 'a' } });
    const { revision } = await storedSchedule(driver(), 'a');
    expect(revision).toBeGreaterThan(record.revision);
    const removed = await driver().do('changeSchedules', { now: T0, changes: [{ name: 'a', revision, state: null }] });
    expect(removed).toEqual([{ stale: false, schedule: null }]);
    expect(await driver().do('schedules', { names: ['a'] })).toEqual({ schedules: [], more: false });
  });

  it('changes nothing where somebody else was first, and says what is there', async () => {
    await addSchedules(driver(), 'a');
    const record = await storedSchedule(driver(), 'a');
    const state = scheduleState({ pausedBy: 'operator' });
    const stale = [
      { name: 'a', revision: null, state },
      { name: 'a', revision: record.revision - 1, state },
      { name: 'a', revision: record.revision + 1, state: null },
    ];
    const answers = await driver().do('changeSchedules', { now: T0, changes: stale });
    expect(answers).toEqual(stale.map(() => ({ stale: true, schedule: record })));
    const gone = { name: 'b', revision: 1, state };
    expect(await driver().do('changeSchedules', { now: T0, changes: [gone] })).toEqual([
      { stale: true, schedule: null },
    ]);
    expect(await storedSchedule(driver(), 'a')).toEqual(record);
  });

  it('never moves a cursor back', async () => {
    await addSchedules(driver(), 'a');
    for (const [cursorAt, then] of [
      [T0 + 5, T0 + 5],
      [T0 + 2, T0 + 5],
    ] as const) {
      const { revision } = await storedSchedule(driver(), 'a');
      const change = { name: 'a', revision, state: scheduleState({ cursorAt }) };
      await driver().do('changeSchedules', { now: T0, changes: [change] });
      expect((await storedSchedule(driver(), 'a')).cursorAt).toBe(then);
    }
  });

  it('refuses a leader that no longer leads, whole', async () => {
    const { term } = await lead('one');
    await lead('two', T0 + 10_000);
    const changes = [{ name: 'a', revision: null, state: scheduleState() }];
    expect((await driver().refused('changeSchedules', { now: T0, term, changes })).code).toBe('conflict');
    expect((await driver().do('schedules', {})).schedules).toEqual([]);
    await driver().do('changeSchedules', { now: T0, term: term + 1, synced: true, changes });
    expect(await driver().do('scheduleChanges', EVERYTHING)).toMatchObject({ count: 1, syncedTerm: term + 1 });
  });

  it('pages by name, and by bytes', async () => {
    await addSchedules(driver(), 'c', 'a', 'b');
    expect(names(await driver().do('schedules', {}))).toEqual(['a', 'b', 'c']);
    const page = await driver().do('schedules', { limit: 2 });
    expect([names(page), page.more]).toEqual([['a', 'b'], true]);
    const rest = await driver().do('schedules', { limit: 2, after: 'b' });
    expect([names(rest), rest.more]).toEqual([['c'], false]);
    const small = await driver().do('schedules', { bytesMax: 1 });
    expect([names(small), small.more]).toEqual([['a'], true]);
    expect(names(await driver().do('schedules', { names: ['c', 'nobody', 'a'] }))).toEqual(['c', 'a']);
  });

  it('tells a reader what has changed, in order, and by the count what is gone', async () => {
    await addSchedules(driver(), 'b', 'a', 'c');
    const all = await driver().do('scheduleChanges', EVERYTHING);
    expect(all).toMatchObject({ more: false, count: 3, syncedTerm: 0 });
    expect(all.changed.map(({ name }) => name)).toEqual(['b', 'a', 'c']);
    expect(all.changed.at(-1)?.revision).toBe(all.revision);
    expect(await driver().do('scheduleChanges', { after: all.revision })).toMatchObject({ changed: [], more: false });

    const { revision } = await storedSchedule(driver(), 'a');
    const removal = { name: 'a', revision, state: null };
    const paused = {
      name: 'b',
      revision: all.changed[0]?.revision ?? 0,
      state: scheduleState({ pausedBy: 'operator' }),
    };
    await driver().do('changeSchedules', { now: T0, changes: [removal, paused] });
    const news = await driver().do('scheduleChanges', { after: all.revision });
    expect(news).toMatchObject({ changed: [{ name: 'b', pausedBy: 'operator' }], more: false, count: 2 });

    let after = -1;
    const seen: string[] = [];
    for (let more = true; more; ) {
      const page = await driver().do('scheduleChanges', { after, bytesMax: 1 });
      expect(page.changed).toHaveLength(1);
      seen.push(...page.changed.map(({ name }) => name));
      after = page.changed[0]?.revision ?? after;
      ({ more } = page);
    }
    expect(seen).toEqual(['c', 'b']);
  });

  it('ends a schedule by the outcome of its job, once', async () => {
    await addSchedules(driver(), 'a');
    const before = await storedSchedule(driver(), 'a');
    const schedule = { name: 'a', at: T0, late: false };
    const [first, second] = [await driver().running({ schedule }), await driver().running()];
    await driver().settle(second, { outcome: 'complete', result: null, endSchedule: true }, { now: T0 + 6 });
    expect(await storedSchedule(driver(), 'a')).toEqual(before);
    await driver().settle(first, { outcome: 'complete', result: null, endSchedule: true }, { now: T0 + 7 });
    const ended = await storedSchedule(driver(), 'a');
    expect(ended).toMatchObject({ endedAt: T0 + 7, pausedBy: null });
    expect(ended.revision).toBeGreaterThan(before.revision);
    const third = await driver().running({ schedule: { ...schedule, at: T0 + 1 } });
    await driver().settle(third, { outcome: 'discard', reason: 'gone', endSchedule: true }, { now: T0 + 8 });
    expect(await storedSchedule(driver(), 'a')).toEqual(ended);
  });

  it('runs one by hand beside its ticks: again by the same id only once', async () => {
    await addSchedules(driver(), 'a');
    const before = await storedSchedule(driver(), 'a');
    const job = newJob({ schedule: { name: 'a', at: T0 + 3, late: false } });
    const [ran] = await driver().do('runSchedules', { now: T0, jobs: [job] });
    expect(ran).toMatchObject({ conflict: false, job: { id: job.id, schedule: job.schedule } });
    expect(driver().whats()).toEqual(['inserted']);
    const after = await storedSchedule(driver(), 'a');
    expect(after).toEqual({ ...before, ranAt: T0 + 3, ranJobId: job.id, ranState: 'available' });
    const again = { ...job, schedule: { name: 'a', at: T0 + 9, late: false } };
    const sameTime = newJob({ schedule: job.schedule });
    const answers = await driver().do('runSchedules', { now: T0, jobs: [again, sameTime] });
    expect(answers).toEqual([0, 1].map(() => ({ conflict: true, job: ran?.job })));
    expect(await storedSchedule(driver(), 'a')).toEqual(after);
    const nobody = newJob({ schedule: { name: 'nobody', at: T0, late: false } });
    expect(await driver().do('runSchedules', { now: T0, jobs: [nobody] })).toEqual([null]);
  });

  it('keeps schedules over a restart', async () => {
    if (!driver().store.capabilities.durable) return;
    await addSchedules(driver(), 'a', 'b');
    const before = await driver().do('scheduleChanges', EVERYTHING);
    await reopen();
    expect(await driver().do('scheduleChanges', EVERYTHING)).toEqual(before);
  });
}
