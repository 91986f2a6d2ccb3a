import { backlogRates } from './backlog-bench.ts';
import { busHop } from './bus-hop.ts';
import { intakeRates } from './intake-bench.ts';
import { limitNodeRates } from './limits-node-bench.ts';
import { NodeBench, type NodeRound } from './node-bench.ts';
import { idleCost, memoryUnderLoad, startTimes } from './node-costs.ts';
import { peerRates } from './peers-bench.ts';
import { rawSqliteRate, STORE_WORK } from './raw-sqlite.ts';
import { scheduleCosts } from './schedule-bench.ts';
import { sqliteStoreRate } from './store-bench.ts';
import { supervisorCosts } from './supervisor-bench.ts';

/**
 * Prints what Rota costs on this machine: the whole node as a user runs it, beside the leanest raw SQLite loop that does
 * the same writes with the same durability. Rounds are interleaved and medians told, because timings are noisy: the
 * ratios are what to compare.
 */
const ROUNDS = Number(process.env.ROTA_BENCH_ROUNDS ?? 3);

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

console.log(`${STORE_WORK.jobs} jobs a round, ${ROUNDS} rounds, SQLite WAL, each commit synced, medians\n`);
const raw: number[] = [];
const store: number[] = [];
const rounds: NodeRound[] = [];
const bench = await NodeBench.start();
await bench.round();
for (let round = 0; round < ROUNDS; round += 1) {
  raw.push(rawSqliteRate().jobsPerSecond);
  store.push((await sqliteStoreRate()).jobsPerSecond);
  rounds.push(await bench.round());
}
const latency = await bench.latency(250, 50);
await bench.stop();

const yardstick = median(raw);
const row = (perSecond: number) => ({
  'jobs/s': perSecond,
  'of raw SQLite': Number((perSecond / yardstick).toFixed(2)),
});
console.table({
  'raw SQLite loop: insert, claim, complete': row(yardstick),
  'store port: the same work': row(median(store)),
  'node: bulk enqueue over NATS': row(median(rounds.map(({ bulkEnqueue }) => bulkEnqueue))),
  'node: single enqueue, 100 in flight': row(median(rounds.map(({ singleEnqueue }) => singleEnqueue))),
  'node: process a backlog': row(median(rounds.map(({ process: rate }) => rate))),
  'node: end to end, events received': row(median(rounds.map(({ endToEnd }) => endToEnd))),
});
console.log(`enqueue call to handler start at 50 jobs/s: p50 ${latency.p50Ms} ms, p99 ${latency.p99Ms} ms`);
console.log('\nThe durable intake, a second: messages published; messages taken; jobs taken, 100 to a message:');
console.table(await intakeRates());
console.log('\nOne request and its answer between actors, in microseconds:');
console.table(await busHop());
console.log('\nOne child of a supervisor, in microseconds, by how many there are:');
console.table(await supervisorCosts());
console.log('\nFrom starting the program to the start of its first job, in milliseconds (wanted: below 1,000):');
console.table(await startTimes());
console.log('\nA node with 100 idle queues, in percent of one core (wanted: below 1):');
console.table(await idleCost());
const minutes = Number(/^--steady=(\d+)$/.exec(process.argv.find((arg) => arg.startsWith('--steady')) ?? '')?.[1] ?? 0);
if (minutes > 0) {
  console.log(
    `\nMemory of a node under full load for ${minutes} minutes, in MiB (wanted: flat, below 238, so 250 MB):`,
  );
  console.table(await memoryUnderLoad(minutes));
}
// Minutes, most of them to fill the stores: only when asked for.
if (process.env.ROTA_BENCH_BACKLOG === '1' || process.argv.includes('--backlog')) {
  console.log('\nClaim and settle through the store port, by what is in the store (wanted: within 20 % of the first):');
  console.table(await backlogRates({ say: console.log }));
}
if (process.argv.includes('--limits')) {
  console.log('\nClaim and settle through the store port with limits on (wanted: at least 0.7 of without):');
  await import('./limits-bench.ts');
  console.log('\nThe whole way through a node on SQLite with limits on (wanted: at least 0.7 of without):');
  console.table(await limitNodeRates(Math.max(ROUNDS, 5)));
}
if (process.argv.includes('--contention')) {
  console.log(
    '\nMany owners claim from one queue of PostgreSQL (wanted: at most twice the server CPU a job of one owner):',
  );
  await import('./contention-bench.ts');
}
// Minutes too, and it installs what it is measured beside.
if (process.argv.includes('--peers')) {
  console.log('\nRota beside its peers, jobs a second: bulk enqueue, run, complete; single enqueues, 100 in flight;');
  console.log('from the enqueue call to the start of the handler at 50 jobs a second:');
  console.table(await peerRates({ rounds: ROUNDS, say: console.log }));
}
console.log('\n1,000 schedules in the same second, and 10,000 idle ones:');
console.log(await scheduleCosts());
