import type { Setup } from './peers-contender.ts';

/** Where the servers are that setups need. */
export interface Places {
  /** A new, empty database. */
  database: () => Promise<string>;
  redisPort: number;
  /** Process numbers of the servers. */
  postgresPid: number;
  redisPid: number;
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
 * at once. A local queue of 1,000 with bulk adds of 5,000 did 13,700 jobs/s where that page's 500 in one add did 9,500;
 * 10 or 100 jobs at once, two adds at a time, and a producer in another process did 10,600 to 12,900.
 */
export async function graphile({ database, postgresPid }: Places): Promise<Entrant> {
  const tried = [
    { localQueue: 1_000, chunk: 5_000 },
    { localQueue: 500, chunk: 20_000 },
    { localQueue: 2_000, chunk: 5_000 },
  ];
  const setups = tried.map(async (one) => ({
    label: `localQueue ${one.localQueue}, addJobs of ${one.chunk}, 24 at once, completeJobBatchDelay 0, failJobBatchDelay 0`,
    program: 'peers/graphile.js',
    servers: [postgresPid],
    settings: { ...one, url: await database(), concurrency: 24, pool: 25, streams: 1 },
  }));
  return {
    name: 'graphile-worker',
    durability: `${POSTGRES_DURABILITY}; completed jobs are deleted`,
    setups: await Promise.all(setups),
  };
}

/**
 * BullMQ: concurrency of one worker, several workers, a producer in another process, and automatic pipelining. The first
 * was ahead by 1.4 to 2.3 where each second is synced; where each write is, the first two were equal (4,019 and 4,255
 * jobs/s) and the others 2.4 times slower, so only the first is run there.
 */
export function bullmq({ redisPort: port, redisPid }: Places, appendfsync: 'everysec' | 'always'): Entrant {
  const tried = [
    { concurrency: 500, workers: 1, chunk: 1_000, pipelined: true, apart: false },
    { concurrency: 100, workers: 1, chunk: 1_000, pipelined: false, apart: false },
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
      servers: [redisPid],
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

/**
 * pg-boss: jobs of one fetch, workers, a table for the queue; always LISTEN/NOTIFY and fetches without a pause, for else
 * it polls twice a second at most. The first was ahead of the others by 1.25 here.
 */
export async function pgBoss({ database, postgresPid }: Places): Promise<Entrant> {
  const tried = [
    { batch: 500, workers: 2, chunk: 1_000, partition: true },
    { batch: 500, workers: 1, chunk: 1_000, partition: false },
    { batch: 1_000, workers: 1, chunk: 5_000, partition: false },
  ];
  const setups = tried.map(async (one) => ({
    label: `batchSize ${one.batch}, localConcurrency ${one.workers}, insert of ${one.chunk}${one.partition ? ', partition' : ''}, notify, burstWhenBatchFull`,
    program: 'peers/pg-boss.js',
    servers: [postgresPid],
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
  /** A database; none is SQLite. */
  postgres?: { url: string; pid: number };
}

/**
 * Where the producer is: in the node's process, in another one over NATS, or there and it hears of every job's end, as no
 * other system's producer does.
 */
export type RotaProducer = 'embedded' | 'apart' | 'apart, hears all';

const PRODUCERS: Record<RotaProducer, string> = {
  embedded: 'the producer in the process of the node',
  apart: 'the producer another process, over NATS',
  'apart, hears all':
    'the producer another process, over NATS, which receives every completed event before the clock stops',
};

/**
 * How many handlers may run at once: as many as three settlements carry. A limit of 1,000 did 0.77 of it on SQLite and
 * 0.85 on PostgreSQL, 5,000 no more.
 */
const LIMIT = 3_000;

/** Rota with its producer where it is said. */
export function rota(how: RotaProducer, { port, data, postgres }: RotaPlace): Entrant {
  const on = postgres === undefined ? 'SQLite' : 'PostgreSQL';
  const settings = { port, data, limit: LIMIT, ...(postgres === undefined ? {} : { store: postgres.url }) };
  const synced = postgres === undefined ? 'each commit synced before it is answered (WAL)' : POSTGRES_DURABILITY;
  return {
    name: `Rota on ${on}, ${how}`,
    durability: `${synced}; completed jobs are kept, each end is announced over NATS`,
    mayRefuse: postgres !== undefined,
    setups: [
      {
        label: `queue limit ${LIMIT}, enqueueBatch of 1000 in 4 streams, nats-server embedded, ${PRODUCERS[how]}`,
        program: 'peers-rota.ts',
        servers: postgres === undefined ? [] : [postgres.pid],
        settings: { ...settings, role: how === 'embedded' ? 'embedded' : 'node' },
        ...(how === 'embedded' ? {} : { producer: { ...settings, role: 'client', hears: how !== 'apart' } }),
      },
    ],
  };
}
