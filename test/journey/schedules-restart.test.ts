import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cron, defineJob, defineScheduler, every, type Rota, type SchedulerConfig, start } from '../../src/index.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { PlainClient } from '../support/plain-client.ts';
import { BRISK, until } from '../support/rota-node.ts';

const note = defineJob({ type: 'note', run: () => null });

interface Schedule {
  name: string;
  source: string;
  pausedBy: string | null;
  runs: number;
  missed: number;
  overlap: string;
  spec: object;
}

/** A node whose config changes from one life to the next, on the same data folder and server. */
async function lives() {
  const server = await startNatsServer();
  onTestFinished(() => server.dispose());
  const folder = mkdtempSync(join(tmpdir(), 'rota-schedules-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const client = await PlainClient.to(server.url);
  onTestFinished(() => client.close());
  client.listen();
  let rota: Rota | undefined;
  onTestFinished(async () => rota?.stop());
  return {
    client,
    control: <T = Schedule>(verb: string, body: object): Promise<T> => client.ask<T>(`jobs.ctl.schedule.${verb}`, body),
    live: async (schedules: NonNullable<SchedulerConfig['schedules']>): Promise<void> => {
      const config = defineScheduler({ jobs: [note], schedules });
      rota = await start(config, { ...BRISK, nats: server.url, data: folder, logLevel: 'error', node: 'here' });
    },
    end: async (): Promise<void> => {
      await rota?.stop();
      rota = undefined;
    },
  };
}

test('what is put, changed and paused at run time outlives the node; a config entry holds again once its text changes', async () => {
  const { control, live, end, client } = await lives();
  const configured = {
    tick: every('1s', note),
    off: cron('@hourly', note, { enabled: false }),
    gone: cron('@daily', note),
  };
  await live(configured);
  const known = async (name: string) =>
    (await control<{ schedules: Schedule[] }>('list', {})).schedules.some((one) => one.name === name);
  await until(() => known('gone'), Boolean);
  await control('put', { name: 'mine', spec: { every: '1s' }, job: { type: 'note' }, misfire: 'all' });
  await control('put', { name: 'quiet', spec: { every: '1h' }, job: { type: 'note' } });
  await control('pause', { name: 'quiet' });
  await control('pause', { name: 'tick' });
  await control('put', { name: 'gone', spec: { cron: '@weekly' }, job: { type: 'note' } });
  await until(
    () => control('get', { name: 'mine' }),
    ({ runs }) => runs > 0,
  );
  expect(await control('get', { name: 'off' })).toMatchObject({ pausedBy: 'config' });
  await end();
  const ended = performance.now();
  await until(
    async () => performance.now() - ended,
    (ms) => ms > 1_500,
  );

  await live(configured);
  const { schedules } = await control<{ schedules: Schedule[] }>('list', {});
  expect(schedules.map(({ name, source, pausedBy }) => [name, source, pausedBy])).toEqual([
    ['gone', 'config', null],
    ['mine', 'runtime', null],
    ['off', 'config', 'config'],
    ['quiet', 'runtime', 'operator'],
    ['tick', 'config', 'operator'],
  ]);
  expect(await control('get', { name: 'gone' })).toMatchObject({ spec: { cron: '@weekly' } });
  // The ticks of the time when nobody ran are made up for, as `all` says, each once.
  await until(
    () => control('get', { name: 'mine' }),
    ({ runs }) => runs >= 4,
  );
  const { jobs } = await client.ask<{ jobs: { schedule: { at: string } }[] }>('jobs.job.list', {
    schedule: 'mine',
    order: 'asc',
  });
  const times = jobs.map(({ schedule }) => Date.parse(schedule.at));
  for (const [index, time] of times.entries()) if (index > 0) expect(time - (times[index - 1] ?? 0)).toBe(1_000);
  await end();

  await live({ ...configured, tick: every('1s', note, { overlap: 'skip' }), off: cron('@hourly', note) });
  await until(
    () => control('get', { name: 'tick' }),
    ({ overlap }) => overlap === 'skip',
  );
  expect(await control('get', { name: 'tick' })).toMatchObject({ pausedBy: null, missed: 0 });
  expect(await control('get', { name: 'off' })).toMatchObject({ pausedBy: null });
  await client.event(({ type, subject }) => type === 'jobs.schedule.changed' && subject === 'tick');
});
