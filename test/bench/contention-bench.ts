import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Client } from 'pg';
import { followingClock, systemClock } from '../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../src/kernel/identity.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { newJob } from '../conformance/store/store-driver.ts';
import { runAs } from '../support/postgres/database.ts';
import { type PostgresServer, startPostgres } from '../support/postgres/postgres-server.ts';
import type { Claimed, Go } from './contention-owner.ts';
import { cpuMsOf } from './process-cpu.ts';

/**
 * What it costs the server that many owners claim from one queue at once, each with a claim under way at any time. Told is
 * the server's processor time a job, beside one owner's: rows that others are taking are passed over, and that is work.
 */
const JOBS = Number(process.env.ROTA_BENCH_JOBS ?? 100_000);
const ROUNDS = Number(process.env.ROTA_BENCH_ROUNDS ?? 3);
const OWNERS = [1, 2, 4, 8];
/** How many of the jobs are claimed, by how many are claimed at a time. */
const CLAIMED = new Map([
  [1, JOBS / 25],
  [10, JOBS / 5],
  [100, (JOBS * 4) / 5],
]);
/** As many jobs of each of these priorities. */
const MIX = [0, 2, 5, 9];
const FILL_BATCH = 1_000;

interface Rate {
  perSecond: number;
  cpuUs: number;
  /** Pages that were looked at for a job: unlike times, the same however busy the machine is. */
  pages: number;
}

/** A database with jobs that wait, to be copied for each measurement. */
async function fill(server: PostgresServer, priorities: readonly number[]): Promise<{ name: string }> {
  const database = await server.freshDatabase();
  const newId = uuidSource(systemClock);
  const store = await openPostgresStore({
    ...{ url: database.url, random: systemRandom, clock: followingClock(systemClock), newId },
  });
  for (let done = 0; done < JOBS; done += FILL_BATCH) {
    const now = systemClock.now();
    const jobs = Array.from({ length: FILL_BATCH }, (_, at) =>
      newJob({ id: newId(), priority: priorities[at % priorities.length] ?? 5, scheduledAt: now, insertedAt: now }),
    );
    await store.perform([{ verb: 'insert', jobs, brief: true }]);
  }
  await store.close();
  await runAs(database.adminUrl, ['vacuum analyze', 'checkpoint']);
  return database;
}

interface Used {
  cpuMs: number;
  pages: number;
}

/** What was used of a server and looked at of a database, once so many sessions are there: the others have told theirs. */
async function usedOf({ adminUrl, pid }: PostgresServer, database: string, sessions: number): Promise<Used> {
  const client = new Client({ connectionString: adminUrl });
  await client.connect();
  try {
    for (;;) {
      const { rows } = await client.query<{ sessions: number; pages: string }>(
        `select blks_hit + blks_read as pages, (select count(*)::integer from pg_stat_activity
            where datname = $1 and backend_type = 'client backend') as sessions
          from pg_stat_database where datname = $1`,
        [database],
      );
      if (rows[0]?.sessions === sessions) return { cpuMs: cpuMsOf([pid]), pages: Number(rows[0].pages) };
    }
  } finally {
    await client.end();
  }
}

/** Lets so many owners claim from a copy of a database. */
async function claimRate(
  server: PostgresServer,
  from: string,
  { owners, batch }: { owners: number; batch: number },
): Promise<Rate> {
  const name = `${from}_${owners}_${batch}`;
  const url = server.url.replace(/[^/]*$/, name);
  await runAs(server.adminUrl, [`create database ${name} template ${from} owner rota`]);
  const all = Array.from({ length: owners }, () => fork(new URL('./contention-owner.ts', import.meta.url), [url]));
  await Promise.all(all.map((owner) => once(owner, 'message')));
  await runAs(server.adminUrl, ['checkpoint']);
  const before = await usedOf(server, name, owners);
  const answers = all.map((owner) => once(owner, 'message') as Promise<[Claimed]>);
  const share = Math.ceil((CLAIMED.get(batch) ?? 0) / owners);
  for (const owner of all) owner.send({ batch, jobs: share } satisfies Go);
  const claimed = (await Promise.all(answers)).map(([each]) => each);
  await Promise.all(all.map((owner) => owner.exitCode ?? once(owner, 'exit')));
  const after = await usedOf(server, name, 0);
  await runAs(server.adminUrl, [`drop database ${name} with (force)`]);
  const jobs = claimed.reduce((sum, each) => sum + each.jobs, 0);
  const tookMs = Math.max(...claimed.map((each) => each.tookMs));
  return {
    perSecond: (jobs / tookMs) * 1_000,
    cpuUs: ((after.cpuMs - before.cpuMs) / jobs) * 1_000,
    pages: (after.pages - before.pages) / jobs,
  };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

await using server = await startPostgres({ settings: { shared_buffers: '512MB', max_wal_size: '8GB' } });
const table: Record<string, Record<string, number>> = {};
for (const [what, priorities] of [
  ['one priority', [5]],
  ['four priorities', MIX],
] as const) {
  const filled = await fill(server, priorities);
  for (const batch of CLAIMED.keys()) {
    const rates = new Map<number, Rate[]>(OWNERS.map((owners) => [owners, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [owners, sofar] of rates) {
        const rate = await claimRate(server, filled.name, { owners, batch });
        sofar.push(rate);
        console.log(`${what}, ${batch} a claim, ${owners} owners: ${JSON.stringify(rate)}`);
      }
    }
    const alone = median((rates.get(1) ?? []).map(({ cpuUs }) => cpuUs));
    for (const [owners, sofar] of rates) {
      const cpuUs = median(sofar.map((rate) => rate.cpuUs));
      table[`${what}, ${batch} a claim, ${owners} owners`] = {
        'jobs/s': Math.round(median(sofar.map(({ perSecond }) => perSecond))),
        "server's CPU us a job": Number(cpuUs.toFixed(1)),
        'of one owner': Number((cpuUs / alone).toFixed(2)),
        'pages a job': Number(median(sofar.map(({ pages }) => pages)).toFixed(1)),
      };
    }
  }
}
console.table(table);
