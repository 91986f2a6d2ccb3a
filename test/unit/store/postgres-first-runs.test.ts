import { expect, it } from 'vitest';
import type { ClaimedJob } from '../../../src/job/job.ts';
import type { Outcome } from '../../../src/job/outcome.ts';
import { assert } from '../../../src/kernel/error.ts';
import { FirstRuns } from '../../../src/store/postgres/first-runs.ts';
import { usePostgresDrivers } from '../../conformance/store/postgres-drivers.ts';
import { failure, newJob, type StoreDriver, T0 } from '../../conformance/store/store-driver.ts';

const { driver } = usePostgresDrivers();

/** So many that first runs are settled by a statement of their own. */
const MANY = 60;
const DONE: Outcome = { outcome: 'complete', result: null };

async function running(store: StoreDriver, count = MANY): Promise<ClaimedJob[]> {
  await store.insert(...Array.from({ length: count }, (_, at) => newJob({ scheduledAt: T0 - count + at })));
  return store.claim({ limit: count });
}

/** Settles many at once, each as said by its place, else as done. */
function settleAll(store: StoreDriver, jobs: readonly ClaimedJob[], said: Record<number, object> = {}) {
  const outcomes = jobs.map(({ id, run, attempt, insertedAt }, at) => {
    return { id, run, attempt, insertedAt, ...DONE, ...said[at] };
  });
  return store.do('settle', { now: T0 + 250, worker: 'worker-a', outcomes });
}

const at = (jobs: readonly ClaimedJob[], place: number): ClaimedJob => {
  const job = jobs[place];
  assert(job !== undefined, 'there is such a job');
  return job;
};

it('completes many first runs, tells each and answers each, and a repeat changes nothing', async () => {
  const store = await driver();
  const jobs = await running(store);
  const ids = jobs.map(({ id }) => id);
  const settled = ids.map((id) => ({ id, state: 'completed' }));
  expect(await settleAll(store, jobs)).toEqual({ settled, refused: [] });
  expect(store.facts.map(({ id }) => id)).toEqual(ids);
  const { id, type, queue } = at(jobs, 7);
  const fact = { what: 'completed', id, type, queue, state: 'completed', run: 1, attempt: 1, maxAttempts: 20 };
  expect(store.facts[7]).toMatchObject({ ...fact, at: T0 + 250, durationMs: 250, outboxSeq: expect.any(Number) });
  expect(await store.job(id)).toMatchObject({ state: 'completed', finishedAt: T0 + 250, result: null, errors: [] });
  expect(await settleAll(store, jobs)).toEqual({ settled, refused: [] });
  expect(store.facts).toEqual([]);
});

it('settles by itself what says more than that it is done, or is said twice', async () => {
  const store = await driver();
  const jobs = await running(store);
  const twice = [...jobs, at(jobs, 5)];
  const said = { 1: { result: { sum: 3 } }, 2: failure(), 3: { run: 2 }, 4: { insertedAt: T0 + 9 } };
  const { settled, refused } = await settleAll(store, twice, said);
  expect(refused).toEqual([3, 4].map((place) => ({ id: at(jobs, place).id, reason: 'not_owner' })));
  expect(settled).toHaveLength(MANY - 1);
  expect(store.facts.filter(({ id }) => id === at(jobs, 5).id)).toHaveLength(1);
  expect(await store.job(at(jobs, 1).id)).toMatchObject({ state: 'completed', result: { sum: 3 } });
  expect((await store.job(at(jobs, 2).id)).state).toBe('retryable');
  for (const place of [3, 4]) expect((await store.job(at(jobs, place).id)).state).toBe('executing');
});

it('leaves what another store has cancelled, handed on or settled meanwhile', async () => {
  const [one, other] = [await driver(), await driver()];
  const jobs = await running(one);
  await other.do('cancel', { now: T0, id: at(jobs, 1).id, terminate: false });
  await other.settle(at(jobs, 2), { outcome: 'release' });
  const [again] = await other.claim({ limit: 1, worker: 'worker-b' });
  expect(again).toMatchObject({ id: at(jobs, 2).id, run: 2, attempt: 1 });
  await other.settle(at(jobs, 3), DONE);
  const { settled, refused } = await settleAll(one, jobs);
  expect(refused).toEqual([
    { id: at(jobs, 1).id, reason: 'not_executing' },
    { id: at(jobs, 2).id, reason: 'not_owner' },
  ]);
  expect(settled).toHaveLength(MANY - 2);
  expect(one.facts).toHaveLength(MANY - 3);
  expect(await one.job(at(jobs, 2).id)).toMatchObject({ state: 'executing', run: 2, worker: 'worker-b' });
});

it('completes no later job that has the id of one that was deleted', async () => {
  const [one, other] = [await driver(), await driver()];
  const jobs = await running(one);
  const { id } = at(jobs, 9);
  await other.do('cancel', { now: T0, id, terminate: false });
  await other.do('delete', { now: T0, id });
  await other.insert(newJob({ id, insertedAt: T0 + 5, scheduledAt: T0 }));
  const [later] = await other.claim({ limit: 1 });
  expect(later).toMatchObject({ id, run: 1, attempt: 1 });
  const { settled, refused } = await settleAll(one, jobs);
  expect(refused).toEqual([{ id, reason: 'not_owner' }]);
  expect(settled).toHaveLength(MANY - 1);
  expect(one.facts.map((fact) => fact.id)).not.toContain(id);
  expect(await one.job(id)).toMatchObject({ state: 'executing', insertedAt: T0 + 5 });
});

it('reads what it does not know: what another store has claimed', async () => {
  const [one, other] = [await driver(), await driver()];
  const jobs = await running(one);
  expect((await settleAll(other, jobs)).settled).toHaveLength(MANY);
  expect(other.facts.map(({ durationMs }) => durationMs)).toEqual(jobs.map(() => 250));
});

it('keeps the newest of so many', () => {
  const runs = new FirstRuns();
  const run = (id: string, insertedAt = T0) => {
    const common = { type: 't', queue: 'q', maxAttempts: 1, schedule: null };
    return { ...common, id, seq: 1, attemptedAt: T0, insertedAt };
  };
  runs.keep([run('first'), run('second'), run('first', T0 + 1)]);
  expect(runs.take('first', T0)).toBeUndefined();
  runs.keep(Array.from({ length: 19_999 }, (_, index) => run(`${index}`)));
  expect(runs.take('second')).toBeUndefined();
  expect(runs.take('first', T0 + 1)).toMatchObject({ id: 'first' });
  expect(runs.take('first')).toBeUndefined();
});
