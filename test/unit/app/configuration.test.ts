import { cron, defineJob, defineScheduler, every } from 'rota';
import { describe, expect, test } from 'vitest';
import { readConfiguration } from '../../../src/app/configuration.ts';
import type { RotaError } from '../../../src/kernel/error.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const read = (config: unknown) => readConfiguration(config, { now });
const job = defineJob({ type: 'a.b', run: () => null });

async function faults(config: unknown): Promise<string[]> {
  try {
    await read(config);
  } catch (error) {
    return (error as RotaError).issues.map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

/** A Standard Schema that wants `{ n: number }` and fills in `unit`. */
const schema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) =>
      typeof (value as { n?: unknown }).n === 'number'
        ? { value: { unit: 'kg', ...(value as object) } }
        : { issues: [{ message: 'must be a number', path: ['n'] }] },
  },
};

describe('a configuration', () => {
  test('may be empty and then has one queue', async () => {
    const { queues, definitions, schedules, timezone } = await read(defineScheduler({}));
    expect(queues).toEqual(new Map([['default', { limit: 10 }]]));
    expect([definitions.size, schedules.length, timezone]).toEqual([0, 0, 'UTC']);
  });

  test('takes types from jobs and from schedules, queues as numbers and as objects', async () => {
    const other = defineJob({ type: 'c', run: () => null });
    const config = defineScheduler({
      queues: { a: 1, b: { limit: 2 } },
      jobs: [job],
      schedules: { s: every('5m', other) },
    });
    const { queues, definitions } = await read(config);
    expect([...queues]).toEqual([['a', { limit: 1 }], ['b', { limit: 2 }]]); // biome-ignore format: reads as pairs
    expect([...definitions.keys()]).toEqual(['a.b', 'c']);
  });

  test('gives a schedule its own zone, queue and the args that the schema made', async () => {
    const typed = defineJob({ type: 't', queue: 'q', args: schema as never, run: () => null });
    const { schedules } = await read(
      defineScheduler({ timezone: 'Europe/Berlin', schedules: { s: cron('0 7 * * *', typed, { args: { n: 1 } }) } }),
    );
    expect(schedules[0]).toMatchObject({
      ...{ name: 's', anchorAt: now },
      declaration: { timezone: 'Europe/Berlin', job: { type: 't', queue: 'q', args: { unit: 'kg', n: 1 } } },
    });
  });

  test('tells every mistake at once, each with its place', async () => {
    const typed = defineJob({ type: 't', args: schema as never, run: () => null });
    const twin = defineJob({ type: 'a.b', run: () => 1 });
    const found = await faults({
      timezone: 'Mars/Olympus',
      queues: { 'a b': 1, c: 0 },
      jobs: [job, twin, { type: 'x' }, './nothing/*.ts'],
      schedules: {
        bad: cron('61 * * * *', job),
        unknown: cron('@daily', 'nobody'),
        args: cron('@daily', typed, { args: { n: 'one' } }),
        wrong: 5,
      },
      services: 'none',
      colour: 'blue',
    });
    const places = found.map((fault) => fault.split(':')[0]);
    for (const place of [
      'colour',
      'timezone',
      'queues.a b',
      'queues.c',
      'jobs.1',
      'jobs.2',
      'jobs.3',
      'schedules.wrong',
      'schedules.args.args.n',
      'services',
    ]) {
      expect(places, place).toContain(place);
    }
    expect(found.join('\n')).toMatch(/schedules\.bad.*spec\.cron/);
    expect(found.join('\n')).toMatch(/schedules\.unknown/);
  });

  test('is refused when it is nothing of the kind', async () => {
    expect(await faults(undefined)).toEqual([': must be what defineScheduler returns']);
  });
});
