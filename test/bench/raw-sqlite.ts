import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { systemClock } from '../../src/kernel/clock.ts';
import { uuidSource } from '../../src/kernel/identity.ts';

/** What one round of the work took. */
export interface RawRate {
  jobs: number;
  jobsPerSecond: number;
}

/** The work that every store is measured by. */
export const STORE_WORK = {
  jobs: 20_000,
  batch: 500,
  args: { to: 'somebody@example.org', template: 'welcome', n: 1234 },
};

/**
 * The leanest loop that does the writes of a job queue on SQLite with the durability that Rota promises (WAL,
 * synchronous FULL): insert, claim and complete in batches of 500, one transaction each. The yardstick of what is
 * possible; it checks nothing and tells nobody.
 */
export function rawSqliteRate(work = STORE_WORK): RawRate {
  const folder = mkdtempSync(join(tmpdir(), 'rota-raw-'));
  const db = new DatabaseSync(join(folder, 'raw.db'));
  db.exec(`pragma journal_mode = wal; pragma synchronous = full;
    create table jobs (seq integer primary key, id text not null unique, queue text not null, type text not null,
      state text not null, priority integer not null, scheduled_at integer not null, attempt integer not null default 0,
      worker text, attempted_at integer, finished_at integer, args text not null);
    create index claimable on jobs (queue, priority, scheduled_at, seq) where state = 'available'`);
  const insert = db.prepare(
    "insert into jobs (id, queue, type, state, priority, scheduled_at, args) values (?, 'default', 'bench.noop', 'available', 5, ?, ?)",
  );
  const claim = db.prepare(`update jobs set state = 'executing', attempt = attempt + 1, worker = ?, attempted_at = ?
    where seq in (select seq from jobs where queue = 'default' and state = 'available'
      order by priority, scheduled_at, seq limit ?) returning seq, id, type, args, attempt`);
  const complete = db.prepare("update jobs set state = 'completed', finished_at = ? where seq = ? and worker = ?");
  const newId = uuidSource(systemClock);
  const worker = newId();
  const batches = Math.ceil(work.jobs / work.batch);
  const from = systemClock.monotonicMs();
  for (let batch = 0; batch < batches; batch++) {
    const now = systemClock.now();
    db.exec('begin immediate');
    for (let n = 0; n < work.batch; n++) insert.run(newId(), now, JSON.stringify(work.args));
    db.exec('commit');
  }
  for (let batch = 0; batch < batches; batch++) {
    db.exec('begin immediate');
    const claimed = claim.all(worker, systemClock.now(), work.batch);
    db.exec('commit');
    const now = systemClock.now();
    db.exec('begin immediate');
    for (const { seq } of claimed) complete.run(now, seq ?? null, worker);
    db.exec('commit');
  }
  const tookMs = systemClock.monotonicMs() - from;
  db.close();
  rmSync(folder, { recursive: true });
  return { jobs: work.jobs, jobsPerSecond: (work.jobs / tookMs) * 1_000 };
}
