import { followingClock, systemClock } from '../../src/kernel/clock.ts';
import { assert } from '../../src/kernel/error.ts';
import { systemRandom, uuidSource } from '../../src/kernel/identity.ts';
import type { StoreAnswer } from '../../src/store/job-store.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';

/** What an owner of the store is told: to claim so many jobs, `batch` at a time. */
export interface Go {
  batch: number;
  jobs: number;
}

/** What it has come to. */
export interface Claimed {
  jobs: number;
  tookMs: number;
}

/** A process that owns the store beside others, as a node's does, and claims as fast as it can when it is told to. */
const newId = uuidSource(systemClock);
const store = await openPostgresStore({
  ...{ url: process.argv[2] ?? '', random: systemRandom, clock: followingClock(systemClock), newId },
});
const worker = newId();

async function claim(queue: string, limit: number): Promise<number> {
  const request = { verb: 'claim', now: systemClock.now(), queue, worker, node: 'bench', limit } as const;
  const [reply] = await store.perform([request]);
  assert(reply?.ok, 'the claim is done');
  // The verb that was sent has this answer.
  return (reply.answer as StoreAnswer<'claim'>).length;
}

process.once('message', async ({ batch, jobs }: Go) => {
  const from = systemClock.monotonicMs();
  const claimed: Claimed = { jobs: 0, tookMs: 0 };
  for (let came = 1; came > 0 && claimed.jobs < jobs; claimed.jobs += came) came = await claim('default', batch);
  claimed.tookMs = systemClock.monotonicMs() - from;
  // What the server counted of a session is known once that has ended.
  await store.close();
  process.send?.(claimed, () => process.disconnect());
});
// Connected, and its statements prepared.
await claim('none', 1);
process.send?.('ready');
