import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewJob } from '../../src/job/job.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { assert } from '../../src/kernel/error.ts';
import { systemRandom, uuidSource } from '../../src/kernel/identity.ts';
import type { JobStore, StoreAnswer, StoreOptions, StoreVerb } from '../../src/store/job-store.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';

/** How much is in a store while claims and settlements are timed. */
export interface Backlog {
  name: string;
  /** Jobs that wait, kept at this number: what a round takes is put back before the next. */
  available: number;
  /** Completed rows beside them. */
  terminal: number;
}

/** What the issue asks for: the rate must not depend on what waits, nor on what has ended. */
export const BACKLOGS: readonly Backlog[] = [
  { name: '10 thousand waiting', available: 10_000, terminal: 0 },
  { name: '100 thousand waiting', available: 100_000, terminal: 0 },
  { name: '1 million waiting', available: 1_000_000, terminal: 0 },
  { name: '10 thousand waiting, 1 million ended', available: 10_000, terminal: 1_000_000 },
];

/** What claims and settlements did at one backlog: medians over the rounds, the ratio to the first one's. */
export interface BacklogRate {
  'jobs/s': number;
  'claim ms': number;
  'settle ms': number;
  'of the first': number;
}

export interface BacklogBenchOptions {
  /** The first is what the others are compared with. */
  backlogs?: readonly Backlog[];
  rounds?: number;
  /** Jobs that a round claims and settles. */
  jobs?: number;
  /** Jobs of one claim and of one settlement, each a transaction of its own. */
  batch?: number;
  /** Told what is being done, for filling takes minutes. */
  say?: (line: string) => void;
}

const [QUEUE, NODE, FILL_BATCH] = ['default', 'bench', 1_000];
const ARGS = { to: 'somebody@example.org', template: 'welcome', n: 1234 };

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/**
 * Claim and settle rate through the store's port, by how much is in the store. All stores are filled first, and each
 * round goes over all of them, so that what else the machine does hits every one alike.
 * @returns a row per backlog, by its name
 */
export async function backlogRates(options: BacklogBenchOptions = {}): Promise<Record<string, BacklogRate>> {
  const { backlogs = BACKLOGS, rounds = 7, jobs = 5_000, batch = 100, say = () => {} } = options;
  const filled: FilledStore[] = [];
  try {
    for (const backlog of backlogs) {
      say(`filling: ${backlog.name}`);
      filled.push(await FilledStore.make(backlog));
    }
    // The first round warms caches and the compiler and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      say(`round ${round} of ${rounds}`);
      for (const store of filled) await store.round({ jobs, batch, counts: round > 0 });
    }
    const [first] = filled;
    const rate = (store: FilledStore): number => (jobs / median(store.totalMs)) * 1_000;
    const row = (store: FilledStore): BacklogRate => ({
      'jobs/s': Math.round(rate(store)),
      'claim ms': Math.round(median(store.claimMs)),
      'settle ms': Math.round(median(store.settleMs)),
      'of the first': Number((rate(store) / (first === undefined ? 1 : rate(first))).toFixed(2)),
    });
    return Object.fromEntries(filled.map((store) => [store.backlog.name, row(store)]));
  } finally {
    for (const store of filled) await store.dispose();
  }
}

/** A store on a file of its own that holds a backlog. */
class FilledStore {
  readonly backlog: Backlog;
  readonly claimMs: number[] = [];
  readonly settleMs: number[] = [];
  readonly totalMs: number[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), 'rota-backlog-'));
  readonly #store: JobStore;
  readonly #newId = uuidSource(systemClock);
  readonly #worker = this.#newId();

  static async make(backlog: Backlog): Promise<FilledStore> {
    const filled = new FilledStore(backlog);
    for (let done = 0; done < backlog.terminal; done += FILL_BATCH) {
      await filled.#insert(FILL_BATCH);
      await filled.#settle(await filled.#claim(FILL_BATCH));
      await filled.#announce();
    }
    for (let done = 0; done < backlog.available; done += FILL_BATCH) await filled.#insert(FILL_BATCH);
    return filled;
  }

  private constructor(backlog: Backlog) {
    this.backlog = backlog;
    this.#store = openSqliteStore({ path: join(this.#folder, 'store.db'), random: systemRandom });
  }

  /** Claims and settles so many jobs, timed, then puts as many back. */
  async round({ jobs, batch, counts }: { jobs: number; batch: number; counts: boolean }): Promise<void> {
    let [claimMs, settleMs] = [0, 0];
    for (let done = 0; done < jobs; done += batch) {
      const from = systemClock.monotonicMs();
      const claimed = await this.#claim(batch);
      const between = systemClock.monotonicMs();
      await this.#settle(claimed);
      settleMs += systemClock.monotonicMs() - between;
      claimMs += between - from;
    }
    if (counts) {
      this.claimMs.push(claimMs);
      this.settleMs.push(settleMs);
      this.totalMs.push(claimMs + settleMs);
    }
    await this.#announce();
    for (let done = 0; done < jobs; done += FILL_BATCH) await this.#insert(Math.min(FILL_BATCH, jobs - done));
  }

  async dispose(): Promise<void> {
    await this.#store.close();
    rmSync(this.#folder, { recursive: true });
  }

  async #insert(count: number): Promise<void> {
    const now = systemClock.now();
    const jobs = Array.from({ length: count }, () => waitingJob(this.#newId(), now));
    await this.#do('insert', { jobs, brief: true });
  }

  #claim(limit: number): Promise<StoreAnswer<'claim'>> {
    return this.#do('claim', { now: systemClock.now(), queue: QUEUE, worker: this.#worker, node: NODE, limit });
  }

  async #settle(claimed: StoreAnswer<'claim'>): Promise<void> {
    const outcomes = claimed.map(
      ({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete', result: null }) as const,
    );
    const { settled } = await this.#do('settle', { now: systemClock.now(), worker: this.#worker, outcomes });
    assert(claimed.length > 0 && settled.length === claimed.length, 'what was claimed is settled');
  }

  /** As the announcer does once a flush has returned: the outbox stays small. */
  async #announce(): Promise<void> {
    await this.#do('announced', { places: [{ from: 0, to: Number.MAX_SAFE_INTEGER }] });
  }

  async #do<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>> {
    // A verb with its options is one of the requests, and its answer has the verb's shape: the port says so.
    const request = { verb, ...options } as unknown as Parameters<JobStore['perform']>[0][number];
    const [reply] = await this.#store.perform([request]);
    assert(reply?.ok, `the ${verb} is done`);
    return reply.answer as StoreAnswer<V>;
  }
}

function waitingJob(id: string, now: number): NewJob {
  return {
    ...{ id, type: 'bench.noop', queue: QUEUE, state: 'available', args: ARGS, priority: 5, maxAttempts: 20 },
    ...{ scheduledAt: now, insertedAt: now, tags: [], meta: {}, reference: null, schedule: null, backoff: null },
    ...{ timeoutMs: null, deadlineAt: null, traceparent: null },
  };
}
