import { expect, it } from 'vitest';
import { createMachine } from 'xstate';
import { type Report, startSupervisor } from '../../../src/supervisor/supervisor.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const crashing = (id: string) =>
  createMachine({
    id,
    initial: 'running',
    states: {
      running: { on: { crash: 'crashed' } },
      crashed: {
        entry: () => {
          throw new Error(`${id} crashed`);
        },
      },
    },
  });

it('serves an exit that waits before it retries a failed restart, which then needs none', async () => {
  const clock = new VirtualClock();
  const reports: string[] = [];
  let failingStarts = 0;
  const start = (id: string) => () => {
    if (id === 'c' && failingStarts-- > 0) throw new Error('c does not start');
    return crashing(id);
  };
  const supervisor = await startSupervisor(
    {
      ...{ name: 'root', strategy: 'rest_for_one', intensity: 2, periodSeconds: 1 },
      children: ['a', 'c'].map((id) => ({ id, start: start(id), shutdown: 'brutal_kill' as const })),
    },
    { clock, onReport: ({ type, id }: Report) => reports.push(`${type} ${id}`) },
  );
  reports.length = 0;
  failingStarts = 1;
  const both = [supervisor.child('c'), supervisor.child('a')];
  for (const actor of both) actor?.send({ type: 'crash' } as never);
  await clock.settle();
  // Two restarts are within the intensity; a retry served first would have made three.
  expect(reports).toEqual([
    'child-exited c',
    'start-failed c',
    'child-exited a',
    'child-restarted a',
    'child-restarted c',
  ]);
  expect(await supervisor.stop()).toBe('shutdown');
});
