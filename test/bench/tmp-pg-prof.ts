import { Client } from 'pg';
import { followingClock, systemClock } from '../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../src/kernel/identity.ts';
import { openPostgresStore } from '../../src/store/postgres/postgres-store.ts';
import { rawPostgresRate } from './raw-postgres.ts';
import { STORE_WORK } from './raw-sqlite.ts';
import { storeRate } from './store-bench.ts';
import { readFileSync } from 'node:fs';
const cpu = (pid: number) => Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
const acc = new Map<string, { n: number; server: number }>();
const orig = Client.prototype.query as any;
(Client.prototype as any).query = function (this: any, config: any, ...rest: any[]) {
  if (rest.length > 0 || !this.processID) return orig.call(this, config, ...rest);
  const text = (typeof config === 'string' ? config : config.text).replace(/\s+/g, ' ').slice(0, 60);
  const from = cpu(this.processID);
  return orig.call(this, config).then((r: any) => {
    const a = acc.get(text) ?? { n: 0, server: 0 };
    a.n++; a.server += cpu(this.processID) - from;
    acc.set(text, a);
    return r;
  });
};
const WORK = { ...STORE_WORK, jobs: 20_000, batch: 1_000 };
const url = 'postgres://postgres@127.0.0.1:54871/postgres';
const admin = new Client({ connectionString: url }); await admin.connect();
await admin.query('create extension if not exists pg_stat_statements');
const fmt = (r: object) => Object.entries(r).map(([n, v]) => `${n} ${Math.round(Number(v))}`).join(' ');
const rs: number[] = [];
for (let i = 0; i < Number(process.argv[2] ?? 4); i++) {
  await admin.query('drop schema if exists rota cascade'); await admin.query('checkpoint');
  const before = process.cpuUsage();
  const raw = await rawPostgresRate(url, WORK);
  const mid = process.cpuUsage(before);
  await admin.query('checkpoint');
  const store = await openPostgresStore({ url, random: systemRandom, clock: followingClock(systemClock), newId: uuidSource(systemClock) });
  await admin.query('select pg_stat_statements_reset()');
  const b2 = process.cpuUsage();
  const ours = await storeRate(store, WORK);
  const m2 = process.cpuUsage(b2);
  await store.close();
  rs.push(ours.jobsPerSecond / raw.jobsPerSecond);
  console.log('raw', fmt(raw), 'cpu', Math.round(mid.user / 1000), '\nour', fmt(ours), 'cpu', Math.round(m2.user / 1000), rs.at(-1)?.toFixed(2));
}
console.log('median', rs.sort((a, b) => a - b)[rs.length >> 1]);
for (const [t, a] of [...acc].sort((x, y) => y[1].server - x[1].server).slice(0, 9)) console.log(a.n, (a.server / a.n).toFixed(2), t);
await admin.end();
