import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cron, defineJob, defineScheduler, type Rota, start } from '../../src/index.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { PlainClient, type WireEvent } from '../support/plain-client.ts';
import { BRISK, until } from '../support/rota-node.ts';

const note = defineJob({ type: 'note', run: () => null });
const config = defineScheduler({
  jobs: [note],
  schedules: { boot: cron('@reboot', note), tick: cron('* * * * * *', note) },
});

test('two schedulers without a database of their own hand the lead over, and no tick is lost or doubled', async () => {
  const server = await startNatsServer();
  onTestFinished(() => server.dispose());
  const client = await PlainClient.to(server.url);
  onTestFinished(() => client.close());
  client.listen();
  const node = async (name: string, roles: string): Promise<Rota> => {
    const data = mkdtempSync(join(tmpdir(), 'rota-lead-'));
    const rota = await start(config, {
      ...BRISK,
      ...{ nats: server.url, data, roles, node: name, logLevel: 'error', leaderLease: '2s' },
    });
    onTestFinished(async () => {
      await rota.stop();
      rmSync(data, { recursive: true, force: true });
    });
    return rota;
  };
  const told = (type: string, subject: string) => (event: WireEvent) =>
    event.type === type && event.subject === subject;
  const ticks = (): number => client.events.filter(told('jobs.schedule.fired', 'tick')).length;

  await node('base', 'store,intake,queues');
  const first = await node('first', 'scheduler');
  await client.event(told('jobs.node.leader-acquired', 'first'));
  await node('second', 'scheduler');
  await until(
    async () => client.events.filter(told('jobs.schedule.fired', 'boot')).length,
    (boots) => boots === 2,
  );
  await until(
    async () => ticks(),
    (count) => count >= 2,
  );

  const stoppedAt = performance.now();
  await first.stop();
  await client.event(told('jobs.node.leader-acquired', 'second'));
  expect(performance.now() - stoppedAt).toBeLessThan(2_000);
  const before = ticks();
  await until(
    async () => ticks(),
    (count) => count >= before + 2,
  );

  const { jobs } = await client.ask<{ jobs: { schedule: { at: string; late: boolean } }[] }>('jobs.job.list', {
    ...{ schedule: 'tick', order: 'asc', limit: 500 },
  });
  const times = jobs.map(({ schedule }) => Date.parse(schedule.at));
  for (const [index, time] of times.entries()) if (index > 0) expect(time - (times[index - 1] ?? 0)).toBe(1_000);
  expect(client.events.filter(told('jobs.node.leader-lost', 'first'))).toHaveLength(1);
});
