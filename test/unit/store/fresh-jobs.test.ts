import { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FreshJobs } from '../../../src/store/sqlite/fresh-jobs.ts';
import { newJob, request, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

let here: StoreFolder;
let driver: StoreDriver;
beforeEach(() => {
  here = new StoreFolder();
  driver = new StoreDriver(here.open());
});
afterEach(async () => {
  vi.restoreAllMocks();
  await here.dispose();
});

/** The statements that are asked for rows of jobs until the end of the test. */
function reads(): string[] {
  const texts: string[] = [];
  const all = StatementSync.prototype.all;
  vi.spyOn(StatementSync.prototype, 'all').mockImplementation(function (this: StatementSync, ...values) {
    if (/\bjobs\b/.test(this.sourceSQL)) texts.push(this.sourceSQL.replaceAll(/\s+/g, ' '));
    return all.apply(this, values);
  });
  return texts;
}

const some = (count: number) => Array.from({ length: count }, (_, at) => newJob({ args: { at } }));
const claim = { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', limit: 99 };

it('claims what was just inserted without a look at its rows', async () => {
  await driver.insert(...some(43));
  const texts = reads();
  expect(await driver.claim({ limit: 99, bytesMax: 1_000_000 })).toHaveLength(43);
  expect(texts).toHaveLength(1);
  // A covering walk: only the index is asked, so nothing is read of the table but what is updated.
  await driver.store.close();
  const db = new DatabaseSync(here.path);
  const steps = db.prepare(`explain ${texts[0]}`).all();
  const table = steps.find(({ opcode, p4 }) => opcode === 'OpenRead' && !String(p4).startsWith('k('));
  expect(steps.filter(({ opcode, p1 }) => opcode === 'Column' && p1 === table?.p1)).toEqual([]);
  db.close();
});

it.each(['register a node', 'look for what is due and late', 'prune', 'settle'])(
  'still knows what was inserted after somebody came to %s',
  async (what) => {
    await driver.insert(...some(43));
    const [job] = await driver.claim({ limit: 1 });
    if (what === 'settle' && job !== undefined) await driver.complete(job);
    if (what === 'prune') {
      await driver.do('prune', { now: T0, keepMs: { completed: 9, cancelled: 9, discarded: 9 }, limit: 9 });
    }
    if (what === 'register a node') await driver.do('removeNode', { node: 'a', instance: 'b' });
    for (const verb of ['stage', 'expire'] as const) await driver.do(verb, { now: T0, limit: 9 });
    const texts = reads();
    expect(await driver.claim({ limit: 99 })).toHaveLength(42);
    expect(texts).toHaveLength(1);
  },
);

it('reads the rows of what it does not remember', async () => {
  await driver.insert(...some(43));
  await driver.store.close();
  driver = new StoreDriver(here.open());
  const texts = reads();
  expect(await driver.claim({ limit: 99 })).toHaveLength(43);
  expect(texts.filter((sql) => sql.includes('args'))).toHaveLength(1);
});

it('knows nothing of a group that was rolled back', async () => {
  const run = StatementSync.prototype.run;
  const fault = Object.assign(new Error('disk I/O error'), { errcode: 10 });
  const spy = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
    if (this.sourceSQL === 'commit') throw fault;
    return run.apply(this, values);
  });
  await expect(driver.group(request('insert', { jobs: some(43) }))).rejects.toMatchObject({ code: 'unavailable' });
  spy.mockRestore();
  const jobs = some(43).map((job) => ({ ...job, tags: ['real'] }));
  await driver.insert(...jobs);
  const got = await driver.claim({ limit: 99 });
  expect(got.map(({ id, tags }) => ({ id, tags }))).toEqual(jobs.map(({ id, tags }) => ({ id, tags })));
});

it('claims again what a claim took that was rolled back', async () => {
  const jobs = some(43);
  await driver.insert(...jobs);
  const broken = Object.assign(newJob(), { queue: null });
  // The request that nobody can answer has the group run once more, each on its own.
  const [first] = await driver.group(request('claim', claim), request('insert', { jobs: [broken] }));
  expect(first).toMatchObject({ ok: true, answer: jobs.map(({ id }) => ({ id, run: 1 })) });
  expect(await driver.claim({ limit: 99 })).toEqual([]);
});

it('remembers a bounded number of rows and characters, the newest', () => {
  const rows = new FreshJobs();
  const job = newJob();
  for (let first = 1; first <= 30_000; first += 20) {
    const own = Array.from({ length: 20 }, (_, at) => [`id-${first + at}`, '{}']).flat();
    rows.remember(first, job, own);
  }
  expect(rows.size).toBe(20_000);
  expect(rows.at([10_000])).toBeUndefined();
  expect(rows.at([10_001, 30_000])).toMatchObject([{ id: 'id-10001' }, { id: 'id-30000', args: '{}' }]);
  for (let place = 30_001; place <= 30_020; place++) rows.remember(place, job, ['large', 'x'.repeat(256 * 1024)]);
  expect(rows.size).toBe(16);
  rows.forget([30_020]);
  rows.remember(30_021, job, ['large', 'x'.repeat(256 * 1024)]);
  expect(rows.size).toBe(16);
  rows.drop();
  expect(rows.size).toBe(0);
});

it('looks at one place while others than those it remembers come first', async () => {
  await driver.insert(...some(60));
  await driver.store.close();
  driver = new StoreDriver(here.open());
  await driver.insert(...some(5));
  const found: number[] = [];
  const all = StatementSync.prototype.all;
  vi.spyOn(StatementSync.prototype, 'all').mockImplementation(function (this: StatementSync, ...values) {
    const rows = all.apply(this, values);
    if (/^select seq from/.test(this.sourceSQL)) found.push(rows.length);
    return rows;
  });
  for (const claimed of [20, 20, 20, 5]) {
    expect(await driver.claim({ limit: 20, bytesMax: 1_000_000 })).toHaveLength(claimed);
  }
  // At the end all that is left is remembered.
  expect(found).toEqual([20, 1, 1, 1, 5]);
});
