import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClaimedJob } from '../../../src/job/job.ts';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import type { InsertResult, JobStore, StoreReply } from '../../../src/store/job-store.ts';
import { Connection } from '../../../src/store/postgres/connection.ts';
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.ts';
import type { FreshDatabase } from '../../support/postgres/database.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { startPooler } from '../../support/postgres/pooler.ts';
import { newJob, request, StoreDriver, T0 } from './store-driver.ts';

const newId = uuidSource(systemClock);
const open = (url: string): Promise<JobStore> =>
  openPostgresStore({ url, random: systemRandom, clock: followingClock(systemClock), newId });

let database: FreshDatabase;
let admin: Client;
let stores: StoreDriver[];

/** One more owner of the database. */
async function owner(url = database.url): Promise<StoreDriver> {
  const driver = new StoreDriver(await open(url));
  stores.push(driver);
  return driver;
}

/** Two owners of one database. */
async function two(url = database.url): Promise<[StoreDriver, StoreDriver]> {
  return [await owner(url), await owner(url)];
}

beforeEach(async () => {
  database = await freshDatabase();
  admin = new Client({ connectionString: database.adminUrl });
  await admin.connect();
  stores = [];
});

afterEach(async () => {
  await Promise.all(stores.map(({ store }) => store.close()));
  await admin.end();
  await database.drop();
});

const answersOf = <T>(groups: StoreReply[][]): T[] =>
  // Each reply answers a list of these.
  groups.flatMap(([reply]) => (reply?.ok ? (reply.answer as T[]) : []));

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));

describe('several owners of one database', () => {
  it('make the schema at once, each step once', async () => {
    await Promise.all(times(4, () => owner()));
    const { rows } = await admin.query('select version, name from rota.migrations order by version');
    expect(rows.map(({ version }) => version)).toEqual(rows.map((_, index) => index + 1));
    await stores[3]?.insert(newJob());
  });

  it('give each job to one claim', async () => {
    const both = await two();
    const jobs = times(300, () => newJob());
    await both[0].insert(...jobs);
    const groups = await Promise.all(
      times(60, (index) => {
        const worker = `worker-${index}`;
        return both[index % 2 === 0 ? 0 : 1].group(
          request('claim', { now: T0, queue: 'default', worker, node: 'n', limit: 7 }),
        );
      }),
    );
    const claimed = answersOf<ClaimedJob>(groups).map(({ id }) => id);
    expect(claimed).toHaveLength(300);
    expect(new Set(claimed).size).toBe(300);
  });

  it('keep one job of a unique key and one of an id', async () => {
    const both = await two();
    const unique = { key: 'k', withinMs: null, states: ['available'], onConflict: { kind: 'keep' } } as const;
    const same = newJob();
    const groups = await Promise.all(
      times(100, (index) =>
        both[index % 2 === 0 ? 0 : 1].group(
          request('insert', { jobs: [newJob({ unique: { ...unique, states: [...unique.states] } }), same] }),
        ),
      ),
    );
    const results = answersOf<InsertResult>(groups);
    expect(results).toHaveLength(200);
    expect(results.filter(({ conflict }) => !conflict)).toHaveLength(2);
    expect(new Set(results.map(({ job }) => job.id)).size).toBe(2);
    expect((await both[1].do('count', { filter: {} })).total).toBe(2);
  });

  it.each([
    ['a global limit', { globalLimit: 5 }, 5],
    ['a rate', { rate: { limit: 6, periodMs: 60_000 } }, 6],
    ['a partition limit', { partition: { by: 'args.tenant', limit: 2 } }, 8],
  ])('keep to %s together', async (_what, change, most) => {
    const both = await two();
    await both[0].do('changeQueue', { now: T0, queue: 'default', change });
    await both[1].insert(...times(80, (index) => newJob({ args: { tenant: `t${index % 4}` } })));
    const groups = await Promise.all(
      times(20, (index) =>
        both[index % 2 === 0 ? 0 : 1].group(
          request('claim', { now: T0, queue: 'default', worker: `w${index}`, node: 'n', limit: 3 }),
        ),
      ),
    );
    const claimed = answersOf<ClaimedJob>(groups);
    expect(claimed).toHaveLength(most);
    const tenants = claimed.map(({ args }) => JSON.stringify(args));
    if ('partition' in change)
      for (const one of new Set(tenants)) expect(tenants.filter((t) => t === one)).toHaveLength(2);
  });

  it.each([{}, { globalLimit: 9 }, { partition: { by: 'args.to', limit: 9 } }])(
    'give a claim what another one stored after it had found nothing: %j',
    async (change) => {
      const [one, other] = await two();
      await one.do('changeQueue', { now: T0, queue: 'default', change });
      expect(await one.claim()).toEqual([]);
      for (const at of [1, 2]) {
        await other.insert(newJob());
        expect(await one.claim(), `claim ${at}`).toHaveLength(1);
        await other.insert(newJob({ state: 'scheduled', scheduledAt: T0 + 1 }));
        await other.do('stage', { now: T0 + 2, limit: 9 });
        expect(await one.claim({ now: T0 + 2 }), `claim ${at} of what was staged`).toHaveLength(1);
      }
    },
  );

  it('claim by partition past a job that another group is at', async () => {
    const [one, other] = await two();
    await one.do('changeQueue', { now: T0, queue: 'default', change: { partition: { by: 'args.to', limit: 5 } } });
    const [held, free] = [newJob(), newJob()];
    await one.insert(held, free);
    await admin.query('begin');
    await admin.query(`select 1 from rota.jobs where id = '${held.id}' for update`);
    expect((await other.claim()).map(({ id }) => id)).toEqual([free.id]);
    await admin.query('rollback');
    expect((await one.claim()).map(({ id }) => id)).toEqual([held.id]);
  });

  it("claim of several limited queues without standing in each other's way", async () => {
    const [one, other] = await two();
    for (const queue of ['a', 'b']) await one.do('changeQueue', { now: T0, queue, change: { globalLimit: 900 } });
    const claimOf = (queue: string) => request('claim', { now: T0, queue, worker: 'w', node: 'n', limit: 3 });
    const codes: unknown[] = [];
    const { run } = Connection.prototype;
    vi.spyOn(Connection.prototype, 'run').mockImplementation(async function (this: Connection, statement, values) {
      try {
        return await run.call(this, statement, values);
      } catch (thrown) {
        codes.push((thrown as { code?: unknown }).code);
        throw thrown;
      }
    });
    for (let round = 0; round < 20; round += 1) {
      await Promise.all([
        one.group(request('insert', { jobs: [newJob({ queue: 'b' })] }), claimOf('b'), claimOf('a')),
        other.group(claimOf('a'), claimOf('b')),
      ]);
    }
    vi.restoreAllMocks();
    expect(codes).toEqual([]);
  });

  it('hold to a pause from its answer on, wherever it was said', async () => {
    const [one, other] = await two();
    await one.insert(newJob(), newJob());
    await other.do('changeQueue', { now: T0, queue: 'default', change: { paused: true } });
    expect(await one.claim()).toEqual([]);
    await one.do('changeQueue', { now: T0, queue: 'default', change: { paused: false } });
    expect(await other.claim()).toHaveLength(2);
  });

  it('store each job with its partition while one is said', async () => {
    const [one, other] = await two();
    const inserts = Promise.all(times(30, () => one.insert(newJob({ args: { tenant: 'a' } }))));
    await other.do('changeQueue', {
      now: T0,
      queue: 'default',
      change: { partition: { by: 'args.tenant', limit: 50 } },
    });
    await inserts;
    while (!(await other.do('sortPartitions', { queue: 'default', limit: 7 })).done);
    expect(await one.claim({ limit: 50 })).toHaveLength(30);
  });

  it('are led by one', async () => {
    const both = await two();
    const lead = (index: number, now: number) =>
      both[index % 2 === 0 ? 0 : 1].do('lead', { now, node: `n${index}`, instance: `i${index}`, leaseMs: 10_000 });
    const leaders = await Promise.all(times(8, (index) => lead(index, T0)));
    expect(new Set(leaders.map(({ instance }) => instance)).size).toBe(1);
    expect(leaders[0]?.term).toBe(1);
    const after = await Promise.all(times(8, (index) => lead(index, T0 + 10_001)));
    expect(new Set(after.map(({ instance }) => instance)).size).toBe(1);
  });

  it('announce what each wrote, and what one left when its lease is over', async () => {
    const [one, other] = await two();
    const job = await one.running();
    await one.complete(job);
    const told = one.facts;
    const unannounced = (driver: StoreDriver) => driver.do('unannounced', { after: 0, limit: 10 });
    expect(await unannounced(other)).toEqual([]);
    expect(await unannounced(one)).toEqual(told);
    await admin.query('update rota.outbox set taken_until = 0');
    expect(await unannounced(other)).toEqual(told);
    expect(await unannounced(one)).toEqual([]);
    await other.store.close();
    expect(await unannounced(one)).toEqual(told);
  });

  it('give a worker that another hears of the time that its signs may be behind', async () => {
    const [one, other] = await two();
    await one.running({}, { now: T0 });
    await one.do('touch', { now: T0 + 4_999, workers: [{ worker: 'worker-a', node: 'node-a' }] });
    const rescue = (driver: StoreDriver, deadBefore: number) =>
      driver.do('rescue', { now: T0 + 60_000, deadBefore, limit: 10 });
    expect((await rescue(other, T0 + 4_999)).rescued).toBe(0);
    expect((await rescue(one, T0 + 4_999)).rescued).toBe(0);
    expect((await rescue(one, T0 + 5_000)).rescued).toBe(1);
  });

  it('work through a pooler that gives each transaction another connection', async () => {
    await using pooler = await startPooler(database.url);
    const both = await two(`${pooler.url}?prepare=false`);
    const groups = times(40, (index) => both[index % 2 === 0 ? 0 : 1].insert(newJob(), newJob()));
    await Promise.all(groups);
    const claimed = (await Promise.all(times(8, (i) => both[i % 2 === 0 ? 0 : 1].claim({ limit: 10 })))).flat();
    expect(new Set(claimed.map(({ id }) => id)).size).toBe(80);
    await Promise.all(claimed.map((job) => both[0].complete(job)));
    expect((await both[1].do('count', { filter: {} })).byState.completed).toBe(80);
    await Promise.all(stores.splice(0).map(({ store }) => store.close()));
  });
});

/** Backends of the stores that wait for a lock. */
async function waiting(): Promise<number[]> {
  // Within a transaction the server would tell what it told first.
  await admin.query('select pg_stat_clear_snapshot()');
  const { rows } = await admin.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = 'rota' and wait_event_type = 'Lock'",
  );
  return rows.map(({ pid }) => pid);
}

const someWaits = (): Promise<number> =>
  vi.waitFor(
    async () => {
      const [pid] = await waiting();
      if (pid === undefined) throw new Error('nobody waits for a lock');
      return pid;
    },
    { timeout: 5_000, interval: 5 },
  );

/** Makes every commit that ends a job wait for a lock which the test holds. */
async function holdCommits(): Promise<void> {
  await admin.query(`create function rota.hold() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock(77); return null; end'`);
  await admin.query(`create constraint trigger hold after insert on rota.outbox deferrable initially deferred
    for each row execute function rota.hold()`);
  await admin.query('select pg_advisory_lock(77)');
}

it('answers the lead and nodes while all sessions for jobs hang on locks', async () => {
  const store = await owner();
  const inserted: Promise<unknown>[] = [];
  const hanging = new Set<number>();
  await admin.query('begin');
  await admin.query('lock table rota.jobs in access exclusive mode');
  try {
    // As many as there are sessions for jobs.
    for (let n = 0; n < 4; n++) {
      hanging.add(n);
      inserted.push(store.insert(newJob()).finally(() => hanging.delete(n)));
    }
    await vi.waitFor(async () => expect(await waiting()).toHaveLength(4), { timeout: 5_000, interval: 5 });
    const leader = await store.do('lead', { now: T0, node: 'n', instance: 'i', leaseMs: 10_000 });
    expect(leader.instance).toBe('i');
    expect(await store.do('nodes', { seenAfter: 0 })).toEqual([]);
    // Nobody let go meanwhile: those waits end after six seconds.
    expect(hanging.size).toBe(4);
  } finally {
    await admin.query('rollback');
  }
  await Promise.all(inserted);
  expect((await store.do('count', { filter: {} })).total).toBe(4);
});

describe('faults of the database', () => {
  it('are run again where others were in the way', async () => {
    const store = await owner();
    const [a, b] = [newJob(), newJob()];
    await store.insert(a, b);
    await admin.query("set deadlock_timeout = '60s'");
    await admin.query('begin');
    await admin.query('select 1 from rota.jobs where id = $1 for update', [b.id]);
    const done = store.group(
      request('cancel', { now: T0, id: a.id, terminate: false }),
      request('cancel', { now: T0, id: b.id, terminate: false }),
    );
    await someWaits();
    await admin.query('select 1 from rota.jobs where id = $1 for update', [a.id]);
    await admin.query('rollback');
    expect((await done).map((reply) => reply.ok && reply.facts.map(({ what }) => what))).toEqual([
      ['cancelled'],
      ['cancelled'],
    ]);
  });

  it('cost a group that was at work nothing but time', async () => {
    const store = await owner();
    const job = await store.running();
    await admin.query('begin');
    await admin.query('select 1 from rota.jobs for update');
    const done = store.complete(job);
    await admin.query('select pg_terminate_backend($1)', [await someWaits()]);
    await admin.query('rollback');
    expect((await done).settled).toEqual([{ id: job.id, state: 'completed' }]);
    expect(store.whats()).toEqual(['completed']);
  });

  it('are asked about where a connection breaks during a commit: what was rolled back is done again', async () => {
    const store = await owner();
    const job = await store.running();
    await holdCommits();
    const done = store.complete(job);
    const pid = await someWaits();
    await admin.query('select pg_terminate_backend($1)', [pid]);
    await vi.waitFor(async () => expect(await waiting()).not.toContain(pid));
    await admin.query('select pg_advisory_unlock(77)');
    expect((await done).settled).toEqual([{ id: job.id, state: 'completed' }]);
    expect((await store.do('unannounced', { after: 0, limit: 9 })).map(({ id }) => id)).toEqual([job.id]);
  });

  it('do not end the process while nobody is at work', async () => {
    const store = await owner();
    await store.insert(newJob());
    await admin.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rota' and datname = current_database()",
    );
    expect(await store.claim()).toHaveLength(1);
  });
});
