import { expect, test } from 'vitest';
import { Queue } from '../../../src/actors/queue/queue.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { answer } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { VirtualClock } from '../../../src/testing/testing.ts';

const subjects = new Subjects('jobs');

test('a queue that is killed while its stop waits for a claim leaves no timer', async () => {
  const clock = new VirtualClock();
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const executor = { worker: '0199aaaa-0000-7000-8000-000000000000', busy: 0 };
  bus.subscribe(subjects.actor('here', 'executor-q', 'status'), {}, (message) => answer(message, executor));
  bus.subscribe(subjects.store('queues'), {}, (message) => answer(message, { answer: [] }));
  let withdrawals = 0;
  bus.subscribe(subjects.work('q', 'claim'), {}, () => {});
  bus.subscribe(subjects.work('q', 'withdraw'), {}, (message) => {
    withdrawals += 1;
    answer(message, { withdrawn: 0 });
  });
  const queue = new Queue({
    ...{
      bus,
      subjects,
      clock,
      node: 'here',
      queue: 'q',
      limit: 3,
      types: ['a'],
      pollMs: 1_000,
      storeIsHere: true,
      log,
    },
  });
  await clock.advance(10);
  void queue.stop();
  await clock.advance(300);
  expect(withdrawals, 'the stop tries again').toBeGreaterThan(1);
  queue.kill();
  await clock.settle();
  // What is left is the claim's own, which ends with the bus.
  expect((clock.nextDueMs ?? Number.NaN) - clock.monotonicMs()).toBeGreaterThan(1_000);
  await bus.close();
  await clock.settle();
  expect(clock.pending).toBe(0);
});
