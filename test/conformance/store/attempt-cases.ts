import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/job/limits.ts';
import type { StoreSuite } from './store-conformance.ts';
import { failure, laterJob, newJob, T0 } from './store-driver.ts';

/** Settle, progress, cancel. */
export function attemptCases(suite: StoreSuite): void {
  describe('by outcome', () => outcomeCases(suite));
  describe('fences and repeats', () => fenceCases(suite));
  describe('cancel from outside', () => cancelCases(suite));
  describe('progress', () => progressCases(suite));
}

function outcomeCases({ driver }: StoreSuite): void {
  it('completes with the result, tells it, and never offers the job again', async () => {
    const job = await driver().running({}, { now: T0 });
    const result = { sum: 42, list: ['ä'] };
    const answer = await driver().settle(job, { outcome: 'complete', result }, { now: T0 + 250 });
    expect(answer).toEqual({ settled: [{ id: job.id, state: 'completed' }], refused: [] });
    expect(driver().facts).toEqual([
      expect.objectContaining({ what: 'completed', state: 'completed', durationMs: 250, result, at: T0 + 250, run: 1 }),
    ]);
    expect(await driver().job(job.id)).toMatchObject({ state: 'completed', result, finishedAt: T0 + 250, errors: [] });
    expect(await driver().claim({ now: T0 + 1_000_000 })).toEqual([]);
  });

  it('completes without a result', async () => {
    const job = await driver().running();
    await driver().complete(job, { now: T0 + 1 });
    expect(await driver().job(job.id)).toMatchObject({ state: 'completed', result: null, finishedAt: T0 + 1 });
    expect(driver().facts[0]).not.toHaveProperty('result');
  });

  it('completes without the result when it is too large, with an entry that says so', async () => {
    const job = await driver().running();
    await driver().settle(job, { outcome: 'complete', result: 'x'.repeat(LIMITS.resultBytesMax) });
    const row = await driver().job(job.id);
    expect(row).toMatchObject({ state: 'completed', result: null });
    expect(row.errors).toEqual([expect.objectContaining({ kind: 'result', attempt: 1 })]);
  });

  it('retries a failure after the delay and keeps the error', async () => {
    const job = await driver().running();
    expect((await driver().settle(job, failure('no luck', 7_000))).settled).toEqual([
      { id: job.id, state: 'retryable' },
    ]);
    expect(driver().facts).toEqual([
      expect.objectContaining({
        what: 'retryable',
        nextAt: T0 + 7_000,
        error: { kind: 'error', message: 'no luck' },
      }),
    ]);
    expect(await driver().job(job.id)).toMatchObject({
      state: 'retryable',
      attempt: 1,
      scheduledAt: T0 + 7_000,
      errors: [{ at: T0, attempt: 1, kind: 'error', message: 'no luck' }],
    });
    await driver().do('stage', { now: T0 + 7_000, limit: 10 });
    const [again] = await driver().claim({ now: T0 + 7_000 });
    expect(again).toMatchObject({ id: job.id, attempt: 2, run: 2 });
  });

  it('discards a failure without attempts left', async () => {
    const job = await driver().running({ maxAttempts: 1 });
    await driver().settle(job, failure(), { now: T0 + 5 });
    expect(driver().whats()).toEqual(['discarded']);
    expect(await driver().job(job.id)).toMatchObject({ state: 'discarded', finishedAt: T0 + 5 });
  });

  it('hands the attempt back for snooze and release, and never the run', async () => {
    const job = await driver().running();
    await driver().settle(job, { outcome: 'snooze', forMs: 1_000 });
    expect(driver().facts).toEqual([expect.objectContaining({ what: 'snoozed', nextAt: T0 + 1_000 })]);
    expect(await driver().job(job.id)).toMatchObject({ state: 'scheduled', attempt: 0, run: 1, errors: [] });
    await driver().do('stage', { now: T0 + 1_000, limit: 1 });
    const [second] = await driver().claim({ now: T0 + 1_000 });
    expect(second).toMatchObject({ attempt: 1, run: 2 });
    if (second) await driver().settle(second, { outcome: 'release' });
    expect(driver().whats()).toEqual(['released']);
    expect(await driver().job(job.id)).toMatchObject({ state: 'available', attempt: 0, run: 2, errors: [] });
    const [third] = await driver().claim({ now: T0 + 1_000 });
    expect(third).toMatchObject({ attempt: 1, run: 3 });
  });

  it("ends as cancelled or discarded by the handler's word", async () => {
    const [a, b] = [await driver().running(), await driver().running()];
    await driver().settle(a, { outcome: 'cancel', reason: 'not wanted' });
    expect(driver().facts).toEqual([
      expect.objectContaining({ what: 'cancelled', error: { kind: 'cancelled', message: 'not wanted' } }),
    ]);
    await driver().settle(b, { outcome: 'discard', reason: 'hopeless' });
    expect(driver().whats()).toEqual(['discarded']);
    expect((await driver().job(a.id)).state).toBe('cancelled');
    expect((await driver().job(b.id)).errors).toEqual([expect.objectContaining({ kind: 'discarded' })]);
  });

  it('settles many at once, each for itself, in the order given', async () => {
    await driver().insert(...Array.from({ length: 5 }, () => newJob({ maxAttempts: 1 })));
    const [a, b, c, d, e] = await driver().claim();
    if (!(a && b && c && d && e)) throw new Error('five are claimed');
    const stranger = newJob().id;
    const answer = await driver().do('settle', {
      now: T0 + 9,
      worker: 'worker-a',
      outcomes: [
        { id: a.id, attempt: 1, run: 1, outcome: 'complete', result: null },
        { id: b.id, attempt: 1, run: 1, outcome: 'complete', result: 7 },
        { id: stranger, attempt: 1, run: 1, outcome: 'complete', result: null },
        { id: c.id, attempt: 1, run: 2, outcome: 'complete', result: null },
        { id: d.id, attempt: 1, run: 1, ...failure() },
        { id: a.id, attempt: 1, run: 1, outcome: 'complete', result: null },
        { id: e.id, attempt: 1, run: 1, outcome: 'complete', result: null },
        { id: e.id, attempt: 1, run: 1, ...failure() },
      ],
    });
    expect(answer).toEqual({
      settled: [
        { id: a.id, state: 'completed' },
        { id: b.id, state: 'completed' },
        { id: d.id, state: 'discarded' },
        { id: a.id, state: 'completed' },
        { id: e.id, state: 'completed' },
      ],
      refused: [
        { id: stranger, reason: 'not_found' },
        { id: c.id, reason: 'not_owner' },
        { id: e.id, reason: 'not_executing' },
      ],
    });
    expect(driver().whats()).toEqual(['completed', 'completed', 'discarded', 'completed']);
    expect(await driver().job(a.id)).toMatchObject({ state: 'completed', finishedAt: T0 + 9 });
    expect((await driver().job(c.id)).state).toBe('executing');
  });

  it('names only what it refuses to who asks briefly, of few and of many', async () => {
    for (const count of [2, 60]) {
      await driver().insert(...Array.from({ length: count }, () => newJob()));
      const claimed = await driver().claim({ limit: count });
      const others = [newJob().id, claimed[0]?.id ?? ''];
      const outcomes = [...claimed.map(({ id }) => id), ...others].map(
        (id) => ({ id, attempt: 1, run: id === others[0] ? 7 : 1, outcome: 'complete', result: null }) as const,
      );
      const answer = await driver().do('settle', { now: T0 + 9, worker: 'worker-a', outcomes, brief: true });
      expect(answer).toEqual({ settled: [], refused: [{ id: others[0], reason: 'not_found' }] });
      expect(driver().whats()).toEqual(claimed.map(() => 'completed'));
    }
  });

  it('takes of a job that is reported twice what is said first, also among many', async () => {
    await driver().insert(...Array.from({ length: 60 }, () => newJob()));
    const [first, ...others] = await driver().claim({ limit: 60 });
    if (first === undefined) throw new Error('all are claimed');
    const complete = { attempt: 1, run: 1, outcome: 'complete', result: null } as const;
    const outcomes = [
      { id: first.id, attempt: 1, run: 1, ...failure() },
      ...[first, ...others].map(({ id }) => ({ id, ...complete })),
    ];
    const { settled, refused } = await driver().do('settle', { now: T0 + 9, worker: 'worker-a', outcomes });
    expect(refused).toEqual([{ id: first.id, reason: 'not_executing' }]);
    expect(settled).toHaveLength(60);
    expect((await driver().job(first.id)).state).toBe('retryable');
  });
}

function fenceCases({ driver }: StoreSuite): void {
  it('refuses another worker, run or attempt and changes nothing', async () => {
    const job = await driver().running();
    const before = await driver().job(job.id);
    for (const part of [{ worker: 'worker-b' }, { run: 2 }, { run: 0 }, { attempt: 2 }]) {
      expect(await driver().complete(job, part)).toEqual({
        settled: [],
        refused: [{ id: job.id, reason: 'not_owner' }],
      });
      expect(driver().facts).toEqual([]);
    }
    expect(await driver().job(job.id)).toEqual(before);
  });

  it('is fenced by the attempt alone where no run is given', async () => {
    const { id } = await driver().running();
    const outcome = { id, outcome: 'complete', result: null } as const;
    const late = await driver().do('settle', { now: T0, worker: 'worker-a', outcomes: [{ ...outcome, attempt: 2 }] });
    expect(late.refused).toEqual([{ id, reason: 'not_owner' }]);
    const right = { now: T0, worker: 'worker-a', outcomes: [{ ...outcome, attempt: 1 }] };
    expect((await driver().do('settle', right)).settled).toEqual([{ id, state: 'completed' }]);
    expect((await driver().do('settle', right)).settled).toEqual([{ id, state: 'completed' }]);
    expect(driver().facts).toEqual([]);
  });

  it('tells a job from one with its id that was deleted: what comes late of that neither ends it, nor keeps it, nor is a repeat', async () => {
    const first = await driver().running();
    await driver().complete(first);
    await driver().do('delete', { now: T0, id: first.id });
    const again = await driver().running({ id: first.id, insertedAt: T0 + 1_000 });
    expect([again.run, again.attempt], 'both begin anew').toEqual([first.run, first.attempt]);
    const late = { insertedAt: first.insertedAt };
    const refused = { settled: [], refused: [{ id: first.id, reason: 'not_owner' }] };
    expect(await driver().complete(first, late)).toEqual(refused);
    expect(await driver().settle(first, failure(), late)).toEqual(refused);
    expect(driver().facts).toEqual([]);
    const listed = { id: first.id, attempt: first.attempt, run: first.run, insertedAt: first.insertedAt };
    expect((await driver().beat([listed])).lost).toEqual([first.id]);
    expect((await driver().complete(again, { insertedAt: again.insertedAt })).settled).toHaveLength(1);
    expect((await driver().complete(first, late)).refused).toEqual([{ id: first.id, reason: 'not_executing' }]);
  });

  it('answers a repeat of the same outcome as settled, with the present state and no fact', async () => {
    const outcomes = [
      { outcome: 'complete', result: 1 },
      failure('x', 5),
      { outcome: 'snooze', forMs: 5 },
      { outcome: 'cancel', reason: 'r' },
      { outcome: 'discard', reason: 'r' },
      { outcome: 'release' },
    ] as const;
    for (const outcome of outcomes) {
      const job = await driver().running({ queue: outcome.outcome });
      const first = await driver().settle(job, outcome);
      expect(first.settled).toHaveLength(1);
      const row = await driver().job(job.id);
      expect(await driver().settle(job, outcome, { now: T0 + 99 })).toEqual(first);
      expect(driver().facts).toEqual([]);
      expect(await driver().job(job.id)).toEqual(row);
    }
  });

  it('answers a repeat also when the job was staged or claimed again since', async () => {
    const job = await driver().running();
    await driver().settle(job, failure('x', 5));
    await driver().do('stage', { now: T0 + 5, limit: 1 });
    expect((await driver().settle(job, failure('x', 5))).settled).toEqual([{ id: job.id, state: 'available' }]);
    const [second] = await driver().claim({ now: T0 + 5, worker: 'worker-b' });
    expect(second?.run).toBe(2);
    expect((await driver().settle(job, failure('x', 5))).settled).toEqual([{ id: job.id, state: 'executing' }]);
    expect((await driver().complete(job)).refused).toEqual([{ id: job.id, reason: 'not_owner' }]);
  });

  it('refuses another outcome, or another worker, after the attempt ended', async () => {
    const job = await driver().running();
    await driver().complete(job);
    expect((await driver().settle(job, failure())).refused).toEqual([{ id: job.id, reason: 'not_executing' }]);
    expect((await driver().complete(job, { worker: 'worker-b' })).refused).toEqual([
      { id: job.id, reason: 'not_executing' },
    ]);
    expect((await driver().complete(job, { run: 2 })).refused).toEqual([{ id: job.id, reason: 'not_executing' }]);
  });

  it('refuses to settle what was never claimed, and what is not there', async () => {
    const job = newJob();
    await driver().insert(job);
    expect((await driver().complete({ id: job.id, attempt: 0, run: 0 })).refused).toEqual([
      { id: job.id, reason: 'not_executing' },
    ]);
    const { id } = newJob();
    expect((await driver().complete({ id, attempt: 1, run: 1 })).refused).toEqual([{ id, reason: 'not_found' }]);
  });
}

function cancelCases({ driver }: StoreSuite): void {
  const cancel = (id: string, terminate = false) => driver().do('cancel', { now: T0 + 3, id, terminate });

  it('cancels what waits, in every waiting state', async () => {
    const [available, scheduled] = [newJob(), laterJob(T0 + 1_000)];
    const retryable = await driver().running({ queue: 'r' });
    await driver().settle(retryable, failure());
    await driver().insert(available, scheduled);
    for (const { id } of [available, scheduled, retryable]) {
      const answer = await cancel(id);
      expect(answer).toMatchObject({ conflict: false, wasRunning: null });
      expect(answer.job).toMatchObject({ id, state: 'cancelled', finishedAt: T0 + 3 });
      expect(driver().facts).toEqual([expect.objectContaining({ what: 'cancelled', id, state: 'cancelled' })]);
    }
    expect(await driver().claim({ now: T0 + 9_999 })).toEqual([]);
    expect(await driver().do('stage', { now: T0 + 9e9, limit: 10 })).toMatchObject({ staged: 0, nextAt: null });
  });

  it('cancels what runs at once, names the attempt, and refuses its settlement', async () => {
    const job = await driver().running();
    const answer = await cancel(job.id);
    expect(answer.wasRunning).toEqual({ worker: 'worker-a', run: 1, insertedAt: job.insertedAt });
    expect(answer.job).toMatchObject({ state: 'cancelled', errors: [expect.objectContaining({ kind: 'cancelled' })] });
    expect((await driver().complete(job)).refused).toEqual([{ id: job.id, reason: 'not_executing' }]);
    expect((await driver().settle(job, { outcome: 'cancel', reason: 'x' })).refused).toEqual([
      { id: job.id, reason: 'not_executing' },
    ]);
    expect((await driver().job(job.id)).state).toBe('cancelled');
  });

  it('answers a cancelled job as it is, and says when only now it is to be killed', async () => {
    const job = await driver().running();
    const first = await cancel(job.id);
    expect(await cancel(job.id)).toEqual({ ...first, wasRunning: null });
    expect(driver().facts).toEqual([]);
    expect(await cancel(job.id, true)).toEqual(first);
    expect(await cancel(job.id, true)).toEqual({ ...first, wasRunning: null });
  });

  it('refuses what has ended otherwise, and knows what is not there', async () => {
    const [done, broken] = [await driver().running(), await driver().running({ maxAttempts: 1 })];
    await driver().complete(done);
    await driver().settle(broken, failure());
    for (const { id } of [done, broken]) {
      const row = await driver().job(id);
      expect(await cancel(id)).toEqual({ job: row, conflict: true, wasRunning: null });
      expect(driver().facts).toEqual([]);
    }
    expect(await cancel(newJob().id)).toEqual({ job: null, conflict: false, wasRunning: null });
  });
}

function progressCases({ driver }: StoreSuite): void {
  it("keeps a running job's progress, fenced like a settlement", async () => {
    const { id } = await driver().running();
    const say = (part: { worker?: string; run?: number; attempt?: number; id?: string }) =>
      driver().do('progress', { now: T0, worker: 'worker-a', id, attempt: 1, run: 1, progress: { done: 3 }, ...part });
    expect(await say({})).toEqual({ refused: null });
    expect(driver().facts).toEqual([expect.objectContaining({ what: 'progress', id, progress: { done: 3 } })]);
    expect((await driver().job(id)).progress).toEqual({ done: 3 });
    expect(await say({ worker: 'worker-b' })).toEqual({ refused: 'not_owner' });
    expect(await say({ run: 2 })).toEqual({ refused: 'not_owner' });
    expect(await say({ id: newJob().id })).toEqual({ refused: 'not_found' });
    await driver().complete({ id, attempt: 1, run: 1 });
    expect(await say({})).toEqual({ refused: 'not_executing' });
    expect(driver().facts).toEqual([]);
  });
}
