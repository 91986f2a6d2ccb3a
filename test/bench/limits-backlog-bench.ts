import { systemClock } from '../../src/kernel/clock.ts';
import type { QueueChange } from '../../src/store/queue-record.ts';
import { FilledStore, type FillPart } from './filled-store.ts';

/** One thing that is measured in a store: what is said of the queue, and which types are claimed. */
interface Measure {
  name: string;
  change?: QueueChange;
  types?: readonly string[];
  /** The row of the same limit that it is compared with; left out: the first. */
  of?: string;
}

/** How a store is filled, and what is measured in it. */
interface Filling {
  name: string;
  fill(store: FilledStore, say: (line: string) => void): Promise<void>;
  measures: readonly Measure[];
}

/** What claims and settlements did: medians over the rounds. */
export interface LimitBacklogRate {
  'jobs/s': number;
  /** The ratio to the same limit at the smallest backlog. */
  'of 10 thousand': number;
  /** The ratio to no limit in a store of the same size. */
  'of no limit': number;
}

/** How the bench is run. */
export interface LimitBacklogOptions {
  /** The largest backlog, and how many ended rows; default a million. */
  large?: number;
  rounds?: number;
  /** Jobs that a round claims and settles at each measure. */
  jobs?: number;
  batch?: number;
  say?: (line: string) => void;
}

const AMPLE = 1_000_000;
const SMALL = 10_000;
/** What one hot partition may run, and does while others are measured. */
const HOT_LIMIT = 5;

const tenant = (name: string): FillPart => ({ args: { tenant: name } });
const ofTenants = (keys: number) => (at: number) => tenant(`tenant-${at % keys}`);
const partition = (limit: number): QueueChange => ({ partition: { by: 'args.tenant', limit } });
const LIFTED: QueueChange = { globalLimit: null, rate: null };
const RATE: QueueChange = { rate: { limit: AMPLE, periodMs: 1_000 }, globalLimit: null };

/** Stores of some size: one that is claimed from in order, with and without limits, and one with partitions. */
function sized(name: string, size: { waiting: number; ended: number; batch: number }): Filling[] {
  const { waiting, ended, batch } = size;
  const fill = async (store: FilledStore): Promise<void> => {
    await store.complete(ended, ofTenants(100));
    await store.insert(waiting, ofTenants(100));
  };
  const inOrder: readonly Measure[] = [
    { name: 'none', change: LIFTED },
    { name: 'none, types named', change: LIFTED, types: ['bench.noop', 'bench.other'] },
    { name: 'global', change: { rate: null, globalLimit: batch } },
    { name: 'rate', change: RATE },
  ];
  const withPartitions = async (store: FilledStore): Promise<void> => {
    await store.change(partition(AMPLE));
    await fill(store);
  };
  return [
    { name, fill, measures: inOrder },
    { name, fill: withPartitions, measures: [{ name: 'partition', change: partition(5) }] },
  ];
}

/** Queues where most of what waits is of no use to the claim. */
function lopsided(large: number, batch: number): Filling[] {
  const hot = async (store: FilledStore): Promise<void> => {
    await store.change(partition(HOT_LIMIT));
    await store.insert(large, () => tenant('hot'));
    await store.claim(batch);
    await store.insert(SMALL, ofTenants(100));
  };
  const many = async (store: FilledStore): Promise<void> => {
    await store.change(partition(1));
    await store.insert(large, ofTenants(large / 10));
  };
  const theirs = async (store: FilledStore, say: (line: string) => void): Promise<void> => {
    await store.insert(large, () => ({ type: 'theirs' }));
    const steps: number[] = [];
    for (let left = large; left > 0; left -= 10_000) {
      const from = systemClock.monotonicMs();
      await store.claim(batch, ['mine']);
      steps.push(Math.round(systemClock.monotonicMs() - from));
    }
    say(`${steps.length} claims set ${large} jobs aside: first ${steps[0]} ms, longest ${Math.max(...steps)} ms`);
    await store.insert(SMALL, () => ({ type: 'mine' }));
  };
  return [
    { name: 'a full partition has most', fill: hot, measures: [{ name: 'partition' }] },
    { name: `${large / 10} partitions`, fill: many, measures: [{ name: 'partition' }] },
    {
      name: 'most is of other types',
      fill: theirs,
      measures: [{ name: 'none, one type', types: ['mine'], of: 'none' }],
    },
  ];
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/**
 * Claim and settle rate through the store's port with limits on, by what is in the store. All stores are filled first and
 * every round goes over all of them, so that what else the machine does hits each alike.
 * @returns a row per backlog and limit
 */
export async function limitBacklogRates(options: LimitBacklogOptions = {}): Promise<Record<string, LimitBacklogRate>> {
  const { large = Number(process.env.ROTA_BENCH_LARGE ?? 1_000_000), rounds = 5, jobs = 2_000 } = options;
  const { batch = 100, say = () => {} } = options;
  const fillings = [
    ...sized('10 thousand', { waiting: SMALL, ended: 0, batch }),
    ...sized('100 thousand', { waiting: Math.max(SMALL, large / 10), ended: 0, batch }),
    ...sized('1 million', { waiting: large, ended: 0, batch }),
    ...sized('10 thousand, 1 million ended', { waiting: SMALL, ended: large, batch }),
    ...lopsided(large, batch),
  ];
  const rows: { filling: string; measure: Measure; store: FilledStore; totalMs: number[] }[] = [];
  const stores: FilledStore[] = [];
  try {
    for (const { name, fill, measures } of fillings) {
      say(`filling: ${name}, ${measures.map((measure) => measure.name).join(' and ')}`);
      const store = new FilledStore();
      stores.push(store);
      await fill(store, say);
      rows.push(...measures.map((measure) => ({ filling: name, measure, store, totalMs: [] })));
    }
    // The first round warms caches and the compiler and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      for (const { measure, store, totalMs } of rows) {
        if (measure.change !== undefined) await store.change(measure.change);
        const { types } = measure;
        const { claimMs, settleMs } = await store.work({ jobs, batch, ...(types === undefined ? {} : { types }) });
        if (round > 0) totalMs.push(claimMs + settleMs);
      }
    }
  } finally {
    for (const store of stores) await store.dispose();
  }
  const rateOf = (fits: (row: (typeof rows)[number]) => boolean): number =>
    (jobs / median(rows.find(fits)?.totalMs ?? [])) * 1_000;
  const table = rows.map((row): [string, LimitBacklogRate] => {
    const { filling, measure } = row;
    const rate = rateOf((other) => other === row);
    const first = rateOf((other) => other.measure.name === (measure.of ?? measure.name));
    const sameSize = rows.some((other) => other.filling === filling && other.measure.name === 'none');
    const free = rateOf((other) => other.measure.name === 'none' && (!sameSize || other.filling === filling));
    const ratio = (to: number): number => Number((rate / to).toFixed(2));
    return [
      `${filling}: ${measure.name}`,
      { 'jobs/s': Math.round(rate), 'of 10 thousand': ratio(first), 'of no limit': ratio(free) },
    ];
  });
  return Object.fromEntries(table);
}
