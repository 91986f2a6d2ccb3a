import { describe, expect, test } from 'vitest';
import { isServiceReady, type Service, type ServiceScope, serviceActor } from '../../../src/actors/service.ts';
import { type Report, startSupervisor } from '../../../src/supervisor/supervisor.ts';

/** A service under a supervisor, with what it was told to do. */
async function setup(start: (scope: ServiceScope) => Service | Promise<Service>) {
  const reports: Report[] = [];
  const supervisor = await startSupervisor(
    {
      name: 'root',
      intensity: 1,
      children: [
        {
          id: 'it',
          start: () => serviceActor('it', start),
          ready: isServiceReady,
          startTimeoutMs: 5_000,
          restart: 'temporary',
        },
      ],
    },
    { onReport: (report) => reports.push(report) },
  );
  return { supervisor, reports };
}

const exits = (reports: readonly Report[]): unknown[] =>
  reports.filter(({ type }) => type === 'child-exited').map(({ reason }) => reason);

describe('a service actor', () => {
  test('is ready when its service was made, and stops it in order', async () => {
    const told: string[] = [];
    const { supervisor, reports } = await setup(async () => {
      await Promise.resolve();
      told.push('started');
      return { stop: async () => void told.push('stopped'), kill: () => told.push('let go') };
    });
    expect(told).toEqual(['started']);
    await supervisor.stop();
    expect(told).toEqual(['started', 'stopped', 'let go']);
    expect(exits(reports)).toEqual(['shutdown']);
  });

  test('a failed start is a failed start, with its cause', async () => {
    const failure = new Error('no disk');
    const starting = setup(() => Promise.reject(failure));
    await expect(starting).rejects.toMatchObject({ code: 'failed_to_start_child', cause: failure });
  });

  test('a failure while it runs crashes the actor and lets the service go', async () => {
    const told: string[] = [];
    let scope: ServiceScope | undefined;
    const { supervisor, reports } = await setup((given) => {
      scope = given;
      return { stop: async () => {}, kill: () => told.push('let go') };
    });
    const failure = new Error('world broken');
    scope?.fail(failure);
    await supervisor.stop();
    expect(exits(reports)).toEqual([failure]);
    expect(told).toEqual(['let go']);
    expect(scope?.signal.aborted).toBe(true);
  });

  test('a failing stop is an abnormal end', async () => {
    const failure = new Error('cannot flush');
    const { supervisor, reports } = await setup(() => ({ stop: () => Promise.reject(failure), kill: () => {} }));
    await supervisor.stop();
    expect(exits(reports)).toEqual([failure]);
  });
});
