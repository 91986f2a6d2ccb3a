import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NewJob } from '../../src/job/job.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { assert } from '../../src/kernel/error.ts';
import { systemRandom, uuidSource } from '../../src/kernel/identity.ts';
import type { JobStore, StoreAnswer, StoreOptions, StoreVerb } from '../../src/store/job-store.ts';
import type { QueueChange } from '../../src/store/queue-record.ts';
import { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';

/** What a measured step claims and settles. */
export interface Work {
  jobs: number;
  /** Jobs of one claim and of one settlement, each a transaction of its own. */
  batch: number;
  /** Types that are claimed; all when left out. */
  types?: readonly string[];
}

/** What the work took, in milliseconds. */
export interface WorkTime {
  claimMs: number;
  settleMs: number;
}

/** What of a job differs between fillings. */
export type FillPart = Pick<Partial<NewJob>, 'type' | 'args'>;

const [QUEUE, NODE, FILL_BATCH] = ['default', 'bench', 1_000];
const ARGS = { to: 'somebody@example.org', template: 'welcome', n: 1234 };

/** Processor time of this process instead of the wall clock, with `ROTA_BENCH_CPU=1`: for machines that do other things. */
function stopwatchMs(): number {
  if (process.env.ROTA_BENCH_CPU !== '1') return systemClock.monotonicMs();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** A SQLite store on a file of its own that holds a backlog, for timing what claims and settlements cost beside it. */
export class FilledStore {
  readonly #folder = mkdtempSync(join(tmpdir(), 'rota-backlog-'));
  readonly #store: JobStore;
  readonly #newId = uuidSource(systemClock);
  readonly #worker = this.#newId();

  constructor() {
    this.#store = openSqliteStore({ path: join(this.#folder, 'store.db'), random: systemRandom });
  }

  /** Says something of the queue. */
  async change(change: QueueChange): Promise<void> {
    await this.#do('changeQueue', { now: systemClock.now(), queue: QUEUE, change });
  }

  /** Inserts jobs that wait. */
  async insert(count: number, part: (at: number) => FillPart = () => ({})): Promise<void> {
    for (let done = 0; done < count; done += FILL_BATCH) {
      const length = Math.min(FILL_BATCH, count - done);
      await this.#insert(Array.from({ length }, (_, at) => part(done + at)));
    }
  }

  /** Makes completed rows. */
  async complete(count: number, part: (at: number) => FillPart = () => ({})): Promise<void> {
    for (let done = 0; done < count; done += FILL_BATCH) {
      await this.insert(FILL_BATCH, (at) => part(done + at));
      await this.#settle(await this.claim(FILL_BATCH));
      await this.#announce();
    }
  }

  claim(limit: number, types?: readonly string[]): Promise<StoreAnswer<'claim'>> {
    const some = types === undefined ? {} : { types };
    return this.#do('claim', {
      now: systemClock.now(),
      queue: QUEUE,
      worker: this.#worker,
      node: NODE,
      limit,
      ...some,
    });
  }

  /** Claims and settles so many jobs, timed, then puts as many of the same back. */
  async work({ jobs, batch, types }: Work): Promise<WorkTime> {
    const took: WorkTime = { claimMs: 0, settleMs: 0 };
    const taken: FillPart[] = [];
    while (taken.length < jobs) {
      const from = stopwatchMs();
      const claimed = await this.claim(batch, types);
      const between = stopwatchMs();
      await this.#settle(claimed);
      took.settleMs += stopwatchMs() - between;
      took.claimMs += between - from;
      taken.push(...claimed.map(({ type, args }) => ({ type, args })));
    }
    await this.#announce();
    await this.#insert(taken);
    return took;
  }

  async dispose(): Promise<void> {
    await this.#store.close();
    rmSync(this.#folder, { recursive: true });
  }

  async #insert(parts: readonly FillPart[]): Promise<void> {
    const now = systemClock.now();
    for (let from = 0; from < parts.length; from += FILL_BATCH) {
      const jobs = parts.slice(from, from + FILL_BATCH).map((part) => waitingJob(this.#newId(), now, part));
      await this.#do('insert', { jobs, brief: true });
    }
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

function waitingJob(id: string, now: number, part: FillPart): NewJob {
  return {
    ...{ id, type: 'bench.noop', queue: QUEUE, state: 'available', args: ARGS, priority: 5, maxAttempts: 20 },
    ...{ scheduledAt: now, insertedAt: now, tags: [], meta: {}, reference: null, schedule: null, backoff: null },
    ...{ timeoutMs: null, deadlineAt: null, traceparent: null },
    ...part,
  };
}
