import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { at, cron, defineJob, endSchedule } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

const note = defineJob({ type: 'note', queue: 'default', run: () => 'noted' });
const last = defineJob({ type: 'last', queue: 'default', run: () => endSchedule('that was it') });
const slow = defineJob({
  type: 'slow',
  run: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve('aborted'))),
});

const CONFIG = {
  queues: { default: 10 },
  jobs: [last, slow],
  schedules: {
    boot: cron('@reboot', note),
    late: at('2020-01-01T00:00:00Z', note),
    seconds: cron('* * * * * *', note),
    yearly: cron('0 0 1 1 *', note),
  },
};

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode(CONFIG);
  await until(
    () => node.ask('jobs.ctl.schedule.list'),
    ({ schedules }) => schedules.length === 4,
  );
});
afterAll(() => node.stop());

const control = (verb: string, body?: object) => node.ask(`jobs.ctl.schedule.${verb}`, body);
const event = (name: string, what: string) =>
  node.event(({ subject }) => subject === `jobs.events.schedule.${name}.${what}`);
/** Two more ticks of the schedule that ticks each second: another one had its chance. */
async function twoSeconds(): Promise<void> {
  const isTick = ({ subject }: { subject: string }): boolean => subject === 'jobs.events.schedule.seconds.fired';
  const seen = node.events.filter(isTick).length;
  await node.event(() => node.events.filter(isTick).length >= seen + 2);
}
const SECONDLY = { spec: { cron: '* * * * * *' }, job: { type: 'note' } };

describe('a plain NATS client', () => {
  test('sees what the config declares, and @reboot fired for the start', async () => {
    const { schedules, cursor } = await control('list');
    expect(cursor).toBeNull();
    expect(schedules.map(({ name }: { name: string }) => name)).toEqual(['boot', 'late', 'seconds', 'yearly']);
    expect(schedules[1]).toMatchObject({ source: 'config', nextAt: null, runs: 0 });
    expect(schedules[3]).toMatchObject({ spec: { cron: '0 0 1 1 *' }, pausedBy: null, lastAt: null });
    const { event: fired } = await event('boot', 'fired');
    const job = await node.ask('jobs.job.wait', { id: fired.data.jobId });
    expect(job).toMatchObject({ state: 'completed', result: 'noted', schedule: { name: 'boot', late: false } });
  });

  test('puts, reads, changes, pauses, resumes and deletes a schedule', async () => {
    const made = await control('put', { name: 'beat', ...SECONDLY });
    expect(made).toMatchObject({ name: 'beat', source: 'runtime', enabled: true, nextAt: expect.any(String) });
    expect((await event('beat', 'added')).event).toMatchObject({ type: 'jobs.schedule.added', subject: 'beat' });
    const { event: fired } = await event('beat', 'fired');
    expect(fired.data).toMatchObject({ schedule: 'beat', late: false, nominalAt: expect.stringMatching(/\.000Z$/) });
    const job = await node.ask('jobs.job.wait', { id: fired.data.jobId });
    expect(job).toMatchObject({ type: 'note', schedule: { name: 'beat', at: fired.data.nominalAt, late: false } });

    const paused = await control('pause', { name: 'beat' });
    expect(paused).toMatchObject({ pausedBy: 'operator', nextAt: null });
    const { runs } = await control('get', { name: 'beat' });
    await twoSeconds();
    expect(await control('get', { name: 'beat' })).toMatchObject({ runs, lastState: 'completed' });
    expect(await control('resume', { name: 'beat' })).toMatchObject({ pausedBy: null });
    await until(
      () => control('get', { name: 'beat' }),
      (now) => now.runs > runs,
    );
    const { times } = await jobTimes('beat');
    expect(new Set(times).size).toBe(times.length);
    expect(await control('put', { ...(await control('get', { name: 'beat' })), maxRuns: 1 })).toMatchObject({
      maxRuns: 1,
      nextAt: null,
    });
    await event('beat', 'changed');
    expect(await control('delete', { name: 'beat' })).toEqual({ deleted: true });
    await event('beat', 'removed');
    expect(await node.request('jobs.ctl.schedule.get', { name: 'beat' })).toMatchObject({
      status: 404,
      code: 'not_found',
    });
  });

  const jobTimes = async (schedule: string): Promise<{ times: string[] }> => {
    const { jobs } = await node.ask('jobs.job.list', { schedule, limit: 500 });
    return { times: jobs.map((job: { schedule: { at: string } }) => job.schedule.at) };
  };

  test('runs one now, idempotent by id', async () => {
    const id = v7();
    const job = await control('run', { name: 'yearly', id });
    expect(job).toMatchObject({ id, type: 'note', schedule: { name: 'yearly', late: false } });
    expect(await node.ask('jobs.job.wait', { id })).toMatchObject({ state: 'completed' });
    expect(await control('run', { name: 'yearly', id })).toMatchObject({ id, state: 'completed' });
    expect(await control('get', { name: 'yearly' })).toMatchObject({ lastJobId: id, lastState: 'completed', runs: 0 });
  });

  test('is told each mistake with its field and what would be right', async () => {
    const refused = await node.request('jobs.ctl.schedule.put', {
      name: 'bad',
      spec: { cron: '*/15 25 * * *' },
      job: { type: 'nobody', queue: 'default' },
      overlap: 'never',
    });
    expect(refused).toMatchObject({ status: 400, code: 'invalid_schedule' });
    expect(refused.paths.toSorted()).toEqual(['job.type', 'overlap', 'spec.cron']);
    const issues: { path: string; message: string }[] = refused.value.error.issues;
    const cronIssue = issues.find(({ path }) => path === 'spec.cron');
    expect(cronIssue?.message).toMatch(/field 2 \(hour\), character 6: "25" must be from 0 to 23/);
    expect(await node.request('jobs.ctl.schedule.delete', { name: 'yearly' })).toMatchObject({ status: 409 });
    expect(await node.request('jobs.ctl.schedule.delete', { name: 'nobody' })).toMatchObject({ status: 404 });
    expect(await node.request('jobs.ctl.schedule.run', { name: 'yearly', id: 'x' })).toMatchObject({ status: 400 });
    const packed = await node.pack('jobs.ctl.schedule.get', { name: 'yearly' });
    expect(packed.value).toMatchObject({ name: 'yearly' });
  });

  test('previews across a change of the clocks', async () => {
    const { times } = await control('preview', {
      ...{ spec: { cron: '30 2 * * *' }, timezone: 'Europe/Berlin', from: '2026-03-27T12:00:00Z', count: 3 },
    });
    expect(times).toEqual(['2026-03-28T01:30:00.000Z', '2026-03-29T01:00:00.000Z', '2026-03-30T00:30:00.000Z']);
  });

  test('sees a job end its own schedule', async () => {
    await control('put', { name: 'monitor', spec: { cron: '* * * * * *' }, job: { type: 'last' } });
    await event('monitor', 'ended');
    const ended = await control('get', { name: 'monitor' });
    expect(ended).toMatchObject({ endedAt: expect.any(String), nextAt: null, pausedBy: null });
    await twoSeconds();
    expect((await control('get', { name: 'monitor' })).runs).toBe(ended.runs);
  });

  test('sees overlap skip and cancel_running', async () => {
    const put = (name: string, overlap: string) =>
      control('put', { name, spec: { cron: '* * * * * *' }, job: { type: 'slow' }, overlap });
    await put('skips', 'skip');
    await put('cancels', 'cancel_running');
    expect((await event('skips', 'skipped')).event.data).toMatchObject({ schedule: 'skips', reason: 'overlap' });
    const cancelled = await node.event(
      ({ event: { type, data } }) => type === 'jobs.job.cancelled' && data.schedule?.name === 'cancels',
    );
    expect(cancelled.event.data.state).toBe('cancelled');
    for (const name of ['skips', 'cancels']) {
      await control('delete', { name });
      await node.ask('jobs.job.cancel', { schedule: name });
    }
  });

  test('uses the client of this library for the same', async () => {
    const { schedules } = node.rota.client;
    const made = await schedules.put({
      name: 'lib',
      spec: { at: new Date(Date.now() + 3_600_000) },
      job: { type: note },
    });
    expect(made).toMatchObject({ name: 'lib', job: { type: 'note' }, source: 'runtime' });
    expect((await schedules.list()).map(({ name }) => name)).toContain('lib');
    expect(await schedules.put({ ...made, overlap: 'skip' })).toMatchObject({ overlap: 'skip' });
    expect((await schedules.pause('lib')).pausedBy).toBe('operator');
    expect((await schedules.resume('lib')).pausedBy).toBeNull();
    expect((await schedules.get('lib')).name).toBe('lib');
    const job = await schedules.run('lib');
    expect((await node.rota.client.wait(job.id)).state).toBe('completed');
    expect(await schedules.preview({ spec: { every: '1h' }, count: 2 })).toHaveLength(2);
    await schedules.delete('lib');
    await expect(schedules.get('lib')).rejects.toMatchObject({ code: 'not_found' });
    await expect(schedules.delete('yearly')).rejects.toMatchObject({ code: 'conflict' });
  });
});
