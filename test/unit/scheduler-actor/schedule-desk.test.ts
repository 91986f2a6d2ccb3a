import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { defineJob } from '../../../src/job/definition.ts';
import { BORN, declared, LIVING_MS, SchedulerWorldUnderTest } from './scheduler-world.ts';

const SECOND = 1_000;
const text = (offset: number): string => new Date(BORN + offset).toISOString();

/** Takes `{ n: number }`, and text for it, too. */
const typed = defineJob<{ n: number }>({
  type: 'typed',
  queue: 'other',
  args: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        const { n } = value as { n?: unknown };
        if (typeof n !== 'string') return { issues: [{ path: ['n'], message: 'must be text' }] };
        return { value: { n: Number(n) } };
      },
    },
  },
  run: () => null,
});

let world: SchedulerWorldUnderTest;
beforeEach(async () => {
  world = await SchedulerWorldUnderTest.make({ definitions: [typed] });
});
afterEach(() => world.stop());

const EVERY = { name: 'a', spec: { every: '10s' }, job: { type: 'noop' } };

describe('put', () => {
  test('creates with every default said, fires, and takes back what get answers', async () => {
    world.start('one');
    await world.clock.advance(SECOND);
    const made = await world.ask('put', EVERY);
    expect(made).toEqual({
      ...{ name: 'a', spec: { every: 10_000 }, timezone: 'UTC', job: { type: 'noop', queue: 'default', args: {} } },
      ...{ overlap: 'allow', misfire: { policy: 'latest', max: 100, grace: 5_000 }, dayMatch: 'either', jitter: 0 },
      ...{ dst: { gap: 'next', repeat: 'first' }, startAt: null, endAt: null, maxRuns: null, enabled: true },
      ...{ source: 'runtime', pausedBy: null, endedAt: null, nextAt: text(11 * SECOND) },
      ...{ lastAt: null, lastJobId: null, lastState: null, runs: 0, skipped: 0, missed: 0, lastPassed: null },
    });
    await world.clock.advance(21 * SECOND);
    expect(await world.times('a')).toEqual([11 * SECOND, 21 * SECOND]);
    const got = await world.ask('get', { name: 'a' });
    expect(got).toMatchObject({ runs: 2, lastAt: text(21 * SECOND), lastState: 'available' });
    expect(await world.ask('put', got)).toEqual(got);
    expect(world.told('a')).toEqual(['added', 'fired', 'fired']);
    const job = {
      type: 'noop',
      queue: 'default',
      deadline: '5m',
      unique: { within: '1h' },
      backoff: { kind: 'constant', base: '1s' },
    };
    const full = await world.ask('put', { ...EVERY, name: 'full', job, maxRuns: 3, jitter: '1s', endAt: text(1e9) });
    expect(await world.ask('put', full)).toEqual(full);
    expect(world.told('full')).toEqual(['added']);
  });

  test('changes: another timetable counts from now, any other change keeps the place', async () => {
    world.start('one');
    await world.ask('put', EVERY);
    await world.clock.advance(4 * SECOND);
    await world.ask('put', { ...EVERY, overlap: 'skip' });
    await world.clock.advance(10 * SECOND);
    expect(await world.times('a')).toEqual([10 * SECOND]);
    await world.ask('put', { ...EVERY, spec: { every: '3s' } });
    await world.clock.advance(7 * SECOND);
    expect(await world.times('a')).toEqual([10, 17, 20].map((second) => second * SECOND));
    expect(world.told('a', 'by').filter((told) => Array.isArray(told) && told[0] === 'changed')).toHaveLength(2);
  });

  test("checks args by the type's schema, which its own output need not pass again", async () => {
    const put = (args: object) => ({ name: 't', spec: { cron: '@hourly' }, job: { type: 'typed', args } });
    expect(await world.refused('put', put({ n: 1 }))).toMatchObject({
      code: 'invalid_schedule',
      paths: ['job.queue', 'job.args.n'],
    });
    // The type's own queue is not one that this world knows.
    expect(await world.refused('put', put({ n: '1' }))).toMatchObject({ paths: ['job.queue'] });
    const body = put({ n: '1' });
    const made = await world.ask('put', { ...body, job: { ...body.job, queue: 'default' } });
    expect(made).toMatchObject({ job: { args: { n: 1 }, queue: 'default' } });
    expect(await world.ask('put', made)).toEqual(made);
  });

  test.each([
    [{ ...EVERY, spec: { cron: '61 * * * *' } }, ['spec.cron'], /field 1 \(minute\), character 1/],
    [{ ...EVERY, spec: { cron: '0 0 30 2 *' } }, ['spec.cron'], /never/],
    [{ ...EVERY, spec: { every: '10ms' } }, ['spec'], /at least 1 s/],
    [{ ...EVERY, spec: { at: text(-1) } }, ['spec.at'], /is past/],
    [{ ...EVERY, timezone: 'Europe/Berlinn' }, ['timezone'], /did you mean "Europe\/Berlin"/],
    [{ ...EVERY, job: { type: 'nobody' } }, ['job.type'], /"nobody" is not a job type that is known here/],
    [{ ...EVERY, job: { type: 'noop', queue: 'nowhere' } }, ['job.queue'], /not a queue that is known here/],
    [{ ...EVERY, job: { type: 'noop', arg: 1 } }, ['job.arg'], /known are/],
    [{ ...EVERY, overlaps: 'skip' }, ['overlaps'], /known are/],
    [{ spec: EVERY.spec, job: EVERY.job }, ['name'], /is required/],
    [{ ...EVERY, name: 'no token' }, ['name'], /1 to 64/],
    [{ ...EVERY, startAt: text(2), endAt: text(1) }, ['endAt'], /after startAt/],
  ])('refuses %j', async (body, paths, message) => {
    const refused = await world.refused('put', body);
    expect(refused.code).toBe('invalid_schedule');
    if (paths[0] !== 'spec') expect(refused.paths).toEqual(paths);
    expect(refused.message).toMatch(message);
    expect((await world.ask('list')).schedules).toEqual([]);
  });

  test('of an at that has fired may be repeated, but not moved to the past', async () => {
    world.start('one');
    const once = { name: 'o', spec: { at: text(5 * SECOND) }, job: { type: 'noop' } };
    await world.ask('put', once);
    await world.clock.advance(10 * SECOND);
    expect(await world.times('o')).toEqual([5 * SECOND]);
    await world.ask('put', { ...once, overlap: 'skip' });
    expect(await world.refused('put', { ...once, spec: { at: text(6 * SECOND) } })).toMatchObject({
      paths: ['spec.at'],
    });
    await world.ask('put', { ...once, spec: { at: text(30 * SECOND) } });
    await world.clock.advance(30 * SECOND);
    expect(await world.times('o')).toEqual([5 * SECOND, 30 * SECOND]);
  });
});

test('what is only in the config of another living node stays until that is gone', async () => {
  const one = world.start('one', [declared('old', { spec: { every: '10s' } })]);
  await world.clock.advance(25 * SECOND);
  await world.seeOther('old-node');
  await one.stop();
  world.start('two', [declared('new', { spec: { every: '10s' } })]);
  await world.clock.advance(LIVING_MS - SECOND);
  expect(await world.times('old')).toEqual([10, 20, 30, 40, 50].map((at) => at * SECOND));
  expect(await world.times('new')).toHaveLength(2);
  await world.clock.advance(10 * SECOND);
  expect((await world.ask('list')).schedules).toMatchObject([{ name: 'new' }]);
  expect(world.told('old').at(-1)).toBe('removed');
});

describe('pause and resume', () => {
  test('hold from the answer on, persist, and backfill nothing', async () => {
    world.start('one', [declared('c', { spec: { every: '10s' }, misfire: 'all' })]);
    await world.clock.advance(10 * SECOND - 1);
    expect(await world.ask('pause', { name: 'c' })).toMatchObject({
      pausedBy: 'operator',
      nextAt: null,
      enabled: true,
    });
    await world.ask('pause', { name: 'c' });
    await world.clock.advance(60 * SECOND);
    expect(await world.times('c')).toEqual([]);
    expect(await world.ask('resume', { name: 'c' })).toMatchObject({ pausedBy: null, nextAt: text(70 * SECOND) });
    await world.ask('resume', { name: 'c' });
    await world.clock.advance(10 * SECOND);
    expect(await world.times('c')).toEqual([70 * SECOND]);
    expect(world.told('c')).toEqual(['added', 'paused', 'resumed', 'fired']);
  });

  test('of a config entry hold until its text changes', async () => {
    const text1 = { spec: { every: '10s' }, misfire: 'all' };
    let scheduler = world.start('one', [declared('c', text1)]);
    await world.clock.advance(SECOND);
    await world.ask('pause', { name: 'c' });
    await scheduler.stop();
    scheduler = world.start('two', [declared('c', text1)]);
    await world.clock.advance(30 * SECOND);
    expect(await world.ask('get', { name: 'c' })).toMatchObject({ pausedBy: 'operator', source: 'config' });
    await scheduler.stop();
    world.start('three', [declared('c', { ...text1, overlap: 'skip' })]);
    await world.clock.advance(10 * SECOND);
    expect(await world.ask('get', { name: 'c' })).toMatchObject({ pausedBy: null, runs: 1, missed: 0 });
  });

  test("lift the config's own enabled: false, and a change by put holds as long", async () => {
    const off = { spec: { every: '10s' }, enabled: false };
    const one = world.start('one', [declared('c', off)]);
    await world.clock.advance(SECOND);
    expect(await world.ask('get', { name: 'c' })).toMatchObject({ pausedBy: 'config', enabled: false, nextAt: null });
    expect(await world.ask('resume', { name: 'c' })).toMatchObject({ pausedBy: null, enabled: true });
    const changed = await world.ask('put', { name: 'c', spec: { every: '20s' }, job: { type: 'noop' } });
    expect(changed).toMatchObject({ source: 'config', spec: { every: 20_000 } });
    await one.stop();
    const two = world.start('two', [declared('c', off)]);
    await world.clock.advance(25 * SECOND);
    expect(await world.times('c')).toEqual([21 * SECOND]);
    expect(await world.ask('put', { ...changed, enabled: false })).toMatchObject({ pausedBy: 'operator' });
    await two.stop();
    world.start('three', []);
    await world.clock.advance(SECOND);
    expect((await world.ask('list')).schedules).toEqual([]);
    expect(world.told('c').at(-1)).toBe('removed');
  });
});

describe('delete', () => {
  test('removes a run-time schedule at once, once', async () => {
    world.start('one');
    await world.ask('put', EVERY);
    await world.clock.advance(10 * SECOND - 1);
    expect(await world.ask('delete', { name: 'a' })).toEqual({ deleted: true });
    expect((await world.refused('delete', { name: 'a' })).code).toBe('not_found');
    await world.clock.advance(30 * SECOND);
    expect(await world.times('a')).toEqual([]);
    expect(world.told('a')).toEqual(['added', 'removed']);
  });

  test('of a config one is a conflict', async () => {
    world.start('one', [declared('c', { spec: { every: '10s' } })]);
    await world.clock.advance(SECOND);
    expect((await world.refused('delete', { name: 'c' })).code).toBe('conflict');
  });
});

describe('run', () => {
  test('makes a job now, once per id, of a paused schedule too, and beside overlap and maxRuns', async () => {
    world.start('one');
    await world.ask('put', { ...EVERY, overlap: 'skip', maxRuns: 1, enabled: false });
    await world.clock.advance(SECOND);
    const id = '01890a5d-ac96-774b-bcce-b302099a8057';
    const job = await world.ask('run', { name: 'a', id });
    expect(job).toMatchObject({
      id,
      type: 'noop',
      state: 'available',
      schedule: { name: 'a', at: text(SECOND), late: false },
    });
    await world.clock.advance(SECOND);
    expect(await world.ask('run', { name: 'a', id })).toEqual(job);
    expect(await world.ask('get', { name: 'a' })).toMatchObject({
      runs: 0,
      lastJobId: id,
      lastAt: text(SECOND),
      lastState: 'available',
    });
    await world.ask('resume', { name: 'a' });
    await world.clock.advance(10 * SECOND);
    expect(await world.ask('get', { name: 'a' })).toMatchObject({ runs: 1, lastAt: text(10 * SECOND), nextAt: null });
    expect(world.told('a', 'manual')).toContainEqual(['fired', true]);
  });

  test('never takes the time of a tick, and two at the same time are two', async () => {
    world.start('one');
    await world.ask('put', EVERY);
    await world.clock.advance(9 * SECOND);
    world.clock.setWall(BORN + 10 * SECOND);
    const [first, second] = [await world.ask('run', { name: 'a' }), await world.ask('run', { name: 'a' })];
    expect([first, second].map((job) => (job.schedule as { at: string }).at)).toEqual([text(10_001), text(10_002)]);
    await world.clock.advance(SECOND);
    expect(await world.times('a')).toEqual([10_000, 10_001, 10_002]);
  });
});

describe('the other verbs', () => {
  test('answer what there is, page by page, and 404 for what there is not', async () => {
    for (const name of ['c', 'a', 'b']) await world.ask('put', { ...EVERY, name });
    const names = (page: Record<string, unknown>) => (page.schedules as { name: string }[]).map(({ name }) => name);
    const whole = await world.ask('list');
    expect([names(whole), whole.cursor]).toEqual([['a', 'b', 'c'], null]);
    const page = await world.ask('list', { limit: 2 });
    expect([names(page), page.cursor]).toEqual([['a', 'b'], 'b']);
    expect(names(await world.ask('list', { limit: 2, cursor: 'b' }))).toEqual(['c']);
    for (const verb of ['get', 'pause', 'resume', 'run', 'delete']) {
      expect((await world.refused(verb, { name: 'nobody' })).code).toBe('not_found');
      expect(await world.refused(verb, {})).toMatchObject({ code: 'invalid_request', paths: ['name'] });
      expect((await world.refused(verb, { name: 'a', extra: 1 })).paths).toEqual(['extra']);
    }
    expect((await world.refused('nonsense', {})).code).toBe('invalid_request');
  });

  test('preview what a spec would do, without storing anything', async () => {
    const { times } = await world.ask('preview', { spec: { cron: '0 12 * * *' }, from: text(0), count: 2 });
    expect(times).toEqual(['2026-03-29T12:00:00.000Z', '2026-03-30T12:00:00.000Z']);
    expect((await world.ask('preview', { spec: { every: '5m' } })).times).toHaveLength(10);
    expect(((await world.ask('preview', { spec: { cron: '* * * * *' }, count: 1_000 })).times as []).length).toBe(
      1_000,
    );
    for (const [body, path] of [
      [{ spec: { cron: '* * *' } }, 'spec.cron'],
      [{ spec: { every: '5m' }, count: 1_001 }, 'count'],
      [{ spec: { every: '5m' }, zone: 'UTC' }, 'zone'],
    ] as const) {
      expect(await world.refused('preview', body)).toMatchObject({ code: 'invalid_schedule', paths: [path] });
    }
    expect((await world.ask('list')).schedules).toEqual([]);
  });
});
