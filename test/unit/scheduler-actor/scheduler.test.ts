import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BORN, declared, LEASE_MS, SchedulerWorldUnderTest } from './scheduler-world.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const DONE = { outcome: 'complete', result: null } as const;
const text = (offset: number): string => new Date(BORN + offset).toISOString();

let world: SchedulerWorldUnderTest;
beforeEach(async () => {
  world = await SchedulerWorldUnderTest.make();
});
afterEach(async () => {
  await world.stop();
  expect(world.failures).toEqual([]);
});

const everyMinute = declared('a', { spec: { cron: '* * * * *' } });

describe('ticks', () => {
  test('become jobs at their times, each told with its job', async () => {
    world.start('one', [everyMinute, declared('b', { spec: { every: '90s' }, job: { type: 'noop', args: { n: 1 } } })]);
    await world.clock.advance(3 * MINUTE + 10);
    expect(await world.times('a')).toEqual([1, 2, 3].map((minute) => minute * MINUTE));
    expect(await world.times('b')).toEqual([90 * SECOND, 180 * SECOND]);
    const [job] = await world.jobs('b');
    expect(job).toMatchObject({ type: 'noop', queue: 'default', args: { n: 1 }, insertedAt: BORN + 90 * SECOND });
    expect(world.told('b', 'nominalAt', 'late', 'jobId')).toEqual([
      ['added', undefined, undefined, undefined],
      ['fired', text(90 * SECOND), false, job?.id],
      ['fired', text(180 * SECOND), false, expect.any(String)],
    ]);
    expect(world.told('one')).toEqual(['leader-acquired']);
  });

  test('wait for their jitter, which is within its bound', async () => {
    world.start('one', [declared('a', { spec: { cron: '* * * * *' }, jitter: '20s' })]);
    await world.clock.advance(5 * MINUTE + 25 * SECOND);
    const lags = (await world.jobs('a')).map(({ insertedAt, schedule }) => insertedAt - (schedule?.at ?? 0));
    expect(lags).toHaveLength(5);
    for (const lag of lags) expect(lag).toBeGreaterThanOrEqual(0);
    for (const lag of lags) expect(lag).toBeLessThanOrEqual(20 * SECOND);
    expect(new Set(lags).size).toBeGreaterThan(1);
  });

  test('stop at maxRuns and endAt, and at the one time of an at; the end is told once', async () => {
    world.start('one', [
      declared('runs', { spec: { every: '10s' }, maxRuns: 2 }),
      declared('window', { spec: { every: '10s' }, startAt: text(30 * SECOND), endAt: text(50 * SECOND) }),
      declared('once', { spec: { at: text(20 * SECOND) } }),
    ]);
    await world.clock.advance(5 * MINUTE);
    expect(await world.times('runs')).toEqual([10 * SECOND, 20 * SECOND]);
    expect(await world.times('window')).toEqual([30 * SECOND, 40 * SECOND, 50 * SECOND]);
    expect(await world.times('once')).toEqual([20 * SECOND]);
    expect(world.told('runs', 'reason').at(-1)).toEqual(['ended', 'maxRuns']);
    for (const name of ['runs', 'window', 'once'])
      expect(world.told(name).filter((what) => what === 'ended')).toHaveLength(1);
    expect(await world.ask('get', { name: 'runs' })).toMatchObject({ runs: 2, nextAt: null, endedAt: null });
  });

  test('of an at that is past when the config is first seen never come, with a warning', async () => {
    world.start('one', [declared('once', { spec: { at: text(-1) } })]);
    await world.clock.advance(MINUTE);
    expect(await world.times('once')).toEqual([]);
    expect(world.lines).toContainEqual({
      level: 'warn',
      message: 'the schedule will never fire: its time is past',
      fields: { schedule: 'once', at: text(-1) },
    });
  });

  test('of a schedule that this Node cannot read do not keep the others', async () => {
    const unreadable = declared('odd', { spec: { cron: '* * * * *' } });
    unreadable.declaration.timezone = 'Mars/Olympus';
    world.start('one', [unreadable, everyMinute]);
    await world.clock.advance(2 * MINUTE);
    expect(await world.times('a')).toHaveLength(2);
    expect(world.lines.filter(({ level }) => level === 'error')).toHaveLength(1);
    expect((await world.ask('list')).schedules).toMatchObject([{ name: 'a' }, { name: 'odd', nextAt: null }]);
  });

  test('that the store cannot record do not keep the others, which come at the same time', async () => {
    const odd = declared('odd', { spec: { cron: '* * * * *' } });
    odd.declaration.job.queue = null as never;
    world.start('one', [odd, everyMinute, declared('b', { spec: { cron: '* * * * *' } })]);
    await world.clock.advance(2 * MINUTE + SECOND);
    expect(await world.times('a')).toEqual([MINUTE, 2 * MINUTE]);
    expect(await world.times('b')).toEqual([MINUTE, 2 * MINUTE]);
    expect(world.lines.filter(({ level }) => level === 'error')).toMatchObject([{ fields: { schedule: 'odd' } }]);
  });

  test('of a run-time schedule go on where a config has one of its name, with a warning', async () => {
    await world.ask('put', { name: 'a', spec: { every: '10s' }, job: { type: 'noop' } });
    const one = world.start('one', [everyMinute]);
    await world.clock.advance(30 * SECOND);
    expect(await world.times('a')).toEqual([10 * SECOND, 20 * SECOND, 30 * SECOND]);
    expect(world.lines.filter(({ level }) => level === 'warn')).toMatchObject([{ fields: { schedule: 'a' } }]);
    await one.stop();
    world.start('two', []);
    await world.clock.advance(10 * SECOND);
    expect(await world.ask('get', { name: 'a' })).toMatchObject({ source: 'runtime', runs: 4 });
  });

  test('of several pages of schedules, some of them large, all come', async () => {
    const args = { text: 'x'.repeat(200_000) };
    const large = Array.from({ length: 12 }, (_, index) =>
      declared(`large${index}`, { spec: { cron: '* * * * *' }, job: { type: 'noop', args } }),
    );
    world.start('one', large);
    await world.clock.advance(MINUTE + 10);
    for (const { name } of large) expect(await world.times(name)).toEqual([MINUTE]);
    let cursor: unknown;
    const names: string[] = [];
    do {
      const page: Record<string, unknown> = await world.ask('list', cursor === undefined ? {} : { cursor });
      names.push(...(page.schedules as { name: string }[]).map(({ name }) => name));
      ({ cursor } = page);
    } while (cursor !== null);
    expect(names).toHaveLength(12);
  });

  test('whose job is unique and there already are skipped', async () => {
    world.start('one', [declared('a', { spec: { every: '10s' }, job: { type: 'noop', unique: {} } })]);
    await world.clock.advance(25 * SECOND);
    expect(await world.times('a')).toEqual([10 * SECOND]);
    expect(world.told('a', 'reason').at(-1)).toEqual(['skipped', 'unique']);
    expect(await world.ask('get', { name: 'a' })).toMatchObject({
      ...{ runs: 1, skipped: 1, lastPassed: { at: text(20 * SECOND), what: 'skipped', reason: 'unique' } },
    });
  });
});

describe('overlap', () => {
  test('skip waits for the last job to end', async () => {
    world.start('one', [declared('a', { spec: { every: '10s' }, overlap: 'skip' })]);
    await world.clock.advance(25 * SECOND);
    expect(world.told('a', 'reason')).toEqual([
      ['added', undefined],
      ['fired', undefined],
      ['skipped', 'overlap'],
    ]);
    await world.work(DONE);
    await world.clock.advance(10 * SECOND);
    expect(await world.times('a')).toEqual([10 * SECOND, 30 * SECOND]);
    const lastPassed = { at: text(20 * SECOND), what: 'skipped', reason: 'overlap' };
    expect(await world.ask('get', { name: 'a' })).toMatchObject({ runs: 2, skipped: 1, missed: 0, lastPassed });
  });

  test('cancel_running leaves the newest alone alive, also when several come at once', async () => {
    world.start('one', [declared('a', { spec: { every: '10s' }, overlap: 'cancel_running', misfire: 'all' })]);
    await world.clock.advance(15 * SECOND);
    await world.claim();
    await world.clock.advance(10 * SECOND);
    expect((await world.jobs('a')).map(({ state }) => state)).toEqual(['cancelled', 'available']);
    world.clock.setWall(BORN + 65 * SECOND);
    await world.clock.advance(2 * SECOND);
    const states = (await world.jobs('a')).map(({ state }) => state);
    expect(states).toEqual([...Array.from({ length: 5 }, () => 'cancelled'), 'available']);
  });
});

describe('misfire', () => {
  const declare = (misfire: unknown) => declared('a', { spec: { every: '10s' }, misfire });

  test.each([
    ['latest', [10, 20, 90, 100], { reason: 'latest', count: 6 }],
    ['skip', [10, 20, 100], { reason: 'skip', count: 7 }],
    [{ policy: 'all', max: 3 }, [10, 20, 70, 80, 90, 100], { reason: 'all', count: 4 }],
  ])('%j decides about what a jump of the clock skipped', async (misfire, seconds, missed) => {
    world.start('one', [declare(misfire)]);
    await world.clock.advance(20 * SECOND + 1);
    world.clock.setWall(BORN + 97 * SECOND);
    await world.clock.advance(4 * SECOND);
    expect(await world.times('a')).toEqual(seconds.map((second) => second * SECOND));
    const late = (await world.jobs('a')).map(({ schedule }) => schedule?.late);
    expect(late.filter(Boolean)).toHaveLength(seconds.length - 3);
    const events = world.events.filter(({ type }) => type === 'jobs.schedule.missed');
    expect(events.map(({ data }) => data)).toEqual([
      { schedule: 'a', nominalAt: expect.any(String), more: false, ...missed },
    ]);
    expect(await world.ask('get', { name: 'a' })).toMatchObject({
      missed: missed.count,
      lastPassed: { what: 'missed' },
    });
  });

  test('of a year of seconds is bounded, and told once', async () => {
    world.start('one', [declared('a', { spec: { every: '1s' }, misfire: { policy: 'all', max: 250 } })]);
    await world.clock.advance(SECOND + 1);
    world.clock.setWall(BORN + 365 * 86_400_000);
    await world.clock.advance(SECOND);
    const { runs, missed } = (await world.stored('a')) ?? {};
    expect(runs).toBeLessThan(260);
    expect(missed).toBeGreaterThan(31_000_000);
    expect(world.told('a').filter((what) => what === 'missed')).toHaveLength(1);
  });

  test('of a clock that steps back is nothing: no repeat, no early tick', async () => {
    world.start('one', [everyMinute]);
    await world.clock.advance(2 * MINUTE + 1);
    world.clock.setWall(BORN);
    await world.clock.advance(2 * MINUTE);
    expect(await world.times('a')).toEqual([MINUTE, 2 * MINUTE]);
    await world.clock.advance(MINUTE);
    expect(await world.times('a')).toEqual([MINUTE, 2 * MINUTE, 3 * MINUTE]);
  });
});

describe('the lead', () => {
  test('goes to the other within lease and 5 s when its holder falls silent', async () => {
    world.start('one', [everyMinute]);
    await world.clock.advance(SECOND);
    world.start('two', [everyMinute]);
    await world.clock.advance(MINUTE);
    expect(world.told('two')).toEqual([]);
    world.partition('one', true);
    await world.clock.advance(LEASE_MS + 5 * SECOND);
    expect(world.told('two')).toEqual(['leader-acquired']);
    world.partition('one', false);
    await world.clock.advance(2 * MINUTE);
    expect(await world.times('a')).toEqual([1, 2, 3].map((minute) => minute * MINUTE));
    expect(world.told('one', 'reason').at(-1)).toEqual(['leader-lost', 'another node leads']);
  });

  test('goes to the other at once when its holder stops', async () => {
    const one = world.start('one', [everyMinute]);
    await world.clock.advance(SECOND);
    world.start('two', [everyMinute]);
    await world.clock.advance(SECOND);
    await one.stop();
    await world.clock.advance(1);
    expect(world.told('one')).toEqual(['leader-acquired', 'leader-lost']);
    expect(world.told('two')).toEqual(['leader-acquired']);
  });

  test('held by two in their own view doubles no tick', async () => {
    world.start('one', [everyMinute]);
    await world.clock.advance(59 * SECOND);
    world.partition('one', true);
    world.start('two', [everyMinute]);
    // Longer than a lease by the wall, no time at all by the deposed one's own clock of renewals.
    world.clock.setWall(BORN + 10 * MINUTE + 1);
    await world.clock.advance(2 * SECOND);
    world.partition('one', false);
    await world.clock.advance(MINUTE);
    const times = await world.times('a');
    expect(new Set(times).size).toBe(times.length);
    expect((await world.stored('a'))?.runs).toBe(times.length);
  });
});

describe('@reboot', () => {
  const reboot = declared('r', { spec: { cron: '@reboot' } });

  test('fires once per start of every program, also of one that stands by, and not when an actor restarts', async () => {
    world.start('one', [reboot]).kill();
    const one = world.start('one', [reboot]);
    await world.clock.advance(2 * SECOND);
    expect(await world.times('r')).toEqual([0]);
    world.start('two', [reboot]);
    await world.clock.advance(2 * SECOND);
    expect(await world.times('r')).toEqual([0, 2 * SECOND]);
    one.kill();
    world.start('one', [reboot]);
    await world.clock.advance(MINUTE);
    expect(await world.times('r')).toEqual([0, 2 * SECOND]);
    expect(world.told('r')).toEqual(['added', 'fired', 'fired']);
  });

  test('is not fired twice when the answer was lost, and is told all the same', async () => {
    world.start('one', [reboot]);
    world.store.fault = 'deaf';
    await world.clock.advance(5 * SECOND);
    world.store.fault = undefined;
    await world.clock.advance(5 * SECOND);
    expect(await world.times('r')).toEqual([0]);
    expect(world.told('r').filter((what) => what === 'fired')).toHaveLength(1);
  });
});

describe('an outage of the store', () => {
  test('in the middle of a tick loses and doubles nothing; what had happened is told once', async () => {
    world.start('one', [everyMinute]);
    await world.clock.advance(59 * SECOND);
    world.store.ticksUntilDeaf = 1;
    await world.clock.advance(3 * SECOND);
    expect(await world.times('a')).toEqual([MINUTE]);
    const [job] = await world.jobs('a');
    expect(world.told('a', 'jobId')).toEqual([
      ['added', undefined],
      ['fired', job?.id],
    ]);
    world.store.fault = 'away';
    await world.clock.advance(3 * MINUTE);
    world.store.fault = undefined;
    await world.clock.advance(MINUTE);
    expect(await world.times('a')).toEqual([1, 3, 4, 5].map((minute) => minute * MINUTE));
    expect(await world.stored('a')).toMatchObject({ runs: 4, missed: 1 });
  });
});

describe('an end by the outcome of a job', () => {
  test('ends the schedule, visibly, until it is resumed', async () => {
    world.start('one', [declared('a', { spec: { every: '10s' } })]);
    await world.clock.advance(11 * SECOND);
    await world.work({ ...DONE, endSchedule: true });
    await world.clock.advance(MINUTE);
    expect(await world.times('a')).toEqual([10 * SECOND]);
    expect(world.told('a', 'reason').at(-1)).toEqual(['ended', 'outcome']);
    expect(await world.ask('get', { name: 'a' })).toMatchObject({
      endedAt: text(11 * SECOND),
      nextAt: null,
      pausedBy: null,
    });
    await world.ask('resume', { name: 'a' });
    await world.clock.advance(10 * SECOND);
    expect(await world.times('a')).toEqual([10 * SECOND, 80 * SECOND]);
  });

  test('of a config entry holds over restarts, until its text changes', async () => {
    const one = world.start('one', [declared('a', { spec: { every: '10s' } })]);
    await world.clock.advance(11 * SECOND);
    await world.work({ ...DONE, endSchedule: true });
    await one.stop();
    const two = world.start('two', [declared('a', { spec: { every: '10s' } })]);
    await world.clock.advance(MINUTE);
    expect(await world.times('a')).toHaveLength(1);
    await two.stop();
    world.start('three', [declared('a', { spec: { every: '10s' }, overlap: 'skip' })]);
    await world.clock.advance(10 * SECOND);
    expect(await world.times('a')).toEqual([10 * SECOND, 80 * SECOND]);
    expect(world.told('a').filter((what) => what === 'changed')).toHaveLength(1);
  });
});
