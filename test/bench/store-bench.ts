import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewJob } from '../../src/job/job.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { assert } from '../../src/kernel/error.ts';
import { systemRandom, uuidSource } from '../../src/kernel/identity.ts';
import type { JobStore, StoreAnswer, StoreRequest } from '../../src/store/job-store.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
import { type RawRate, STORE_WORK } from './raw-sqlite.ts';

/** Which steps took how long, in milliseconds. */
export interface StoreRate extends RawRate {
  insertMs: number;
  claimMs: number;
  settleMs: number;
}

/** The work of `rawSqliteRate` through a store's port: insert, claim and complete in batches, one group each. */
export async function storeRate(store: JobStore, work = STORE_WORK): Promise<StoreRate> {
  const newId = uuidSource(systemClock);
  const [worker, node, queue] = [newId(), 'bench', 'default'];
  const tookMs = { insert: 0, claim: 0, settle: 0 };
  const timed = async <T>(step: keyof typeof tookMs, request: StoreRequest): Promise<T> => {
    const from = systemClock.monotonicMs();
    const [reply] = await store.perform([request]);
    tookMs[step] += systemClock.monotonicMs() - from;
    assert(reply?.ok, `the ${step} is done`);
    // The verb that was sent has this answer.
    return reply.answer as T;
  };
  for (let done = 0; done < work.jobs; done += work.batch) {
    const jobs = Array.from({ length: work.batch }, () => benchJob(newId(), work.args));
    await timed('insert', { verb: 'insert', jobs });
  }
  for (let done = 0; done < work.jobs; ) {
    const now = systemClock.now();
    const claim = { verb: 'claim', now, queue, worker, node, limit: work.batch } as const;
    const claimed = await timed<StoreAnswer<'claim'>>('claim', claim);
    assert(claimed.length > 0, 'there is a job to claim');
    const outcomes = claimed.map(
      ({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete', result: null }) as const,
    );
    const { settled } = await timed<StoreAnswer<'settle'>>('settle', { verb: 'settle', now, worker, outcomes });
    done += settled.length;
  }
  const total = tookMs.insert + tookMs.claim + tookMs.settle;
  const { insert: insertMs, claim: claimMs, settle: settleMs } = tookMs;
  return { jobs: work.jobs, jobsPerSecond: (work.jobs / total) * 1_000, insertMs, claimMs, settleMs };
}

/** {@link storeRate} on a fresh SQLite file. */
export async function sqliteStoreRate(work = STORE_WORK): Promise<StoreRate> {
  const folder = mkdtempSync(join(tmpdir(), 'rota-store-'));
  const store = openSqliteStore({ path: join(folder, 'store.db'), random: systemRandom });
  try {
    return await storeRate(store, work);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}

function benchJob(id: string, args: NewJob['args']): NewJob {
  const now = systemClock.now();
  return {
    id,
    type: 'bench.noop',
    queue: 'default',
    state: 'available',
    args,
    priority: 5,
    maxAttempts: 20,
    scheduledAt: now,
    insertedAt: now,
    tags: [],
    meta: {},
    reference: null,
    schedule: null,
    backoff: null,
    timeoutMs: null,
    deadlineAt: null,
    traceparent: null,
  };
}
