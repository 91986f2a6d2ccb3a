import { expect, onTestFinished, test } from 'vitest';
import { startJanitor } from '../../../src/actors/janitor/janitor.ts';
import { sleep } from '../../../src/kernel/clock.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { silentLogger } from '../../../src/kernel/log.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { answer, refuse } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { VirtualClock } from '../../../src/testing/testing.ts';

const KEEP = { completed: 1_000, cancelled: 1_000, discarded: 1_000 };

const LOOKS_MAX = 200;

/** A janitor with a store whose only job is due at a time by the store's clock, and how often it was asked to stage. */
function janitorWith({ dueInMs, storeBehindMs }: { dueInMs: number; storeBehindMs: number }) {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const dueAt = clock.now() + dueInMs;
  const stagedAt: number[] = [];
  let asked = 0;
  bus.subscribe(subjects.store('*'), {}, (message) => {
    const verb = message.subject.split('.').at(-1);
    if (verb === 'expire') return answer(message, { answer: { expired: 0, nextAt: null } });
    if (verb === 'prune') return answer(message, { answer: { pruned: 0 } });
    if (verb !== 'stage') return answer(message, { answer: { rescued: 0, queues: [] } });
    asked += 1;
    // Where it never rests, time stands: the test ends all the same.
    if (asked > LOOKS_MAX) return undefined;
    const staged = stagedAt.length === 0 && dueAt <= clock.now() - storeBehindMs ? 1 : 0;
    if (staged > 0) stagedAt.push(clock.monotonicMs());
    answer(message, { answer: { staged, queues: [], nextAt: stagedAt.length > 0 ? null : dueAt } });
  });
  const janitor = startJanitor({
    ...{ bus, subjects, clock, pollMs: 10_000, leaseMs: 30_000, keepMs: KEEP },
    log: silentLogger,
  });
  onTestFinished(() => janitor.stop());
  return { clock, stagedAt, asked: () => asked };
}

test('stages a job at its time', async () => {
  const { clock, stagedAt, asked } = janitorWith({ dueInMs: 1_234, storeBehindMs: 0 });
  await clock.advance(5_000);
  expect(stagedAt).toEqual([1_234]);
  expect(asked()).toBeLessThan(5);
});

test('rests between its looks while the store, whose clock is behind, finds nothing due', async () => {
  const { clock, stagedAt, asked } = janitorWith({ dueInMs: 1_000, storeBehindMs: 200 });
  await clock.advance(5_000);
  expect(stagedAt[0]).toBeGreaterThanOrEqual(1_200);
  expect(stagedAt[0]).toBeLessThan(1_300);
  expect(asked(), 'looks in vain are few').toBeLessThan(12);
});

const LEASE_MS = 30_000;
const POLL_MS = 2_000;

/** A janitor whose store fails when told to, and when it judged: the times of its rescues in milliseconds. */
function judgingJanitor() {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const judgedAt: number[] = [];
  let asked = 0;
  const world = { clock, judgedAt, fails: (_request: number): boolean => false };
  const unavailable = new RotaError('unavailable', 'the disk is away');
  bus.subscribe(subjects.store('*'), {}, (message) => {
    const verb = message.subject.split('.').at(-1);
    asked += 1;
    if (world.fails(asked)) return refuse(message, unavailable);
    if (verb === 'rescue') judgedAt.push(clock.monotonicMs());
    answer(message, { answer: { staged: 0, expired: 0, rescued: 0, pruned: 0, queues: [], nextAt: null } });
  });
  const janitor = startJanitor({
    ...{ bus, subjects, clock, pollMs: POLL_MS, leaseMs: LEASE_MS, keepMs: KEEP },
    log: silentLogger,
  });
  onTestFinished(() => janitor.stop());
  return world;
}

test('judges one lease after the store first answered', async () => {
  const world = judgingJanitor();
  const { clock, judgedAt } = world;
  world.fails = () => clock.monotonicMs() < 11_000;
  await clock.advance(60_000);
  expect(judgedAt[0]).toBeGreaterThanOrEqual(11_000 + LEASE_MS);
  expect(judgedAt[0]).toBeLessThan(11_000 + LEASE_MS + 2 * POLL_MS);
});

test('rescues where the store fails now and then', async () => {
  const world = judgingJanitor();
  world.fails = (request) => request % 5 === 0;
  await world.clock.advance(4 * LEASE_MS);
  expect(world.judgedAt.length).toBeGreaterThan(10);
});

test('judges nobody for one lease after the store was away for long', async () => {
  const world = judgingJanitor();
  const { clock, judgedAt } = world;
  await clock.advance(2 * LEASE_MS);
  const before = judgedAt.length;
  expect(before).toBeGreaterThan(0);
  world.fails = () => true;
  await clock.advance(LEASE_MS);
  world.fails = () => false;
  const backAt = clock.monotonicMs();
  await clock.advance(2 * LEASE_MS);
  const [next = 0] = judgedAt.slice(before);
  expect(next).toBeGreaterThanOrEqual(backAt + LEASE_MS);
  expect(next).toBeLessThan(backAt + LEASE_MS + 2 * POLL_MS);
});

test('judges nobody for one lease after its process stood still', async () => {
  const { clock, judgedAt } = judgingJanitor();
  await clock.advance(2 * LEASE_MS);
  const before = judgedAt.length;
  await clock.leap(LEASE_MS);
  const backAt = clock.monotonicMs();
  await clock.advance(2 * LEASE_MS);
  expect(judgedAt[before]).toBeGreaterThanOrEqual(backAt + LEASE_MS);
});

test('prunes step after step while there is more, and rests as long as each one took', async () => {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const [TOOK_MS, STEPS] = [20, 100];
  const askedAt: number[] = [];
  bus.subscribe(subjects.store('*'), {}, async (message) => {
    const others = { staged: 0, expired: 0, rescued: 0, queues: [], nextAt: null };
    if (message.subject.split('.').at(-1) !== 'prune') return answer(message, { answer: others });
    askedAt.push(clock.monotonicMs());
    await sleep(clock, TOOK_MS);
    answer(message, { answer: { pruned: askedAt.length < STEPS ? 1_000 : 999 } });
  });
  const janitor = startJanitor({
    ...{ bus, subjects, clock, pollMs: POLL_MS, leaseMs: LEASE_MS, keepMs: KEEP, log: silentLogger },
  });
  onTestFinished(() => janitor.stop());
  await clock.advance(50_000);
  expect(askedAt).toEqual(Array.from({ length: STEPS }, (_, step) => step * 2 * TOOK_MS));
  await clock.advance(20_000);
  expect(askedAt).toHaveLength(STEPS + 1);
});
