import { FilledStore } from './filled-store.ts';

/** How much is in a store while claims and settlements are timed. */
export interface Backlog {
  name: string;
  /** Jobs that wait, kept at this number: what a round takes is put back before the next. */
  available: number;
  /** Completed rows beside them. */
  terminal: number;
}

/** The rate must not depend on what waits, nor on what has ended. */
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

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/**
 * Claim and settle rate through the store's port, by how much is in the store. All stores are filled first, and each
 * round goes over all of them, so that what else the machine does hits every one alike.
 * @returns a row per backlog, by its name
 */
export async function backlogRates(options: BacklogBenchOptions = {}): Promise<Record<string, BacklogRate>> {
  const { backlogs = BACKLOGS, rounds = 7, jobs = 5_000, batch = 100, say = () => {} } = options;
  const filled: Measured[] = [];
  try {
    for (const backlog of backlogs) {
      say(`filling: ${backlog.name}`);
      const store = new FilledStore();
      filled.push({ backlog, store, claimMs: [], settleMs: [], totalMs: [] });
      await store.complete(backlog.terminal);
      await store.insert(backlog.available);
    }
    // The first round warms caches and the compiler and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      say(`round ${round} of ${rounds}`);
      for (const { store, ...times } of filled) {
        const { claimMs, settleMs } = await store.work({ jobs, batch });
        if (round === 0) continue;
        times.claimMs.push(claimMs);
        times.settleMs.push(settleMs);
        times.totalMs.push(claimMs + settleMs);
      }
    }
    const [first] = filled;
    const rate = ({ totalMs }: Measured): number => (jobs / median(totalMs)) * 1_000;
    const row = (measured: Measured): BacklogRate => ({
      'jobs/s': Math.round(rate(measured)),
      'claim ms': Math.round(median(measured.claimMs)),
      'settle ms': Math.round(median(measured.settleMs)),
      'of the first': Number((rate(measured) / (first === undefined ? 1 : rate(first))).toFixed(2)),
    });
    return Object.fromEntries(filled.map((measured) => [measured.backlog.name, row(measured)]));
  } finally {
    for (const { store } of filled) await store.dispose();
  }
}

/** A store with what its rounds took. */
interface Measured {
  backlog: Backlog;
  store: FilledStore;
  claimMs: number[];
  settleMs: number[];
  totalMs: number[];
}
