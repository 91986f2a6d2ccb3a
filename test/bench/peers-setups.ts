import type { Setup } from './peers-contender.ts';

/** Where the servers are that setups need. */
export interface Places {
  /** A new, empty database. */
  database: () => Promise<string>;
  redisPort: number;
}

/** A system and the ways to run it that are tried; the fastest is measured. */
export interface Entrant {
  name: string;
  /** What an acknowledged job survives, and what is kept of an ended one. */
  durability: string;
  setups: Setup[];
  /** What it needs may not be there: then it is told so and left out. */
  mayRefuse?: boolean;
}

const POSTGRES_DURABILITY = 'each commit synced (fsync on, synchronous_commit on)';

/**
 * graphile-worker as its own performance page sets it up: local queue, completions in batches without a delay, 24 jobs
 * at once. Larger local queues and bulk adds in several calls are tried, because they were up to 1.4 times as fast here;
 * 10 or 100 jobs at once, more calls at a time, and a producer in another process were not faster than these.
 */
export async function graphile({ database }: Places): Promise<Entrant> {
  const tried = [
    { localQueue: 500, chunk: 20_000 },
    { localQueue: 1_000, chunk: 5_000 },
    { localQueue: 2_000, chunk: 5_000 },
  ];
  const setups = tried.map(async (one) => ({
    label: `localQueue ${one.localQueue}, addJobs of ${one.chunk}, 24 at once, completeJobBatchDelay 0, failJobBatchDelay 0`,
    program: 'peers/graphile.js',
    settings: { ...one, url: await database(), concurrency: 24, pool: 25, streams: 1 },
  }));
  return {
    name: 'graphile-worker',
    durability: `${POSTGRES_DURABILITY}; completed jobs are deleted`,
    setups: await Promise.all(setups),
  };
}

/**
 * BullMQ: concurrency of one worker, several workers, a producer in another process, and automatic pipelining. With
 * `always` only the first is run: it was ahead of the others by 1.06, 2.5 and 3.9 there, and they take minutes.
 */
export function bullmq({ redisPort: port }: Places, appendfsync: 'everysec' | 'always'): Entrant {
  const tried = [
    { concurrency: 100, workers: 1, chunk: 1_000, pipelined: false, apart: false },
    { concurrency: 500, workers: 1, chunk: 1_000, pipelined: true, apart: false },
    { concurrency: 50, workers: 4, chunk: 5_000, pipelined: false, apart: false },
    { concurrency: 100, workers: 1, chunk: 1_000, pipelined: false, apart: true },
  ];
  const setups = (appendfsync === 'always' ? tried.slice(0, 1) : tried).map(({ apart, ...one }) => {
    const settings = { ...one, port, streams: 1 };
    const place = apart ? 'producer apart' : 'producer in the same process';
    const pipelined = one.pipelined ? ', enableAutoPipelining' : '';
    return {
      label: `workers ${one.workers} x concurrency ${one.concurrency}, addBulk of ${one.chunk}${pipelined}, ${place}`,
      program: 'peers/bullmq.js',
      settings,
      ...(apart ? { producer: settings } : {}),
    };
  });
  const loses = appendfsync === 'everysec' ? 'the last second is lost with the power' : 'each write synced';
  return {
    name: `BullMQ, appendfsync ${appendfsync}`,
    durability: `append-only file, appendfsync ${appendfsync}: ${loses}; completed jobs are kept`,
    setups,
  };
}

/** pg-boss: jobs of one fetch, workers, a table for the queue; always LISTEN/NOTIFY and fetches without a pause. */
export async function pgBoss({ database }: Places): Promise<Entrant> {
  const tried = [
    { batch: 500, workers: 1, chunk: 1_000, partition: false },
    { batch: 1_000, workers: 1, chunk: 5_000, partition: false },
    { batch: 500, workers: 2, chunk: 1_000, partition: true },
  ];
  const setups = tried.map(async (one) => ({
    label: `batchSize ${one.batch}, localConcurrency ${one.workers}, insert of ${one.chunk}${one.partition ? ', partition' : ''}, notify, burstWhenBatchFull`,
    program: 'peers/pg-boss.js',
    settings: { ...one, url: await database(), pool: 10, streams: 1 },
  }));
  return {
    name: 'pg-boss',
    durability: `${POSTGRES_DURABILITY}; completed jobs are kept`,
    setups: await Promise.all(setups),
  };
}

/** Where a Rota of the bench lives. */
export interface RotaPlace {
  port: number;
  data: string;
  /** The store setting; none is SQLite. */
  store?: string;
}

/** Rota as `embedded`, the producer in the node's process, or as `apart`: a client over NATS that hears of every end. */
export function rota(how: 'embedded' | 'apart', { port, data, store }: RotaPlace): Entrant {
  const on = store === undefined ? 'SQLite' : 'PostgreSQL';
  const settings = { port, data, limit: 1_000, ...(store === undefined ? {} : { store }) };
  const synced = store === undefined ? 'each commit synced (WAL, synchronous FULL)' : POSTGRES_DURABILITY;
  const place =
    how === 'embedded'
      ? 'the producer in the process of the node'
      : 'the producer another process, over NATS, which receives every completed event before the clock stops';
  return {
    name: `Rota on ${on}, ${how}`,
    durability: `${synced}; completed jobs are kept, each end is announced over NATS`,
    mayRefuse: store !== undefined,
    setups: [
      {
        label: `queue limit 1000, enqueueBatch of 1000 in 4 streams, nats-server embedded, ${place}`,
        program: 'peers-rota.ts',
        settings: { ...settings, role: how === 'embedded' ? 'embedded' : 'node' },
        ...(how === 'apart' ? { producer: { ...settings, role: 'client' } } : {}),
      },
    ],
  };
}
