import { Client } from 'pg';
import { systemClock } from '../../src/kernel/clock.ts';
import { uuidSource } from '../../src/kernel/identity.ts';
import { type RawRate, STORE_WORK } from './raw-sqlite.ts';

/** {@link RawRate}, by step, in milliseconds. */
export interface RawPostgresRate extends RawRate {
  insertMs: number;
  claimMs: number;
  settleMs: number;
}

const SCHEMA = `create table raw_jobs (seq bigint generated always as identity primary key, id uuid not null unique,
    queue text collate "C" not null, type text collate "C" not null, state text collate "C" not null,
    priority smallint not null, scheduled_at bigint not null, attempt integer not null default 0, worker uuid,
    attempted_at bigint, finished_at bigint, args text not null);
  create index raw_claimable on raw_jobs (queue, priority, scheduled_at, seq) where state = 'available'`;

const INSERT = `insert into raw_jobs (id, queue, type, state, priority, scheduled_at, args)
  select id, 'default', 'bench.noop', 'available', 5, $2, args from unnest($1::uuid[], $3::text[]) as job (id, args)`;

const CLAIM = `with picked as materialized (select seq from raw_jobs where queue = 'default' and state = 'available'
    order by priority, scheduled_at, seq limit $3 for update skip locked)
  update raw_jobs set state = 'executing', attempt = attempt + 1, worker = $1, attempted_at = $2
  from picked where raw_jobs.seq = picked.seq returning raw_jobs.seq, id, type, args, attempt`;

const COMPLETE = `update raw_jobs set state = 'completed', finished_at = $1 where seq = any($2::bigint[]) and worker = $3`;

/**
 * The leanest loop that does the writes of a job queue on PostgreSQL and keeps its history: insert, claim and complete in
 * batches, one prepared statement and transaction each. The yardstick of what is possible; it checks nothing and tells
 * nobody.
 */
export async function rawPostgresRate(url: string, work = STORE_WORK): Promise<RawPostgresRate> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query(`drop table if exists raw_jobs; ${SCHEMA}`);
  // The table is nearly empty when the statements are planned: without this they read it whole.
  await client.query("set enable_seqscan = off; set enable_sort = off; set plan_cache_mode = 'force_generic_plan'");
  const newId = uuidSource(systemClock);
  const worker = newId();
  const tookMs = { insert: 0, claim: 0, complete: 0 };
  const timed = async (name: keyof typeof tookMs, text: string, values: unknown[]): Promise<unknown[][]> => {
    const from = systemClock.monotonicMs();
    const { rows } = await client.query<unknown[]>({ name, text, values, rowMode: 'array' });
    tookMs[name] += systemClock.monotonicMs() - from;
    return rows;
  };
  const args = JSON.stringify(work.args);
  for (let done = 0; done < work.jobs; done += work.batch) {
    const ids = Array.from({ length: work.batch }, () => newId());
    await timed('insert', INSERT, [ids, systemClock.now(), ids.map(() => args)]);
  }
  for (let done = 0; done < work.jobs; ) {
    const claimed = await timed('claim', CLAIM, [worker, systemClock.now(), work.batch]);
    await timed('complete', COMPLETE, [systemClock.now(), claimed.map(([seq]) => seq), worker]);
    done += claimed.length;
  }
  await client.end();
  const { insert: insertMs, claim: claimMs, complete: settleMs } = tookMs;
  const jobsPerSecond = (work.jobs / (insertMs + claimMs + settleMs)) * 1_000;
  return { jobs: work.jobs, jobsPerSecond, insertMs, claimMs, settleMs };
}
