import { expect, test } from 'vitest';
import { Executor, type ExecutorWorld } from '../../../src/actors/executor/executor.ts';
import { silentLogger } from '../../../src/kernel/log.ts';
import { Body } from '../../../src/messaging/body.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seededRandom } from '../../../src/testing/testing.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const LEASE_MS = 30_000;
const BEAT_MS = 5_000;
/** Tries of which, with two stores, one in a thousand times none finds the other. */
const MANY = 9;

/** How often an executor beats in one lease. */
async function beatsOf(store: 'answers' | 'is silent' | 'is away'): Promise<number> {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const broker = new MemoryBroker({ clock, random: seededRandom(1) });
  let beats = 0;
  broker.connect({ name: 'store', subjects }).subscribe(subjects.work('q', 'beat'), {}, (message) => {
    beats += 1;
    if (store === 'answers') message.respond({ body: Body.of({ cancel: [], lost: [] }, 'msgpack') });
    if (store === 'is away') throw new Error('away');
  });
  const bus = broker.connect({ name: 'node', subjects });
  const nothing = { hosts: {}, services: {}, definitions: new Map(), enqueue: () => {} };
  const executor = new Executor({
    ...{ bus, subjects, clock, node: 'n', queue: 'q', worker: 'w', beatMs: BEAT_MS, graceMs: 0, log: silentLogger },
    // Nothing runs here.
    ...(nothing as unknown as Pick<ExecutorWorld, 'hosts' | 'services' | 'definitions' | 'enqueue'>),
  });
  await clock.advance(LEASE_MS);
  executor.kill();
  return beats;
}

test('beats at its interval while the store answers', async () => {
  const beats = await beatsOf('answers');
  expect(beats).toBeGreaterThanOrEqual(LEASE_MS / BEAT_MS - 1);
  expect(beats).toBeLessThanOrEqual(LEASE_MS / BEAT_MS);
});

test('beats that get no answer are repeated soon: one of several stores may have frozen, and the next beat finds another', async () => {
  expect(await beatsOf('is silent')).toBeGreaterThanOrEqual(MANY);
});

test('a store that refuses is not pressed', async () => {
  expect(await beatsOf('is away')).toBeLessThanOrEqual((2 * LEASE_MS) / BEAT_MS);
});
