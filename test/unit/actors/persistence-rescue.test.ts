import { expect, onTestFinished, test } from 'vitest';
import { Persistence } from '../../../src/actors/persistence/persistence.ts';
import { storeClient } from '../../../src/actors/store-client.ts';
import { newJob } from '../../../src/job/job-request.ts';
import { uuidSource } from '../../../src/kernel/identity.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import { openDatabase } from '../../../src/store/sqlite/database.ts';
import { sqliteStoreOver } from '../../../src/store/sqlite/sqlite-store.ts';
import { seededRandom, VirtualClock } from '../../../src/testing/testing.ts';

const LEASE_MS = 30_000;
const WORKER = '0199aaaa-0000-7000-8000-000000000000';

/** A store that only one owner has, and what a janitor in another process asks it. */
function world() {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const db = openDatabase({ path: ':memory:' });
  onTestFinished(() => db.close());
  const store = storeClient(bus, subjects);
  const rescue = async (): Promise<number> =>
    (await store.ask('rescue', { now: clock.now(), deadBefore: clock.now() - LEASE_MS, limit: 10 })).rescued;
  const owner = async (): Promise<Persistence> => {
    const opened = sqliteStoreOver(db, { random: seededRandom(1) });
    // A process that is killed closes nothing, and so writes nothing at the end.
    const killed: JobStore = {
      capabilities: opened.capabilities,
      perform: (requests) => opened.perform(requests),
      close: async () => {},
    };
    const times = { leaseMs: LEASE_MS, beatMs: 5_000, pollMs: 1_000 };
    const persistence = new Persistence({ store: killed, bus, subjects, clock, node: 'here', ...times, log });
    await persistence.start();
    return persistence;
  };
  const beat = (): Promise<unknown> =>
    store.ask('touch', { now: clock.now(), workers: [{ worker: WORKER, node: 'there' }] });
  const claim = async (): Promise<void> => {
    const jobs = [
      newJob({ type: 't' }, { now: clock.now(), newId: uuidSource(clock), queue: 'q', definition: undefined }),
    ];
    await store.ask('insert', { jobs });
    await store.ask('claim', { now: clock.now(), queue: 'q', worker: WORKER, node: 'there', limit: 1 });
  };
  return { clock, owner, rescue, claim, beat };
}

test('signs of life that died with the only owner of a store, before they were written, cost nobody a job', async () => {
  const { clock, owner, rescue, claim, beat } = world();
  const first = await owner();
  await claim();
  await clock.advance(9_000);
  // Too soon after the one before to be written, and the owner dies: another one is there soon.
  await beat();
  first.kill();
  await clock.advance(5_000);
  await owner();
  await clock.advance(LEASE_MS - 13_000);
  expect(await rescue(), 'the worker gave a sign less than a lease ago').toBe(0);
  await clock.advance(13_000);
  expect(await rescue(), 'it has had a lease to give another one').toBe(1);
});
