import { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterEach, expect, it, vi } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import type { Outcome } from '../../../src/job/outcome.ts';
import type { StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { failure, newJob, request, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { type Dice, diceOf } from '../../support/dice.ts';
import type { StoreFolder } from './store-folder.ts';
import { useStoreFolders } from './store-folders.ts';

const makeFolder = useStoreFolders();
afterEach(() => {
  vi.restoreAllMocks();
});

function opened(linedMax?: number): { driver: StoreDriver; folder: StoreFolder } {
  const folder = makeFolder();
  return { driver: new StoreDriver(folder.open(linedMax === undefined ? {} : { linedMax })), folder };
}

const TYPES = ['test.job', 'test.other'];
const QUEUES = ['default', 'default', 'default', 'second'];
const PATHS = ['args.tenant', 'args.tenant', 'meta.tenant'];

const change = (queue: string, part: object): StoreRequest => request('changeQueue', { now: T0, queue, change: part });
const partition = (by = 'args.tenant', limit = 2): object => ({ partition: { by, limit } });
/** What is said of one store is said of all; what they answer and hold in the end is the same. */
class Stores {
  readonly #all = [opened(), opened(5), opened(0)];

  /** The replies of the first. */
  async group(...requests: StoreRequest[]): Promise<StoreReply[]> {
    const [first = [], ...others] = await Promise.all(this.#all.map(({ driver }) => driver.group(...requests)));
    for (const other of others) expect(told(other)).toEqual(told(first));
    return first;
  }

  async restart(): Promise<void> {
    for (const [at, one] of this.#all.entries()) {
      await one.driver.store.close();
      one.driver.store = one.folder.open({ linedMax: [20_000, 5, 0][at] ?? 0 });
    }
  }

  async expectSame(): Promise<void> {
    const rows: unknown[] = [];
    for (const { driver, folder } of this.#all) {
      await driver.expectCountsHold();
      await driver.store.close();
      using db = new DatabaseSync(folder.path);
      const columns = 'seq, id, queue, state, run, attempt, priority, scheduled_at, partition_key, args';
      rows.push(db.prepare(`select ${columns} from jobs order by seq`).all());
      // No job that waits in a queue with partitions is in both ways to wait, and all that are set aside can be found.
      const lost = `select queue from jobs where state = 'available' and aside is not null
        and not exists (select 1 from set_aside where set_aside.queue = jobs.queue and set_aside.type = jobs.type)`;
      expect(db.prepare(lost).all()).toEqual([]);
    }
    expect(rows[1]).toEqual(rows[0]);
    expect(rows[2]).toEqual(rows[0]);
  }
}

/** What replies say, but for the facts of claims, which come by where jobs were picked. */
const told = (replies: readonly StoreReply[]): unknown =>
  replies.map((reply) => {
    if (!reply.ok) return reply;
    const isInsert = Array.isArray(reply.answer) && reply.answer.some((one) => 'conflict' in one);
    return {
      answer: isInsert ? undefined : reply.answer,
      facts: reply.facts.map(({ id, what }) => `${id} ${what}`).sort(),
    };
  });

/** A test's jobs as they go. */
interface Going {
  now: number;
  ids: string[];
  running: ClaimedJob[];
}

/** New jobs; those that come with a claim meet no other by their keys or ids, for what waits may begin before they are stored. */
function someJobs({ below, one, random }: Dice, { now, ids }: Going, meets = true): NewJob[] {
  const alike = { type: one(TYPES), queue: one(QUEUES), priority: one([5, 5, 1]), scheduledAt: now, insertedAt: now };
  return Array.from({ length: 1 + below(one([2, 12, 45])) }, () => {
    const job = newJob({ ...alike, args: { tenant: one(['a', 'b', 'c', 'd', 'e', null]) } });
    if (random() < 0.05) job.deadlineAt = now + below(3_000);
    if (random() < 0.05) job.meta = { tenant: one(['a', 'b']) };
    if (random() < 0.05) Object.assign(job, { state: 'scheduled', scheduledAt: now + below(4_000) });
    if (meets && random() < 0.03 && ids.length > 0) job.id = one(ids);
    if (meets && random() < 0.04) {
      const onConflict = { kind: 'replace' as const, fields: ['args' as const, 'priority' as const] };
      job.unique = { key: one(['x', 'y']), states: ['available', 'scheduled'], withinMs: null, onConflict };
    }
    return job;
  });
}

/** One thing that may be done; claims take all that they may, so that it is one set in whichever order partitions have their turns. */
function anyRequest(dice: Dice, going: Going): StoreRequest[] {
  const { below, one } = dice;
  const { now, ids, running } = going;
  const claim = (): StoreRequest =>
    request('claim', {
      now,
      queue: one(QUEUES),
      worker: 'worker-a',
      node: 'node-a',
      limit: 999,
      types: one([TYPES, TYPES, ['test.job']]),
    });
  const insert = (meets?: false): StoreRequest => {
    const jobs = someJobs(dice, going, meets);
    ids.push(...jobs.map(({ id }) => id));
    return request('insert', { jobs });
  };
  const settle = (): StoreRequest => {
    const outcomes = running.splice(0, 1 + below(12)).map(({ id, attempt, run }) => {
      const end = one<Outcome>([
        { outcome: 'complete', result: null },
        { outcome: 'complete', result: null },
        { outcome: 'release' },
        { outcome: 'snooze', forMs: 500 },
        failure('later', 700),
      ]);
      return { id, attempt, run, ...end };
    });
    return request('settle', { now, worker: 'worker-a', outcomes });
  };
  const id = ids.length > 0 ? one(ids) : newJob().id;
  const draw = below(100);
  if (draw < 30) return [insert()];
  if (draw < 45) return [claim()];
  if (draw < 57) return [insert(false), claim()];
  if (draw < 72) return [settle()];
  if (draw < 77) return [settle(), insert(false), claim()];
  if (draw < 82) return [request('stage', { now, limit: 99 })];
  if (draw < 84) return [request('expire', { now, limit: 99 })];
  if (draw < 87) return [request('cancel', { now, id, terminate: false })];
  if (draw < 90) return [request('retry', { now, id })];
  if (draw < 93) {
    const changes = one([{ args: { tenant: one(['a', 'z']) } }, { priority: one([1, 9]) }, { queue: one(QUEUES) }]);
    return [request('update', { now, id, changes })];
  }
  if (draw < 94)
    return [
      request('sweep', {
        now,
        action: one(['delete', 'retry']),
        filter: { queue: one(QUEUES) },
        terminate: false,
        limit: 5,
      }),
    ];
  if (draw < 96)
    return [change('default', one([partition(one(PATHS), 1 + below(4)), { partition: null }, partition()]))];
  if (draw < 97) return [change(one(QUEUES), { paused: one([true, false]) })];
  return [request('rescue', { now, deadBefore: now + 1, limit: 3 })];
}

async function someTime(seed: number): Promise<number> {
  const dice = diceOf(seed);
  const stores = new Stores();
  const going: Going = { now: T0, ids: [], running: [] };
  let claimed = 0;
  await stores.group(change('default', partition()), change('second', partition('args.tenant', 1)));
  for (let step = 0; step < 70; step += 1) {
    going.now += dice.below(400);
    const requests = anyRequest(dice, going);
    const replies = await stores.group(...requests);
    for (const [at, reply] of replies.entries()) {
      if (!reply.ok || requests[at]?.verb !== 'claim') continue;
      const jobs = reply.answer as ClaimedJob[];
      claimed += jobs.length;
      going.running.push(...jobs);
    }
    while (requests[0]?.verb === 'changeQueue') {
      const sorted = await stores.group(request('sortPartitions', { queue: 'default', limit: 20 }));
      if (sorted.every((reply) => reply.ok && (reply.answer as { done: boolean }).done)) break;
      if (dice.random() < 0.3) await stores.group(request('insert', { jobs: someJobs(dice, going) }));
    }
    if (dice.random() < 0.03) await stores.restart();
  }
  await stores.expectSame();
  return claimed;
}

it('claims the same from lines, from the index, and while one becomes the other', async () => {
  let claimed = 0;
  for (let seed = Number(process.env.SEED ?? 1), count = Number(process.env.SEEDS ?? 12); count > 0; seed++, count--) {
    try {
      claimed += await someTime(seed);
    } catch (thrown) {
      throw new Error(`seed ${seed}`, { cause: thrown });
    }
  }
  expect(claimed).toBeGreaterThan(1_000);
});

const tenants = (count: number, keys: number): NewJob[] =>
  Array.from({ length: count }, (_, at) => newJob({ args: { tenant: `t${at % keys}` } }));

/** What jobs are asked for until the end of the test. */
function reads(): string[] {
  const texts: string[] = [];
  const all = StatementSync.prototype.all;
  vi.spyOn(StatementSync.prototype, 'all').mockImplementation(function (this: StatementSync, ...values) {
    if (/\bjobs\b/.test(this.sourceSQL)) texts.push(`${this.sourceSQL.replaceAll(/\s+/g, ' ')} ${values[0]}`);
    return all.apply(this, values);
  });
  return texts;
}

it('claims from a line without a look at any row or index', async () => {
  const { driver } = opened();
  await driver.group(change('default', partition()));
  await driver.insert(...tenants(90, 9));
  // What executes is counted when it is first asked for.
  await driver.claim({ limit: 1, types: ['test.none'] });
  const texts = reads();
  const claimed = await driver.claim({ limit: 99 });
  expect(claimed.map(({ args }) => args)).toEqual(tenants(18, 9).map(({ args }) => args));
  const [job] = claimed.slice(4);
  if (job === undefined) return expect.unreachable('eighteen are claimed');
  await driver.complete(job);
  expect((await driver.claim({ limit: 99 })).map(({ args }) => args)).toEqual([{ tenant: 't4' }]);
  expect(texts).toEqual([]);
});

it('reads again what has changed in a line, and nothing else', async () => {
  const { driver } = opened();
  await driver.group(change('default', partition()));
  const jobs = tenants(90, 9);
  await driver.insert(...jobs);
  await driver.do('cancel', { now: T0, id: jobs[0]?.id ?? '', terminate: false });
  await driver.do('update', { now: T0, id: jobs[1]?.id ?? '', changes: { args: { tenant: 'new' } } });
  const texts = reads();
  expect(await driver.claim({ limit: 99 })).toHaveLength(19);
  const places = texts.filter((text) => text.startsWith('select seq, partition_key, type'));
  expect(places).toEqual([expect.stringMatching(/where seq in .* \[1,2\]$/)]);
});

it('sets a line aside that is too long, and begins another one when all of it was claimed', async () => {
  const { driver, folder } = opened(50);
  await driver.group(change('default', partition('args.tenant', 100)));
  const aside = (): unknown => {
    using db = new DatabaseSync(folder.path, { readOnly: true });
    return db.prepare("select count(*) as jobs from jobs where state = 'available' and aside is not null").get()?.jobs;
  };
  const counts: unknown[] = [];
  for (const count of [50, 1]) {
    await driver.insert(...tenants(count, 7));
    await driver.store.close();
    counts.push(aside());
    driver.store = folder.open({ linedMax: 50 });
  }
  expect(await driver.claim({ limit: 99 })).toHaveLength(51);
  await driver.insert(...tenants(3, 7));
  await driver.store.close();
  expect([...counts, aside()]).toEqual([0, 51, 0]);
});

it('finds what was set aside once its queue has partitions no more, in order', async () => {
  const { driver } = opened(5);
  await driver.group(change('default', partition()));
  const jobs = tenants(30, 4);
  await driver.insert(...jobs);
  await driver.group(change('default', { partition: null }));
  const later = newJob({ priority: 1 });
  await driver.insert(later);
  expect((await driver.claim({ limit: 99 })).map(({ id }) => id)).toEqual([later.id, ...jobs.map(({ id }) => id)]);
});

it('finds a job that was set aside, cancelled and retried once its queue has partitions no more', async () => {
  const { driver } = opened(0);
  await driver.group(change('default', partition()));
  const [job, other] = tenants(2, 2);
  if (job === undefined || other === undefined) return expect.unreachable('there are two');
  await driver.insert(job, other);
  await driver.do('cancel', { now: T0, id: job.id, terminate: false });
  // All that was set aside is gone, and nothing is known of that any more.
  expect(await driver.claim()).toHaveLength(1);
  expect(await driver.claim()).toEqual([]);
  await driver.group(change('default', { partition: null }));
  await driver.do('retry', { now: T0, id: job.id });
  expect(await driver.claim()).toHaveLength(1);
});

it('loses none of many that are set aside as they come, one of them by an id that is there', async () => {
  const { driver } = opened(20);
  await driver.group(change('default', partition('args.tenant', 99)), change('second', partition()));
  const there = newJob({ queue: 'third' });
  await driver.insert(there, ...tenants(5, 5).map((job) => ({ ...job, queue: 'second' })));
  await driver.insert(...tenants(20, 3).map((job, at) => (at === 0 ? { ...job, id: there.id } : job)));
  expect(await driver.claim({ limit: 99 })).toHaveLength(19);
});

it('does nothing to a queue that is being sorted when somebody claims of it', async () => {
  const { driver } = opened(5);
  await driver.insert(...tenants(30, 3));
  await driver.group(change('default', partition()));
  await driver.do('sortPartitions', { queue: 'default', limit: 2 });
  const run = vi.spyOn(StatementSync.prototype, 'run');
  const texts = reads();
  expect(await driver.claim()).toEqual([]);
  expect(texts).toEqual([]);
  const updates = run.mock.contexts.map((statement) => (statement as StatementSync).sourceSQL);
  expect(updates.filter((sql) => sql.includes('update jobs'))).toEqual([]);
});

it.each(['insert', 'claim', 'cancel'] as const)(
  'knows what waits after a disk that failed the commit of a group with %s',
  async (what) => {
    const { driver } = opened();
    await driver.group(change('default', partition()));
    const [jobs, others] = [tenants(6, 3), tenants(6, 3)];
    await driver.insert(...jobs);
    const run = StatementSync.prototype.run;
    const spy = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
      if (this.sourceSQL === 'commit') throw Object.assign(new Error('disk I/O error'), { errcode: 10 });
      return run.apply(this, values);
    });
    const claim = request('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', limit: 4 });
    const group = {
      insert: [request('insert', { jobs: others }), claim],
      claim: [claim],
      cancel: [request('cancel', { now: T0, id: jobs[0]?.id ?? '', terminate: false })],
    }[what];
    await expect(driver.group(...group)).rejects.toMatchObject({ code: 'unavailable' });
    spy.mockRestore();
    expect((await driver.claim({ limit: 99 })).map(({ id }) => id)).toEqual(jobs.map(({ id }) => id));
    await driver.expectCountsHold();
  },
);
