import { expect, test } from 'vitest';
import { newJob } from '../../src/job/job-request.ts';
import { uuidSource } from '../../src/kernel/identity.ts';
import type { StoreRequest } from '../../src/store/job-store.ts';
import { seededRandom, VirtualClock } from '../../src/testing/testing.ts';
import { CommitChecks } from './commit-checks.ts';
import { Handlers } from './handlers.ts';
import { Sightings } from './sightings.ts';
import { SimDatabase } from './sim-database.ts';
import { LEASE_MS } from './sim-node.ts';
import { Trace } from './trace.ts';

const WORKER = '0199aaaa-0000-7000-8000-000000000000';

/** A database with one job that a worker claimed, and what the checks complain about. */
async function claimed() {
  const clock = new VirtualClock(Date.UTC(2026, 0, 1));
  const trace = new Trace(() => clock.monotonicMs());
  const broken: string[] = [];
  const complain = (rule: string): void => void broken.push(rule);
  const database = new SimDatabase({
    ...{ clock, random: seededRandom(1), shared: false, mutation: undefined },
    onTakenOver: () => {},
  });
  const checks = new CommitChecks({
    ...{ database, trace, sightings: new Sightings(), handlers: new Handlers(trace, complain), complain },
    timeMs: () => clock.monotonicMs(),
    ...{ clocksDiffer: true, doubtMs: 0 },
  });
  database.listen(checks);
  database.open();
  const perform = (request: StoreRequest) => database.perform([request], 'n1.1');
  const now = clock.now();
  const job = newJob(
    { type: 'work' },
    { now, newId: uuidSource(clock, seededRandom(2)), queue: 'work', definition: undefined },
  );
  await perform({ verb: 'insert', jobs: [job] });
  await perform({ verb: 'claim', now, queue: 'work', worker: WORKER, node: 'n1', limit: 1 });
  const touch = (at: number) => perform({ verb: 'touch', now: at, workers: [{ worker: WORKER, node: 'n1' }] });
  const rescue = (at: number) => perform({ verb: 'rescue', now: at, deadBefore: at - LEASE_MS, limit: 10 });
  return { clock, now, touch, rescue, broken, reopen: () => database.open() };
}

test('a rescue from a worker that gave a sign less than a lease ago breaks a promise', async () => {
  const { clock, now, touch, rescue, broken, reopen } = await claimed();
  await clock.advance(9_000);
  await touch(now + 9_000);
  // What its owner had not written yet is forgotten.
  reopen();
  await clock.advance(LEASE_MS - 5_000);
  await rescue(now + LEASE_MS + 4_000);
  expect(broken).toEqual(['rescued from the dead only']);
});

test('a sign that only looks fresh, for the clock stepped back since, does not', async () => {
  const { clock, now, touch, rescue, broken, reopen } = await claimed();
  await clock.advance(9_000);
  await touch(now + 9_000);
  reopen();
  await clock.advance(LEASE_MS);
  await rescue(now + LEASE_MS + 4_000);
  expect(broken).toEqual([]);
});
