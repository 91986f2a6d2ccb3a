import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { AnyJobDefinition } from '../../../src/job/definition.ts';
import { temporaryFolder } from './run-handler.ts';

// The declaring functions only record here: this is about what the file declares, the journeys are about what runs.
vi.mock('rota', async (original) => ({
  ...(await original<object>()),
  cron: (text: string, job: AnyJobDefinition) => `${text} ${job.type}`,
  every: (interval: string, job: AnyJobDefinition, options: object) =>
    `every ${interval} ${job.type} ${JSON.stringify(options)}`,
  defineScheduler: (declared: object) => declared,
}));

interface Declared {
  timezone: string;
  queues: Record<string, unknown>;
  jobs: AnyJobDefinition[];
  schedules: Record<string, unknown>;
  services(given: { dataFolder: string; nats: undefined }): Promise<{
    projectFolder: string;
    cache: { count(): number };
    close(): Promise<void>;
  }>;
}

const declared = async () => {
  const { default: config } = await import('../../../config/scheduler.ts');
  return config as unknown as Declared; // what the recording defineScheduler above answers
};

test('it declares the four maintenance jobs, their queues and when they run', async () => {
  const { timezone, queues, jobs, schedules } = await declared();
  expect(timezone).toBe('UTC');
  expect(queues).toEqual({ default: 10, maintenance: { limit: 2 } });
  expect(jobs.map(({ type }) => type)).toEqual(['cache.cleanup', 'cache.refresh', 'cache.prewarm', 'pattern.sync']);
  for (const { queue } of jobs) expect(Object.keys(queues)).toContain(queue);
  expect(schedules).toEqual({
    'cache-cleanup': '*/15 * * * * cache.cleanup',
    'cache-refresh': '@hourly cache.refresh',
    'cache-prewarm': '0 */6 * * * cache.prewarm',
    'cache-prewarm-at-start': '@reboot cache.prewarm',
    'pattern-sync': 'every 5m pattern.sync {"overlap":"skip"}',
    'pattern-sync-at-start': '@reboot pattern.sync',
  });
});

test('each file in jobs/ is declared', async () => {
  const { jobs } = await declared();
  const files = await readdir(new URL('../../../config/jobs', import.meta.url));
  const types = files.filter((file) => file.endsWith('.ts')).map((file) => file.slice(0, -3).replace('-', '.'));
  expect(types.sort()).toEqual(jobs.map(({ type }) => type).sort());
});

test('its services open in the data folder and close again, also without NATS', async () => {
  await using folder = await temporaryFolder();
  const { services } = await declared();
  const made = await services({ dataFolder: folder.path, nats: undefined });
  expect(await readdir(folder.path)).toContain('package-cache.db');
  expect((await stat(join(made.projectFolder, 'package-lock.json'))).isFile()).toBe(true);
  expect(made.cache.count()).toBe(0);
  await made.close();
  expect(() => made.cache.count()).toThrow();
});
