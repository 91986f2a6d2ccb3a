import { followingClock, systemClock } from '../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../src/kernel/identity.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { startPostgres } from '../support/postgres/postgres-server.ts';
import { rawPostgresRate } from './raw-postgres.ts';
import { STORE_WORK } from './raw-sqlite.ts';
import { storeRate } from './store-bench.ts';

/** Runs of each, in turn; the best of each is told, for other work only ever slows one down. */
const RUNS = Number(process.argv[2] ?? 3);
const WORK = { ...STORE_WORK, jobs: 50_000, batch: 1_000 };

await using server = await startPostgres({ settings: { shared_buffers: '256MB', max_wal_size: '4GB' } });
const round = (rate: object): string =>
  Object.entries(rate)
    .map(([name, value]) => `${name} ${Math.round(Number(value))}`)
    .join('  ');
let [best, raw] = [0, 0];
for (let run = 0; run < RUNS; run++) {
  await using database = await server.freshDatabase();
  const lean = await rawPostgresRate(database.url, WORK);
  const store = await openPostgresStore({
    ...{ url: database.url, random: systemRandom, clock: followingClock(systemClock), newId: uuidSource(systemClock) },
  });
  const ours = await storeRate(store, WORK);
  await store.close();
  [raw, best] = [Math.max(raw, lean.jobsPerSecond), Math.max(best, ours.jobsPerSecond)];
  console.log(
    `raw    ${round(lean)}\nstore  ${round(ours)}  ratio ${(ours.jobsPerSecond / lean.jobsPerSecond).toFixed(2)}`,
  );
}
console.log(`best of each: ${(best / raw).toFixed(2)}`);
