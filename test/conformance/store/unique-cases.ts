import { expect, it } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import { INCOMPLETE_STATES } from '../../../src/job/state.ts';
import type { UniqueClaim } from '../../../src/job/unique.ts';
import { assert } from '../../../src/kernel/error.ts';
import type { InsertResult } from '../../../src/store/job-store.ts';
import type { StoreSuite } from './store-conformance.ts';
import { failure, newJob, request, T0 } from './store-driver.ts';

/** A job that is unique by the key `k`, dated; `claim` is what its policy says beyond the defaults. */
function unique(part: Partial<NewJob> = {}, claim: Partial<UniqueClaim> = {}): NewJob {
  const job = newJob(part);
  const policy = { key: 'k', withinMs: null, states: INCOMPLETE_STATES, onConflict: { kind: 'keep' } } as const;
  return {
    ...job,
    state: job.scheduledAt > job.insertedAt ? 'scheduled' : 'available',
    unique: { ...policy, states: [...policy.states], ...claim },
  };
}

/** Uniqueness: what counts as the same, and what is done to the job that is there. */
export function uniqueCases(suite: StoreSuite): void {
  const { driver } = suite;
  const insertOne = async (job: NewJob): Promise<InsertResult> => {
    const [result] = await driver().insert(job);
    assert(result !== undefined, 'an insert answers');
    return result;
  };

  it('answers the job with the key, in one request, over requests of a group and later', async () => {
    const first = unique();
    const [a, b] = await driver().insert(first, unique(), newJob());
    expect([a?.conflict, b?.conflict, b?.job.id]).toEqual([false, true, first.id]);
    expect(driver().whats()).toEqual(['inserted', 'inserted']);
    const replies = await driver().group(
      request('insert', { jobs: [unique({}, { key: 'other' })] }),
      request('insert', { jobs: [unique({}, { key: 'other' }), unique()] }),
    );
    // Each reply answers an insert.
    const results = replies.flatMap((reply) => (reply.ok ? (reply.answer as InsertResult[]) : []));
    expect(results.map(({ conflict }) => conflict)).toEqual([false, true, true]);
    expect(await insertOne(unique())).toEqual({ job: await driver().job(first.id), conflict: true });
    expect((await driver().do('count', { filter: {} })).total).toBe(3);
  });

  it('answers the job of an id first, whatever its key', async () => {
    const [first, second] = [unique(), unique({}, { key: 'other' })];
    await driver().insert(first, second);
    expect((await insertOne({ ...unique(), id: second.id })).job.id).toBe(second.id);
    expect(driver().facts).toEqual([]);
  });

  it('counts only jobs in the states of the policy', async () => {
    const first = unique();
    await driver().insert(first);
    const [claimed] = await driver().claim();
    assert(claimed !== undefined, 'it is claimed');
    expect((await insertOne(unique({}, { states: ['scheduled', 'available', 'retryable'] }))).conflict).toBe(false);
    expect((await insertOne(unique({}, { states: ['executing'] }))).job.id).toBe(first.id);
    await driver().complete(claimed);
    expect((await insertOne(unique({}, { states: ['executing'] }))).conflict).toBe(false);
    expect((await insertOne(unique({}, { states: ['completed'] }))).job.id).toBe(first.id);
  });

  it('frees the key when the job ends or is deleted', async () => {
    for (const end of ['cancel', 'delete'] as const) {
      const result = await insertOne(unique());
      expect(result.conflict).toBe(false);
      expect((await insertOne(unique())).conflict).toBe(true);
      const { id } = result.job;
      if (end === 'cancel') await driver().do('cancel', { now: T0, id, terminate: false });
      else await driver().do('delete', { now: T0, id });
    }
    expect((await insertOne(unique())).conflict).toBe(false);
  });

  it('counts a job for as long as the policy says, from its insertion', async () => {
    const at = (ms: number) => unique({ insertedAt: T0 + ms, scheduledAt: T0 + ms }, { withinMs: 1_000 });
    const first = at(0);
    expect((await insertOne(first)).conflict).toBe(false);
    expect((await insertOne(at(999))).job.id).toBe(first.id);
    const second = at(1_000);
    expect((await insertOne(second)).conflict).toBe(false);
    expect((await insertOne(at(1_500))).job.id).toBe(second.id);
  });

  it('replaces the named fields of a waiting job and nothing else', async () => {
    const first = unique({ args: { n: 1 }, priority: 5, tags: ['a'] });
    await driver().insert(first);
    const replace = { kind: 'replace' as const, fields: ['args' as const, 'priority' as const] };
    const next = unique({ args: { n: 2 }, priority: 0, tags: ['b'] }, { onConflict: replace });
    const { job, conflict } = await insertOne(next);
    expect(conflict).toBe(true);
    expect(job).toMatchObject({ id: first.id, args: { n: 2 }, priority: 0, tags: ['a'], insertedAt: T0 });
    expect(await driver().job(first.id)).toEqual(job);
    expect(driver().facts).toEqual([expect.objectContaining({ what: 'updated', id: first.id, state: 'available' })]);
    await insertOne({ ...next, id: newJob().id });
    expect(driver().facts).toEqual([]);
  });

  it('moves a job by replacing its time, out of and into what is available', async () => {
    const first = unique();
    await driver().insert(first);
    const claim = { onConflict: { kind: 'replace' as const, fields: ['scheduledAt' as const] } };
    expect((await insertOne(unique({ scheduledAt: T0 + 500 }, claim))).job).toMatchObject({
      state: 'scheduled',
      scheduledAt: T0 + 500,
    });
    expect(await driver().claim({ now: T0 + 400 })).toEqual([]);
    expect((await insertOne(unique({ insertedAt: T0 + 400, scheduledAt: T0 + 400 }, claim))).job.state).toBe(
      'available',
    );
    expect(await driver().claim({ now: T0 + 400 })).toHaveLength(1);
  });

  it('leaves a waiting job at least one attempt', async () => {
    const job = await driver().running({ ...unique({ maxAttempts: 5 }) });
    await driver().settle(job, failure('x', 0));
    const claim = { onConflict: { kind: 'replace' as const, fields: ['maxAttempts' as const] } };
    expect((await insertOne(unique({ maxAttempts: 1 }, claim))).job.maxAttempts).toBe(2);
  });

  it('reschedules with the new args, never beyond the longest wait after the first insertion', async () => {
    const claim = { onConflict: { kind: 'reschedule' as const, maxWaitMs: 1_000 } };
    const say = (ms: number) =>
      insertOne(unique({ insertedAt: T0 + ms, scheduledAt: T0 + ms + 400, args: { ms } }, claim));
    const first = await say(0);
    expect(first.conflict).toBe(false);
    expect((await say(300)).job).toMatchObject({ id: first.job.id, scheduledAt: T0 + 700, args: { ms: 300 } });
    expect((await say(600)).job).toMatchObject({ scheduledAt: T0 + 1_000, state: 'scheduled' });
    expect(driver().facts).toEqual([expect.objectContaining({ what: 'updated', nextAt: T0 + 1_000 })]);
    expect((await say(900)).job).toMatchObject({ scheduledAt: T0 + 1_000, args: { ms: 900 }, insertedAt: T0 });
    expect((await say(1_200)).job).toMatchObject({ scheduledAt: T0 + 1_000, state: 'available' });
    expect((await driver().do('count', { filter: {} })).total).toBe(1);
  });

  it('never touches a job that executes or has ended', async () => {
    const job = await driver().running(unique({ args: { n: 1 } }));
    const states = [...INCOMPLETE_STATES, 'completed' as const];
    const claims: Partial<UniqueClaim>[] = [
      { states, onConflict: { kind: 'replace', fields: ['args', 'scheduledAt'] } },
      { states, onConflict: { kind: 'reschedule', maxWaitMs: null } },
    ];
    for (const end of [false, true]) {
      if (end) await driver().complete(job);
      const before = await driver().job(job.id);
      for (const claim of claims) {
        expect(await insertOne(unique({ args: { n: 2 }, scheduledAt: T0 + 99 }, claim))).toEqual({
          job: before,
          conflict: true,
        });
        expect(driver().facts).toEqual([]);
      }
      expect(await driver().job(job.id)).toEqual(before);
    }
  });

  it('finds the newest of many with one key', async () => {
    for (let round = 0; round < 5; round++) {
      const job = await driver().running(unique({ insertedAt: T0 + round }));
      await driver().complete(job);
    }
    const newest = await insertOne(unique({ insertedAt: T0 + 9 }, { states: ['completed'], withinMs: 6 }));
    expect(newest).toMatchObject({ conflict: true, job: { insertedAt: T0 + 4 } });
    expect((await insertOne(unique({ insertedAt: T0 + 9 }, { states: ['completed'], withinMs: 5 }))).conflict).toBe(
      false,
    );
  });

  it('keeps one job of a key, however many groups bring it at once, and over a restart', async () => {
    const groups = await Promise.all(
      Array.from({ length: 100 }, () => driver().group(request('insert', { jobs: [unique()] }))),
    );
    const results = groups.flatMap(([reply]) => (reply?.ok ? (reply.answer as InsertResult[]) : []));
    expect(results.filter(({ conflict }) => !conflict)).toHaveLength(1);
    expect(new Set(results.map(({ job }) => job.id)).size).toBe(1);
    if (!driver().store.capabilities.durable) return;
    await suite.reopen();
    expect((await insertOne(unique())).conflict).toBe(true);
  });
}
