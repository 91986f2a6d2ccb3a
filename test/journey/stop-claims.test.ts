import { describe, expect, onTestFinished, test } from 'vitest';
import { startJanitor } from '../../src/actors/janitor/janitor.ts';
import { Queue } from '../../src/actors/queue/queue.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { silentLogger as log } from '../../src/kernel/log.ts';
import { LocalRoute } from '../../src/messaging/local/local-route.ts';
import { MemoryBroker } from '../../src/messaging/memory/memory-broker.ts';
import { answer } from '../../src/messaging/reply.ts';
import { Subjects } from '../../src/messaging/subjects.ts';

const subjects = new Subjects('jobs');

/** What a store answers the janitor when there is nothing to do, whatever it was asked. */
const NOTHING_DONE = { staged: 0, rescued: 0, expired: 0, pruned: 0, cancelled: 0, queues: [], nextAt: null };

function route(): LocalRoute {
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  onTestFinished(() => bus.close());
  return bus;
}

describe('a queue that stops', () => {
  test('withdraws a claim again that the store was only about to park', async () => {
    const bus = route();
    const claimed = Promise.withResolvers<void>();
    let park = (): void => {};
    let withdrawals = 0;
    bus.subscribe(subjects.actor('here', 'executor-q', 'status'), {}, (message) =>
      answer(message, { worker: '0199aaaa-0000-7000-8000-000000000000', busy: 0 }),
    );
    bus.subscribe(subjects.store('queues'), {}, (message) => answer(message, { answer: [] }));
    bus.subscribe(subjects.work('q', 'claim'), {}, (message) => {
      park = () => answer(message, { jobs: [] });
      claimed.resolve();
    });
    bus.subscribe(subjects.work('q', 'withdraw'), {}, (message) => {
      withdrawals += 1;
      if (withdrawals > 1) park();
      answer(message, { withdrawn: withdrawals > 1 ? 1 : 0 });
    });
    const queue = new Queue({
      bus,
      subjects,
      clock,
      node: 'here',
      queue: 'q',
      limit: 1,
      types: ['a'],
      pollMs: 50,
      storeIsHere: true,
      log,
    });
    await claimed.promise;
    const sinceMs = performance.now();
    await queue.stop();
    expect(performance.now() - sinceMs).toBeLessThan(2_000);
    expect(withdrawals).toBe(2);
  });
});

describe('the janitor', () => {
  test('declares nobody dead while the bus is away, nor for one lease after it is back', async () => {
    const bus = route();
    const broker = new MemoryBroker({ clock, random: () => 0.5 });
    const remote = broker.connect({ name: 'here', subjects });
    onTestFinished(() => remote.close());
    bus.attach(remote);
    const leaseMs = 200;
    let stages = 0;
    const rescues: number[] = [];
    const seen = new Set<() => void>();
    const noted = (): void => {
      for (const look of seen) look();
    };
    const until = (fits: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!fits()) return;
          seen.delete(look);
          resolve();
        };
        seen.add(look);
        look();
      });
    bus.subscribe(subjects.store('*'), {}, (message) => {
      if (message.subject === subjects.store('stage')) stages += 1;
      if (message.subject === subjects.store('rescue')) rescues.push(performance.now());
      answer(message, { answer: NOTHING_DONE });
      noted();
    });
    const keepMs = { completed: 1, cancelled: 1, discarded: 1 };
    const janitor = startJanitor({ bus, subjects, clock, pollMs: 20, leaseMs, keepMs, log });
    onTestFinished(() => janitor.stop());
    await until(() => rescues.length > 0);
    bus.detach();
    const before = rescues.length;
    const from = stages;
    await until(() => stages >= from + 20);
    expect(rescues.length).toBeLessThanOrEqual(before + 1);
    const backMs = performance.now();
    const quiet = rescues.length;
    bus.attach(remote);
    await until(() => rescues.length > quiet);
    expect((rescues[quiet] ?? 0) - backMs).toBeGreaterThanOrEqual(leaseMs - 5);
  });
});
