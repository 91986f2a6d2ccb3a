import { expect, onTestFinished, test } from 'vitest';
import { HOLD_MS } from '../../../src/actors/persistence/insert-pace.ts';
import { Persistence } from '../../../src/actors/persistence/persistence.ts';
import { storeClient } from '../../../src/actors/store-client.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { seededRandom, VirtualClock } from '../../../src/testing/testing.ts';
import { newJob } from '../../conformance/store/store-driver.ts';

const subjects = new Subjects('jobs');
const WORKER = '0199aaaa-0000-7000-8000-000000000000';
const OTHER_WORKER = '0199aaaa-0000-7000-8000-000000000001';
const JOBS = 150;

/** A store's owner with one queue, whose line is known to be short as a worker just claimed of it. */
async function served() {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  bus.attach(new MemoryBroker({ clock, random }).connect({ name: 'here', subjects, noEcho: true }));
  onTestFinished(() => bus.close());
  const store = openSqliteStore({ path: ':memory:', random });
  const times = { leaseMs: 30_000, beatMs: 5_000, pollMs: 1_000 };
  const persistence = new Persistence({ store, bus, subjects, clock, node: 'here', ...times, log });
  await persistence.start();
  const client = storeClient(bus, subjects);
  const queues = [{ name: 'default', limit: 9, runs: true }];
  const record = { node: 'here', instance: 'i', version: '1', roles: [], startedAt: 0, seenAt: clock.now(), types: [] };
  const node = { ...record, queues, refused: { not_owner: 0, not_executing: 0, not_found: 0 } };
  await client.ask('registerNode', { now: clock.now(), deadBefore: 0, node });
  const claims = async (): Promise<void> => {
    const options = { queue: 'default', worker: WORKER, node: 'here', limit: 10, now: clock.now() };
    expect(await persistence.perform('claim', options)).toEqual([]);
  };
  let stored = 0;
  /** Inserts many. */
  const insert = async (): Promise<void> => {
    const times = { scheduledAt: clock.now(), insertedAt: clock.now() };
    const jobs = Array.from({ length: JOBS }, () => newJob(times));
    persistence.perform('insert', { jobs }).then((results) => {
      stored += results.length;
    });
    await clock.settle();
  };
  return { bus, client, clock, persistence, claims, insert, stored: () => stored };
}

test('an insert of many waits for claims of its queue, and goes with the first', async () => {
  const { bus, clock, persistence, claims, insert, stored } = await served();
  await claims();
  await insert();
  await clock.advance(HOLD_MS - 1);
  expect(stored()).toBe(0);
  const value = { worker: WORKER, node: 'here', limit: 9, waitMs: 10_000 };
  const claimed = await ask(bus, subjects.work('default', 'claim'), { value, timeoutMs: 15_000 });
  // Its answer comes before the group is durable, and that of the insert after it.
  await clock.settle();
  expect([claimed, stored()]).toMatchObject([{ jobs: { length: 9 } }, JOBS]);
  await persistence.stop();
});

test('it does not wait where a claim waits', async () => {
  const { bus, clock, persistence, claims, insert, stored } = await served();
  await claims();
  const value = { worker: WORKER, node: 'here', limit: 9, waitMs: 10_000 };
  const claimed = ask(bus, subjects.work('default', 'claim'), { value, timeoutMs: 15_000 });
  await clock.settle();
  await insert();
  expect([await claimed, stored()]).toMatchObject([{ jobs: { length: 9 } }, JOBS]);
  await persistence.stop();
});

test('it does not wait where the queue is paused', async () => {
  const { client, clock, persistence, claims, insert, stored } = await served();
  await client.ask('changeQueue', { queue: 'default', change: { paused: true }, now: clock.now() });
  await claims();
  await insert();
  expect(stored()).toBe(JOBS);
  await persistence.stop();
});

test('it does not wait where a limit keeps what is there from starting', async () => {
  const { bus, client, clock, persistence, claims, insert, stored } = await served();
  await client.ask('changeQueue', { queue: 'default', change: { globalLimit: 2 }, now: clock.now() });
  await claims();
  await insert();
  await clock.advance(HOLD_MS);
  for (let round = 1; round <= 3; round += 1) {
    const value = { worker: WORKER, node: 'here', limit: 9 };
    await ask(bus, subjects.work('default', 'claim'), { value, timeoutMs: 15_000 });
    await insert();
    expect(stored()).toBe(JOBS * (1 + round));
  }
  await persistence.stop();
});

test('what has no room in the answer of one who waits goes to the next who does', async () => {
  const { bus, clock, persistence } = await served();
  const claims = [WORKER, OTHER_WORKER].map((worker) => {
    const value = { worker, node: 'here', limit: 100, waitMs: 10_000 };
    return ask(bus, subjects.work('default', 'claim'), { value, timeoutMs: 15_000 }) as Promise<{ jobs: unknown[] }>;
  });
  await clock.settle();
  const args = { text: 'x'.repeat(6_000) };
  const times = { scheduledAt: clock.now(), insertedAt: clock.now() };
  // No more than a hundred, so that one of the two is thought to be enough.
  await persistence.perform('insert', { jobs: Array.from({ length: 100 }, () => newJob({ ...times, args })) });
  const [first, second] = await Promise.all(claims);
  expect(clock.monotonicMs()).toBeLessThan(1_000);
  expect(first?.jobs.length).toBeLessThan(100);
  expect(second?.jobs.length).toBeGreaterThan(0);
  await persistence.stop();
});

test('a stop writes what waits', async () => {
  const { clock, persistence, claims, insert, stored } = await served();
  await claims();
  await insert();
  expect(stored()).toBe(0);
  await persistence.stop();
  expect(stored()).toBe(JOBS);
  expect(clock.pending).toBe(0);
});
