import { DatabaseSync, StatementSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import type { StoreAnswer, StoreOptions, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { newJob, request, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

let folders: StoreFolder[];
beforeEach(() => {
  folders = [];
});
afterEach(async () => {
  vi.restoreAllMocks();
  for (const folder of folders) await folder.dispose();
});

function opened(): { driver: StoreDriver; path: string } {
  const folder = new StoreFolder();
  folders.push(folder);
  return { driver: new StoreDriver(folder.open()), path: folder.path };
}

const worker = { worker: 'worker-a', node: 'node-a' };
const claimOf = (part: Partial<StoreOptions<'claim'>> = {}): StoreRequest =>
  request('claim', {
    now: T0 + 7,
    queue: 'default',
    ...worker,
    limit: 10,
    bytesMax: 9_999,
    types: ['test.job'],
    ...part,
  });

/** What is written of jobs, by column, with what is counted and who works. */
function written(path: string): unknown {
  using db = new DatabaseSync(path);
  const all = (table: string): unknown => db.prepare(`select * from ${table} order by 1, 2`).all();
  return { jobs: all('jobs'), counts: all('job_counts where jobs <> 0'), workers: all('workers') };
}

/** What is written of jobs until the end of the test, one word for each statement. */
function writes(): string[] {
  const texts: string[] = [];
  const run = StatementSync.prototype.run;
  vi.spyOn(StatementSync.prototype, 'run').mockImplementation(function (this: StatementSync, ...values) {
    const [what = ''] = this.sourceSQL.split(' ');
    if (/\b(into|update) jobs\b/.test(this.sourceSQL)) texts.push(/'executing'/.test(this.sourceSQL) ? 'begin' : what);
    return run.apply(this, values);
  });
  return texts;
}

/** Replies with all rows made: a store may make one only where it is looked at. */
const shown = (replies: readonly StoreReply[]): unknown[] =>
  replies.map((reply) => {
    const isInsert = reply.ok && Array.isArray(reply.answer) && reply.answer.some((one) => 'conflict' in one);
    if (!isInsert) return reply;
    const inserted = reply.answer as StoreAnswer<'insert'>;
    return { ...reply, answer: inserted.map(({ job, conflict }) => ({ job, conflict })) };
  });

/** Does the same in one group and one by one, and expects the same answers, facts and rows. */
async function expectSame(
  requests: () => StoreRequest[],
  before: (driver: StoreDriver) => Promise<unknown> = async () => {},
): Promise<string[]> {
  const [together, apart] = [opened(), opened()];
  for (const { driver } of [together, apart]) await before(driver);
  const texts = writes();
  const replies = shown(await together.driver.group(...requests()));
  const wrote = [...texts];
  const others: unknown[] = [];
  for (const one of requests()) others.push(...shown(await apart.driver.group(one)));
  expect(replies).toEqual(others);
  for (const { driver } of [together, apart]) {
    await driver.expectCountsHold();
    await driver.store.close();
  }
  expect(written(together.path)).toEqual(written(apart.path));
  return wrote;
}

it('writes a job that the claim behind its insert takes once, and as two would have', async () => {
  const job = newJob();
  expect(await expectSame(() => [request('insert', { jobs: [job] }), claimOf()])).toEqual(['begin']);
});

it('does so again and again, and where nothing is waiting any more', async () => {
  const jobs = Array.from({ length: 4 }, (_, at) => newJob({ args: { at }, priority: at }));
  const requests = () => jobs.flatMap((job) => [request('insert', { jobs: [job] }), claimOf()]);
  const before = async (driver: StoreDriver) => driver.running({ id: '0199aaaa-0000-7000-8000-00000000000a' });
  expect(await expectSame(requests, before)).toEqual(['begin', 'begin', 'begin', 'begin']);
});

const say = (change: StoreOptions<'changeQueue'>['change']) => (driver: StoreDriver) =>
  driver.do('changeQueue', { now: T0, queue: 'default', change });
const ID = '0199aaaa-0000-7000-8000-00000000000b';

/** Where a claim does not take the job, or not it alone, or the row is not a plain one. */
const OTHERWISE: Record<
  string,
  { job?: Partial<NewJob>; claim?: Partial<StoreOptions<'claim'>>; before?: (driver: StoreDriver) => Promise<unknown> }
> = {
  'another job waits before it': { before: (driver) => driver.insert(newJob({ id: ID })), claim: { limit: 1 } },
  'another job waits behind it': { before: (driver) => driver.insert(newJob({ id: ID, priority: 9 })) },
  'the claim takes other types': { claim: { types: ['test.other'] } },
  'the claim is of another queue': { claim: { queue: 'other' } },
  'it is for later': { job: { state: 'scheduled', scheduledAt: T0 + 9_000 } },
  'it has a time limit': { job: { timeoutMs: 50 } },
  'it is unique': {
    job: { unique: { key: 'k', states: ['available'], withinMs: null, onConflict: { kind: 'keep' } } },
  },
  'it has tags': { job: { tags: ['a'] } },
  'the queue is paused': { before: say({ paused: true }) },
  'the queue is full': { before: say({ globalLimit: 1 }) },
  'the queue has a rate': { before: say({ rate: { limit: 1, periodMs: 1_000 } }) },
  'the queue has partitions': { before: say({ partition: { by: 'args.to', limit: 1 } }) },
};

it.each(Object.keys(OTHERWISE))('goes the usual way where %s', async (name) => {
  const { job: part, claim, before } = OTHERWISE[name] ?? {};
  const job = newJob(part);
  const wrote = await expectSame(() => [request('insert', { jobs: [job] }), claimOf(claim)], before);
  expect(wrote).not.toContain('begin');
});

it('answers the job that is there by its id, which the claim does not get again', async () => {
  const job = newJob({ id: ID });
  const before = (driver: StoreDriver) => driver.running({ id: ID });
  await expectSame(() => [request('insert', { jobs: [job] }), claimOf()], before);
});

it('leaves nothing half begun where the group fails and each of it is done by itself', async () => {
  const { driver } = opened();
  const [job, broken] = [newJob(), newJob()];
  Object.assign(broken, { queue: null });
  const replies = await driver.group(
    request('insert', { jobs: [job] }),
    claimOf(),
    request('insert', { jobs: [broken] }),
  );
  expect(replies.map(({ ok }) => ok)).toEqual([true, true, false]);
  expect(replies[1]).toMatchObject({ answer: [{ id: job.id, run: 1 }] });
  expect(await driver.job(job.id)).toMatchObject({ state: 'executing', worker: 'worker-a', run: 1, attempt: 1 });
  await driver.complete({ id: job.id, attempt: 1, run: 1 });
  await driver.expectCountsHold();
});
