import { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { newJob, request, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

let here: StoreFolder;
beforeEach(() => {
  here = new StoreFolder();
});
afterEach(async () => {
  vi.restoreAllMocks();
  await here.dispose();
});

it('rejects the whole group as unavailable when the disk is full, and works on when it no longer is', async () => {
  const driver = new StoreDriver(here.open({ pagesMax: 120 }));
  const job = await driver.running();
  const small = newJob();
  const large = Array.from({ length: 100 }, () => newJob({ args: { text: 'x'.repeat(9_000) } }));
  const failing = driver.group(
    request('insert', { jobs: [small] }),
    request('settle', { now: T0, worker: 'worker-a', outcomes: [{ ...ref(job), outcome: 'complete', result: null }] }),
    request('insert', { jobs: large }),
  );
  await expect(failing).rejects.toMatchObject({ code: 'unavailable', cause: { errcode: 13 } });
  expect(await driver.do('get', { ids: [small.id, large[0]?.id ?? ''] })).toEqual([]);
  expect((await driver.job(job.id)).state).toBe('executing');
  expect(await driver.do('unannounced', { after: 0, limit: 9 })).toEqual([]);
  await driver.expectCountsHold();
  await driver.insert(small);
  expect((await driver.complete(job)).settled).toEqual([{ id: job.id, state: 'completed' }]);
  expect(driver.facts[0]?.outboxSeq).toBeGreaterThan(0);
  expect(await driver.do('unannounced', { after: 0, limit: 9 })).toHaveLength(1);
  await driver.expectCountsHold();
});

it.each(['begin immediate', 'commit'])(
  'rejects as unavailable when %s fails, and nothing was written',
  async (failing) => {
    const driver = new StoreDriver(here.open());
    const run = StatementSync.prototype.run;
    const fault = Object.assign(new Error('disk I/O error'), { errcode: 10 });
    const spy = vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
      if (this.sourceSQL === failing) throw fault;
      return run.apply(this, values);
    });
    const job = newJob();
    const group = [
      request('insert', { jobs: [job] }),
      request('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'n', limit: 1 }),
    ];
    await expect(driver.group(...group)).rejects.toMatchObject({ code: 'unavailable', cause: fault });
    spy.mockRestore();
    expect(await driver.do('get', { ids: [job.id] })).toEqual([]);
    await driver.expectCountsHold();
    // The worker's key and the claimed row were forgotten with the group.
    const [, claimed] = await driver.group(...group);
    expect(claimed).toMatchObject({ ok: true, answer: [{ id: job.id, run: 1 }] });
    expect(await driver.job(job.id)).toMatchObject({ worker: 'worker-a', node: 'n', run: 1 });
    expect((await driver.complete({ id: job.id, attempt: 1, run: 1 })).settled).toHaveLength(1);
  },
);

it('settles by the row and not by a claim that was rolled back', async () => {
  const driver = new StoreDriver(here.open());
  const job = newJob();
  await driver.insert(job);
  const broken = Object.assign(newJob(), { queue: null });
  const replies = await driver.group(
    request('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'n', limit: 1 }),
    request('insert', { jobs: [broken] }),
  );
  expect(replies.map(({ ok }) => ok)).toEqual([true, false]);
  expect((await driver.job(job.id)).run).toBe(1);
  expect((await driver.complete({ id: job.id, attempt: 1, run: 1 })).settled).toHaveLength(1);
});

it('tells nobody early of what began in a group that was done again, one by one', async () => {
  const driver = new StoreDriver(here.open());
  const job = newJob();
  const told: unknown[] = [];
  const broken = Object.assign(newJob(), { queue: null });
  const replies = await driver.store.perform(
    [
      request('insert', { jobs: [job] }),
      request('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'n', limit: 1 }),
      request('insert', { jobs: [broken] }),
    ],
    async (claims) => void told.push(claims),
  );
  expect(replies).toMatchObject([{ ok: true }, { ok: true, answer: [{ id: job.id }] }, { ok: false }]);
  expect(told).toEqual([]);
});

it('leaves no transaction open behind a failure', async () => {
  const driver = new StoreDriver(here.open({ pagesMax: 120 }));
  const large = Array.from({ length: 100 }, () => newJob({ args: { text: 'x'.repeat(9_000) } }));
  for (let round = 0; round < 3; round++) {
    await expect(driver.group(request('insert', { jobs: large }))).rejects.toMatchObject({ code: 'unavailable' });
    await driver.insert(newJob());
  }
  await driver.store.close();
  const db = new DatabaseSync(here.path);
  expect(db.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' });
  expect(db.prepare('select count(*) as jobs from jobs').get()).toEqual({ jobs: 3 });
  db.close();
});

const ref = ({ id, attempt, run }: { id: string; attempt: number; run: number }) => ({ id, attempt, run });
