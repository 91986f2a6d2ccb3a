import { expect, it } from 'vitest';
import type { StoreSuite } from './store-conformance.ts';
import { newJob, T0 } from './store-driver.ts';

const BEAT_MS = 5_000;
const LEASE_MS = 30_000;

/** Beat, touch, rescue. */
export function workerCases({ driver, reopen }: StoreSuite): void {
  const listing = (...jobs: { id: string; attempt: number; run: number }[]) =>
    jobs.map(({ id, attempt, run }) => ({ id, attempt, run }));
  const rescueAt = (now: number, limit = 100) => driver().do('rescue', { now, deadBefore: now - LEASE_MS, limit });

  it('answers a beat that lists what runs with nothing', async () => {
    const job = await driver().running();
    expect(await driver().beat(listing(job), { now: T0 + BEAT_MS })).toEqual({ cancel: [], lost: [] });
    expect(driver().facts).toEqual([]);
  });

  it('tells what was cancelled while it ran, and whether to kill it, until the job is no longer listed', async () => {
    const [mild, hard] = [await driver().running(), await driver().running()];
    await driver().do('cancel', { now: T0, id: mild.id, terminate: false });
    await driver().do('cancel', { now: T0, id: hard.id, terminate: true });
    const told = {
      cancel: [
        { id: mild.id, terminate: false },
        { id: hard.id, terminate: true },
      ],
      lost: [],
    };
    expect(await driver().beat(listing(mild, hard))).toEqual(told);
    expect(await driver().beat(listing(mild, hard))).toEqual(told);
    expect(await driver().beat([{ id: hard.id, attempt: 1 }])).toEqual({ cancel: [told.cancel[1]], lost: [] });
    await driver().do('cancel', { now: T0, id: mild.id, terminate: true });
    expect((await driver().beat(listing(mild))).cancel).toEqual([{ id: mild.id, terminate: true }]);
    expect((await driver().beat(listing(mild), { worker: 'worker-b' })).lost).toEqual([mild.id]);
  });

  it("tells what is lost: ended, another worker's, another run, unknown", async () => {
    const [ended, others, rerun] = [
      await driver().running(),
      await driver().running({}, { worker: 'worker-b' }),
      await driver().running(),
    ];
    await driver().complete(ended);
    const unknown = newJob().id;
    const running = [...listing(ended, others), { ...listing(rerun)[0], run: 7 }, { id: unknown, attempt: 1, run: 1 }];
    const answer = await driver().beat(running.map((ref) => ({ id: '', attempt: 1, ...ref })));
    expect(answer).toEqual({ cancel: [], lost: [ended.id, others.id, rerun.id, unknown] });
  });

  it('releases a job that two beats do not list, each a beat interval after the claim and the miss before', async () => {
    const job = await driver().running({}, { now: T0 });
    const missAt = async (ms: number) => {
      await driver().beat([], { now: T0 + ms });
      return driver().whats();
    };
    expect(await missAt(BEAT_MS - 1)).toEqual([]);
    expect(await missAt(BEAT_MS)).toEqual([]);
    expect(await missAt(2 * BEAT_MS - 1)).toEqual([]);
    expect((await driver().job(job.id)).state).toBe('executing');
    expect(await missAt(2 * BEAT_MS)).toEqual(['released']);
    expect(await driver().job(job.id)).toMatchObject({ state: 'available', attempt: 0, run: 1, errors: [] });
    const [again] = await driver().claim({ now: T0 + 3 * BEAT_MS });
    expect(again).toMatchObject({ id: job.id, attempt: 1, run: 2 });
    expect(await missAt(4 * BEAT_MS)).toEqual([]);
    expect((await driver().job(job.id)).state).toBe('executing');
  });

  it('forgets a miss when the job is listed again', async () => {
    const job = await driver().running();
    await driver().beat([], { now: T0 + BEAT_MS });
    await driver().beat(listing(job), { now: T0 + 2 * BEAT_MS });
    await driver().beat([], { now: T0 + 3 * BEAT_MS });
    expect(driver().facts).toEqual([]);
    await driver().beat([], { now: T0 + 4 * BEAT_MS });
    expect(driver().whats()).toEqual(['released']);
  });

  it('counts a listing under another run as none', async () => {
    const job = await driver().running();
    const stale = [{ id: job.id, attempt: 1, run: 9 }];
    await driver().beat(stale, { now: T0 + BEAT_MS });
    expect((await driver().beat(stale, { now: T0 + 2 * BEAT_MS })).lost).toEqual([job.id]);
    expect(driver().whats()).toEqual(['released']);
  });

  it('releases only of the worker and the queue that beat', async () => {
    const [mine, elsewhere, others] = [
      await driver().running(),
      await driver().running({ queue: 'elsewhere' }),
      await driver().running({}, { worker: 'worker-b' }),
    ];
    for (const beats of [1, 2, 3]) await driver().beat([], { now: T0 + beats * BEAT_MS });
    expect((await driver().job(mine.id)).state).toBe('available');
    expect((await driver().job(elsewhere.id)).state).toBe('executing');
    expect((await driver().job(others.id)).state).toBe('executing');
  });

  it('rescues the jobs of a silent worker, counts the attempt, and discards at the limit', async () => {
    const job = await driver().running({}, { now: T0 });
    const last = await driver().running({ maxAttempts: 1 }, { now: T0 });
    expect(await rescueAt(T0 + LEASE_MS)).toEqual({ rescued: 0, queues: [] });
    expect(await rescueAt(T0 + LEASE_MS + 1)).toEqual({ rescued: 2, queues: ['default'] });
    expect(driver().facts.map(({ what, id }) => [what, id])).toEqual(
      expect.arrayContaining([
        ['rescued', job.id],
        ['discarded', last.id],
      ]),
    );
    expect(await driver().job(job.id)).toMatchObject({
      state: 'available',
      attempt: 1,
      errors: [expect.objectContaining({ kind: 'orphaned', attempt: 1 })],
    });
    expect((await driver().job(last.id)).state).toBe('discarded');
    expect((await driver().complete(job)).refused).toEqual([{ id: job.id, reason: 'not_executing' }]);
    const [again] = await driver().claim({ now: T0 + LEASE_MS + 1 });
    expect(again).toMatchObject({ attempt: 2, run: 2 });
  });

  it('takes claim, beat, settle and touch as signs of life, also within the same second', async () => {
    const [, second] = [await driver().running(), await driver().running()];
    const signs = [
      (now: number) => driver().claim({ now, queue: 'empty' }),
      (now: number) => driver().beat([], { now, queue: 'empty' }),
      (now: number) => driver().do('touch', { now, workers: [{ worker: 'worker-a', node: 'node-a' }] }),
      (now: number) => driver().complete(second, { now }),
    ];
    let now = T0;
    for (const sign of signs) {
      now += LEASE_MS - 500;
      await sign(now - 400);
      await sign(now);
      expect((await rescueAt(now + LEASE_MS)).rescued).toBe(0);
    }
    expect((await rescueAt(now + LEASE_MS + 1)).rescued).toBe(1);
  });

  it('keeps the node that a claim named over signs of life that name none, also after a new start', async () => {
    const job = await driver().running();
    await driver().beat(listing(job), { now: T0 + 1, node: null });
    expect(await driver().job(job.id)).toMatchObject({ worker: 'worker-a', node: 'node-a' });
    if (driver().store.capabilities.durable) await reopen();
    await driver().beat(listing(job), { now: T0 + LEASE_MS, node: null });
    expect(await driver().job(job.id)).toMatchObject({ worker: 'worker-a', node: 'node-a' });
    await driver().beat(listing(job), { now: T0 + LEASE_MS, node: 'node-b' });
    expect(await driver().job(job.id)).toMatchObject({ worker: 'worker-a', node: 'node-b' });
  });

  it('takes a beat without a node from a worker that was never seen, and a node from its claim', async () => {
    await driver().beat([], { node: null });
    const job = await driver().running();
    expect(await driver().job(job.id)).toMatchObject({ worker: 'worker-a', node: 'node-a' });
  });

  it('finds a worker dead after the clock stepped back', async () => {
    await driver().running({}, { now: T0 + 3_600_000 });
    await driver().do('touch', { now: T0, workers: [{ worker: 'worker-a', node: 'node-a' }] });
    expect((await rescueAt(T0 + LEASE_MS + 1)).rescued).toBe(1);
  });

  it('rescues in bounded steps', async () => {
    await driver().insert(...Array.from({ length: 5 }, () => newJob()));
    await driver().claim();
    const now = T0 + LEASE_MS + 1;
    expect([await rescueAt(now, 2), await rescueAt(now, 2), await rescueAt(now, 2), await rescueAt(now, 2)]).toEqual(
      [2, 2, 1, 0].map((rescued) => ({ rescued, queues: rescued === 0 ? [] : ['default'] })),
    );
  });

  it('knows the workers again after a restart', async () => {
    if (!driver().store.capabilities.durable) return;
    await driver().running({}, { now: T0 });
    await reopen();
    expect((await rescueAt(T0 + LEASE_MS)).rescued).toBe(0);
    expect((await rescueAt(T0 + LEASE_MS + 1)).rescued).toBe(1);
  });
}
