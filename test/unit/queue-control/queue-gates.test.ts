import { expect, test } from 'vitest';
import { QueueGates } from '../../../src/actors/persistence/queue-gates.ts';
import type { QueueRecord } from '../../../src/store/queue-record.ts';
import { VirtualClock } from '../../../src/testing/testing.ts';

const RATED: QueueRecord = {
  ...{ queue: 'q', paused: false, globalLimit: null, partition: null, sorting: false, scale: null, scaleByNode: {} },
  rate: { limit: 1, periodMs: 60_000 },
};

test('a rate that is changed while it is asked when the next may start leaves one timer, and none after the stop', async () => {
  const clock = new VirtualClock();
  const asked: ((at: number | null) => void)[] = [];
  const woken: number[] = [];
  const gates = new QueueGates({
    clock,
    queues: async () => [RATED],
    nextStart: () => new Promise((resolve) => asked.push(resolve)),
    sort: async () => true,
    wake: () => woken.push(clock.monotonicMs()),
  });
  await gates.start();
  gates.parked('q');
  gates.changed({ ...RATED, rate: { limit: 2, periodMs: 60_000 } });
  gates.parked('q');
  const [first, second] = asked;
  first?.(clock.now() + 50_000);
  second?.(clock.now() + 20_000);
  await clock.settle();
  expect(clock.pending).toBe(1);
  woken.length = 0;
  await clock.advance(30_000);
  expect(woken, 'by what holds now').toEqual([20_000]);
  gates.parked('q');
  asked[2]?.(clock.now() + 50_000);
  await clock.settle();
  gates.stop();
  expect(clock.pending).toBe(0);
});
