import { expect, onTestFinished, test } from 'vitest';
import { Persistence } from '../../../src/actors/persistence/persistence.ts';
import { storeClient } from '../../../src/actors/store-client.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import type { Bus } from '../../../src/messaging/bus.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { seededRandom, VirtualClock } from '../../../src/testing/testing.ts';
import { newJob } from '../../conformance/store/store-driver.ts';

const subjects = new Subjects('jobs');
const WORKER = '0199aaaa-0000-7000-8000-000000000000';

/** A store's owner whose disk syncs when it is told to, a bus of its own process and one of another. */
async function served() {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const broker = new MemoryBroker({ clock, random });
  const here = new LocalRoute({ route: 'local', clock, subjects });
  here.attach(broker.connect({ name: 'here', subjects, noEcho: true }));
  const there = broker.connect({ name: 'there', subjects });
  onTestFinished(() => here.close());
  const opened = openSqliteStore({ path: ':memory:', random });
  let disk: Promise<void> | undefined;
  const store: JobStore = {
    capabilities: opened.capabilities,
    perform: async (requests, onBegun) => {
      const replies = await opened.perform(requests, onBegun);
      await disk;
      return replies;
    },
    close: () => opened.close(),
  };
  const times = { leaseMs: 30_000, beatMs: 5_000, pollMs: 1_000 };
  const persistence = new Persistence({ store, bus: here, subjects, clock, node: 'here', ...times, log });
  await persistence.start();
  onTestFinished(() => persistence.kill());
  const queues = [{ name: 'default', limit: 9, runs: true }];
  const record = { node: 'here', instance: 'i', version: '1', roles: [], startedAt: 0, seenAt: clock.now(), types: [] };
  const node = { ...record, queues, refused: { not_owner: 0, not_executing: 0, not_found: 0 } };
  await storeClient(here, subjects).ask('registerNode', { now: clock.now(), deadBefore: 0, node });
  const said: string[] = [];
  /** From now on nothing becomes durable until the answer is called. */
  const busy = (): PromiseWithResolvers<void> => {
    const sync = Promise.withResolvers<void>();
    disk = sync.promise;
    return sync;
  };
  const claim = async (bus: Bus): Promise<void> => {
    const value = { worker: WORKER, node: 'here', limit: 9, waitMs: 10_000 };
    const claiming = ask(bus, subjects.work('default', 'claim'), { value, timeoutMs: 15_000 });
    claiming.then(
      (answer) => said.push(`claimed ${(answer as { jobs: unknown[] }).jobs.length}`),
      (error: unknown) => said.push(`not claimed: ${String(error)}`),
    );
    await clock.settle();
  };
  const insert = async (): Promise<void> => {
    const job = newJob({ scheduledAt: clock.now(), insertedAt: clock.now() });
    persistence.perform('insert', { jobs: [job] }).then(
      () => said.push('stored'),
      () => said.push('perhaps not stored'),
    );
    await clock.settle();
  };
  const events: string[] = [];
  there.subscribe(subjects.events(), {}, ({ subject }) => void events.push(subject));
  return { clock, here, there, said, events, busy, claim, insert };
}

test('a job begins here before it is durable; until then nobody else hears of it', async () => {
  const { clock, here, said, events, busy, claim, insert } = await served();
  await claim(here);
  const sync = busy();
  await insert();
  await clock.advance(100);
  expect([said, events]).toEqual([['claimed 1'], []]);
  sync.resolve();
  await clock.advance(100);
  expect(said).toEqual(['claimed 1', 'stored']);
  expect(events).toEqual(['jobs.events.job.default.inserted', 'jobs.events.job.default.started']);
});

test('a worker elsewhere, which may outlive the disk’s last write, gets it when it is durable', async () => {
  const { clock, there, said, busy, claim, insert } = await served();
  await claim(there);
  const sync = busy();
  await insert();
  await clock.advance(100);
  expect(said).toEqual([]);
  sync.resolve();
  await clock.advance(100);
  expect(said.toSorted()).toEqual(['claimed 1', 'stored']);
});

test('a job that began goes on where nobody knows whether it is durable, and its requester is told so', async () => {
  const { clock, here, said, busy, claim, insert } = await served();
  await claim(here);
  const sync = busy();
  await insert();
  sync.reject(new RotaError('unavailable', 'not synced'));
  await clock.advance(100);
  expect(said).toEqual(['claimed 1', 'perhaps not stored']);
});
