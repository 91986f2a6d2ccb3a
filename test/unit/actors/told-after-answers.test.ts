import { expect, onTestFinished, test } from 'vitest';
import { Persistence } from '../../../src/actors/persistence/persistence.ts';
import { storeClient } from '../../../src/actors/store-client.ts';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { systemRandom } from '../../../src/kernel/identity.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { newJob } from '../../conformance/store/store-driver.ts';

const subjects = new Subjects('jobs');
const WORKER = '0199aaaa-0000-7000-8000-000000000000';

/** A store's owner on a bus of this thread, with what is published and answered there in order. */
async function served() {
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  bus.attach(new MemoryBroker({ clock, random: () => 0.5 }).connect({ name: 'here', subjects, noEcho: true }));
  const store = openSqliteStore({ path: ':memory:', random: systemRandom });
  const times = { leaseMs: 30_000, beatMs: 5_000, pollMs: 1_000 };
  const persistence = new Persistence({ store, bus, subjects, clock, node: 'here', ...times, log });
  await persistence.start();
  onTestFinished(() => bus.close());
  const order: string[] = [];
  bus.subscribe('jobs.events.job.>', {}, ({ subject }) => void order.push(subject.slice(subject.lastIndexOf('.') + 1)));
  const client = storeClient(bus, subjects);
  const queues = [{ name: 'default', limit: 9, runs: true }];
  const record = { node: 'here', instance: 'i', version: '1', roles: [], startedAt: 0, seenAt: clock.now(), types: [] };
  const node = { ...record, queues, refused: { not_owner: 0, not_executing: 0, not_found: 0 } };
  await client.ask('registerNode', { now: clock.now(), deadBefore: 0, node });
  return { bus, client, order, persistence };
}

test('a claim and its insert are answered before their events are told', async () => {
  const { bus, client, order, persistence } = await served();
  const value = { worker: WORKER, node: 'here', waitMs: 10_000 };
  const claimed = ask(bus, subjects.work('default', 'claim'), { value, timeoutMs: 15_000 });
  const inserted = client.ask('insert', { jobs: [newJob()] });
  await Promise.all([claimed.then(() => order.push('claim')), inserted.then(() => order.push('insert'))]);
  expect(order.toSorted()).toEqual(['claim', 'insert']);
  await persistence.stop();
});

test('what has not been told yet is told before it stops', async () => {
  const { client, order, persistence } = await served();
  void client.ask('insert', { jobs: [newJob()] });
  await client.ask('insert', { jobs: [newJob()] });
  expect(order).toEqual([]);
  await persistence.stop();
  expect(order).toEqual(['inserted', 'inserted']);
});
