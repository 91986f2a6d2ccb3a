import { expect, it } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import type { JobState } from '../../../src/job/state.ts';
import { assert } from '../../../src/kernel/error.ts';
import type { StoreSuite } from './store-conformance.ts';
import { failure, laterJob, newJob, type StoreDriver, T0 } from './store-driver.ts';

/** A job in every state, each in a queue of its own. */
export async function jobInEach(driver: StoreDriver, part: Partial<NewJob> = {}): Promise<Record<JobState, string>> {
  const [scheduled, available] = [laterJob(T0 + 1_000, part), newJob({ ...part, queue: 'available' })];
  await driver.insert(scheduled, available);
  const run = async (queue: string, more: Partial<NewJob> = {}) => driver.running({ ...part, ...more, queue });
  const executing = await run('executing');
  const retryable = await run('retryable');
  await driver.settle(retryable, failure('x', 1_000));
  const completed = await run('completed');
  await driver.settle(completed, { outcome: 'complete', result: { n: 1 } });
  const cancelled = await run('cancelled');
  await driver.do('cancel', { now: T0, id: cancelled.id, terminate: false });
  const discarded = await run('discarded', { maxAttempts: 1 });
  await driver.settle(discarded, failure());
  const ids = { scheduled, available, executing, retryable, completed, cancelled, discarded };
  // The keys are the states.
  return Object.fromEntries(Object.entries(ids).map(([state, { id }]) => [state, id])) as Record<JobState, string>;
}

/** Retry, update, delete and deadlines of one job. */
export function changeCases({ driver, reopen }: StoreSuite): void {
  const now = T0 + 7;
  const stateOf = async (id: string) => (await driver().job(id)).state;
  const retry = (id: string) => driver().do('retry', { now, id });
  const remove = (id: string) => driver().do('delete', { now, id });
  const update = (id: string, changes: object, at = now) => driver().do('update', { now: at, id, changes });
  const nothing = { job: null, conflict: false };

  it('retries by hand from every state but available and executing', async () => {
    const ids = await jobInEach(driver());
    for (const state of ['scheduled', 'retryable', 'completed', 'cancelled', 'discarded'] as const) {
      const { job, conflict } = await retry(ids[state]);
      expect(conflict).toBe(false);
      expect(job).toMatchObject({ state: 'available', scheduledAt: now, finishedAt: null, result: null });
      expect(driver().facts).toEqual([
        expect.objectContaining({ what: 'retried', id: ids[state], state: 'available' }),
      ]);
      expect(await driver().job(ids[state])).toEqual(job);
    }
    for (const state of ['available', 'executing'] as const) {
      const before = await driver().job(ids[state]);
      expect(await retry(ids[state])).toEqual({ job: before, conflict: true });
      expect(driver().facts).toEqual([]);
    }
    expect(await retry(newJob().id)).toEqual(nothing);
  });

  it('gives a retried job one more attempt where none is left, and keeps its errors', async () => {
    const job = await driver().running({ maxAttempts: 1 });
    await driver().settle(job, failure());
    expect((await retry(job.id)).job).toMatchObject({ attempt: 1, maxAttempts: 2, errors: [{ kind: 'error' }] });
    const [again] = await driver().claim({ now });
    assert(again?.id === job.id, 'it is claimed again');
    expect([again.attempt, again.run]).toEqual([2, 2]);
    await driver().settle(again, { outcome: 'complete', result: 2 }, { now });
    expect(await driver().job(job.id)).toMatchObject({ state: 'completed', result: 2, maxAttempts: 2 });
    const plenty = await driver().running({ maxAttempts: 9 });
    await driver().complete(plenty);
    expect((await retry(plenty.id)).job?.maxAttempts).toBe(9);
  });

  it('refuses the run before a retry, and still tells its worker that it was cancelled', async () => {
    const job = await driver().running();
    await driver().do('cancel', { now: T0, id: job.id, terminate: true });
    await retry(job.id);
    expect((await driver().complete(job)).refused).toEqual([{ id: job.id, reason: 'not_executing' }]);
    expect(await driver().beat([job])).toEqual({ cancel: [{ id: job.id, terminate: true }], lost: [] });
    const [again] = await driver().claim({ now, worker: 'worker-b' });
    assert(again !== undefined, 'it is claimed again');
    expect((await driver().complete(job)).refused).toEqual([{ id: job.id, reason: 'not_owner' }]);
    expect(await driver().beat([job])).toEqual({ cancel: [], lost: [job.id] });
    await driver().complete(again, { worker: 'worker-b' });
    expect(await stateOf(job.id)).toBe('completed');
  });

  it('deletes what does not execute, and answers it as it was', async () => {
    const ids = await jobInEach(driver());
    const executing = await driver().job(ids.executing);
    expect(await remove(ids.executing)).toEqual({ job: executing, conflict: true });
    for (const [state, id] of Object.entries(ids)) {
      if (state === 'executing') continue;
      const before = await driver().job(id);
      expect(await remove(id)).toEqual({ job: before, conflict: false });
      expect(driver().facts).toEqual([expect.objectContaining({ what: 'deleted', id, state })]);
      expect(await remove(id)).toEqual(nothing);
    }
    expect((await driver().do('count', { filter: {} })).total).toBe(1);
  });

  it('keeps what a deleted job has to tell until it is told', async () => {
    const job = await driver().running();
    await driver().complete(job);
    await remove(job.id);
    if (driver().store.capabilities.durable) await reopen();
    const facts = await driver().do('unannounced', { after: 0, limit: 9 });
    expect(facts.map(({ what, id }) => [what, id])).toEqual([['completed', job.id]]);
  });

  it('changes fields in every state but executing', async () => {
    const ids = await jobInEach(driver());
    const changes = { args: [1], priority: 0, queue: 'moved', maxAttempts: 7, tags: ['t'], meta: { m: 1 } };
    for (const [state, id] of Object.entries(ids)) {
      const before = await driver().job(id);
      const executes = state === 'executing';
      const after = executes ? before : { ...before, ...changes };
      expect(await update(id, changes)).toEqual({ job: after, conflict: executes });
      expect(driver().whats()).toEqual(executes ? [] : ['updated']);
      expect(await driver().job(id)).toEqual(after);
      await update(id, changes);
      expect(driver().facts).toEqual([]);
    }
    expect((await driver().do('count', { filter: { queue: 'moved' } })).total).toBe(6);
    expect(await update(newJob().id, changes)).toEqual(nothing);
  });

  it('moves a waiting job with its time, and no other', async () => {
    const ids = await jobInEach(driver());
    const later = { scheduledAt: now + 500 };
    for (const state of ['scheduled', 'available', 'retryable'] as const) {
      expect((await update(ids[state], later)).job).toMatchObject({ state: 'scheduled', ...later });
      expect(driver().facts).toEqual([expect.objectContaining({ what: 'updated', nextAt: now + 500 })]);
      expect((await update(ids[state], { scheduledAt: now })).job).toMatchObject({
        state: 'available',
        scheduledAt: now,
      });
      expect((await update(ids[state], { scheduledAt: T0 - 5 })).job).toMatchObject({ state: 'available' });
    }
    for (const state of ['executing', 'completed', 'cancelled', 'discarded'] as const) {
      expect((await update(ids[state], later)).conflict).toBe(true);
      expect(await stateOf(ids[state])).toBe(state);
    }
  });

  it('serves a changed job by its new queue, priority and time', async () => {
    const [first, second] = [newJob(), newJob()];
    await driver().insert(first, second);
    await update(second.id, { priority: 0 });
    expect((await driver().claim({ limit: 1 })).map(({ id }) => id)).toEqual([second.id]);
    await update(first.id, { queue: 'moved', args: { n: 2 } });
    expect(await driver().claim()).toEqual([]);
    expect(await driver().claim({ queue: 'moved' })).toMatchObject([{ id: first.id, args: { n: 2 } }]);
  });

  it('leaves a waiting job at least one attempt, whatever the change says', async () => {
    const job = await driver().running();
    await driver().settle(job, failure());
    expect((await update(job.id, { maxAttempts: 1 })).job?.maxAttempts).toBe(2);
  });

  it('passes over a job from its deadline on, and expires it', async () => {
    const [late, soon, free] = [newJob({ deadlineAt: T0 + 10 }), newJob({ deadlineAt: T0 + 20 }), newJob()];
    await driver().insert(late, soon, free);
    expect(await driver().do('expire', { now: T0 + 9, limit: 9 })).toEqual({ expired: 0, nextAt: T0 + 10 });
    expect((await driver().claim({ now: T0 + 10 })).map(({ id }) => id)).toEqual([soon.id, free.id]);
    expect(await driver().do('expire', { now: T0 + 10, limit: 9 })).toEqual({ expired: 1, nextAt: null });
    expect(driver().facts).toEqual([
      expect.objectContaining({
        what: 'cancelled',
        id: late.id,
        error: expect.objectContaining({ kind: 'cancelled' }),
      }),
    ]);
    expect(await driver().job(late.id)).toMatchObject({
      state: 'cancelled',
      finishedAt: T0 + 10,
      attempt: 0,
      errors: [],
    });
    const told = await driver().do('unannounced', { after: 0, limit: 9 });
    expect(told).toEqual([expect.objectContaining({ id: late.id, what: 'cancelled' })]);
    expect(await driver().do('expire', { now: T0 + 99, limit: 9 })).toEqual({ expired: 0, nextAt: null });
  });

  it('expires what waits in any state, in bounded steps, the oldest deadline first', async () => {
    const ids = await jobInEach(driver(), { deadlineAt: T0 + 50 });
    await driver().insert(newJob({ deadlineAt: T0 + 20 }));
    expect(await driver().do('expire', { now: T0 + 60, limit: 1 })).toEqual({ expired: 1, nextAt: T0 + 50 });
    expect(await driver().do('expire', { now: T0 + 60, limit: 9 })).toEqual({ expired: 3, nextAt: null });
    for (const [state, id] of Object.entries(ids)) {
      const waits = ['scheduled', 'available', 'retryable'].includes(state);
      expect(await stateOf(id), state).toBe(waits ? 'cancelled' : state);
    }
    const [cancelled] = await driver().do('get', { ids: [ids.retryable] });
    expect(cancelled?.errors).toHaveLength(1);
  });

  it('lifts a deadline that has passed when the job is retried by hand, and keeps one to come', async () => {
    const [past, coming] = [newJob({ deadlineAt: T0 + 5 }), newJob({ deadlineAt: T0 + 500 })];
    await driver().insert(past, coming);
    await driver().do('expire', { now, limit: 9 });
    await driver().do('cancel', { now, id: coming.id, terminate: false });
    expect((await retry(past.id)).job?.deadlineAt).toBeNull();
    expect((await retry(coming.id)).job?.deadlineAt).toBe(T0 + 500);
    expect(await driver().do('expire', { now: T0 + 500, limit: 9 })).toEqual({ expired: 1, nextAt: null });
    expect(await driver().claim({ now: T0 + 500 })).toMatchObject([{ id: past.id }]);
  });
}
