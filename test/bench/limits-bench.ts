import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/kernel/clock.ts';
import { assert } from '../../src/kernel/error.ts';
import { systemRandom } from '../../src/kernel/identity.ts';
import type { JobStore, StoreAnswer, StoreRequest } from '../../src/store/job-store.ts';
import type { QueueChange } from '../../src/store/queue-record.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { newJob } from '../conformance/store/store-driver.ts';
import { limitBacklogRates } from './limits-backlog-bench.ts';

/** What limits cost: claim and complete jobs of a queue at the store's port, in batches, with each limit and without. */
interface Case {
  name: string;
  change: QueueChange;
  /** How many partitions the jobs belong to. */
  keys: number;
  batch: number;
}

const JOBS = Number(process.env.ROTA_BENCH_JOBS ?? 20_000);
const ROUNDS = Number(process.env.ROTA_BENCH_ROUNDS ?? 5);
const LARGE = 1_000_000;

const partition = (limit: number): QueueChange => ({ partition: { by: 'args.tenant', limit } });

/** Ratios are told against the first case of the same batch. */
const CASES: readonly Case[] = [200, 10].flatMap((batch) => [
  { name: 'without', change: {}, keys: 100, batch },
  { name: 'global limit', change: { globalLimit: batch }, keys: 100, batch },
  { name: 'rate', change: { rate: { limit: LARGE, periodMs: 1_000 } }, keys: 100, batch },
  { name: 'partition, 100 keys, ample', change: partition(LARGE), keys: 100, batch },
  { name: 'partition, 100 keys, limit 5', change: partition(5), keys: 100, batch },
  { name: 'partition, 10000 keys, limit 1', change: partition(1), keys: 10_000, batch },
  {
    name: 'all three',
    change: { ...partition(5), globalLimit: batch, rate: { limit: LARGE, periodMs: 1_000 } },
    keys: 100,
    batch,
  },
]);

async function ask<T>(store: JobStore, request: StoreRequest): Promise<T> {
  const [reply] = await store.perform([request]);
  assert(reply?.ok, `${request.verb} is done`);
  // The verb that was sent has this answer.
  return reply.answer as T;
}

/** Jobs per second of claiming and completing a backlog. */
async function rateOf({ change, keys, batch }: Case): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'rota-limits-'));
  const store = openSqliteStore({ path: join(folder, 'store.db'), random: systemRandom });
  const [queue, worker] = ['default', 'bench'];
  await ask(store, { verb: 'changeQueue', now: systemClock.now(), queue, change });
  for (let from = 0; from < JOBS; from += 500) {
    const jobs = Array.from({ length: 500 }, (_, index) =>
      newJob({ args: { tenant: `tenant-${(from + index) % keys}` } }),
    );
    await ask(store, { verb: 'insert', jobs });
  }
  const begun = systemClock.monotonicMs();
  for (let done = 0; done < JOBS; ) {
    const now = systemClock.now();
    const claim = { verb: 'claim', now, queue, worker, node: 'bench', limit: batch } as const;
    const jobs = await ask<StoreAnswer<'claim'>>(store, claim);
    assert(jobs.length > 0, 'there is a job to claim');
    const outcomes = jobs.map(
      ({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete', result: null }) as const,
    );
    done += (await ask<StoreAnswer<'settle'>>(store, { verb: 'settle', now, worker, outcomes })).settled.length;
  }
  const perSecond = (JOBS / (systemClock.monotonicMs() - begun)) * 1_000;
  await store.close();
  rmSync(folder, { recursive: true });
  return perSecond;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const rates = CASES.map((): number[] => []);
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [index, one] of CASES.entries()) rates[index]?.push(await rateOf(one));
}
console.log(`${JOBS} jobs, ${ROUNDS} rounds, SQLite WAL, each commit synced, medians of claim and complete\n`);
console.table(
  CASES.map(({ name, batch }, index) => {
    const perSecond = median(rates[index] ?? []);
    const without = median(rates[CASES.findIndex((other) => other.batch === batch)] ?? []);
    return {
      batch,
      limit: name,
      'jobs/s': Math.round(perSecond),
      'of without': Number((perSecond / without).toFixed(2)),
    };
  }),
);

console.log('\nThe same by what is in the store (wanted: within 20 % of the first backlog, at least 0.7 of no limit):');
console.table(await limitBacklogRates({ say: console.log }));
