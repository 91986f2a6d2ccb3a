import { expect, it } from 'vitest';
import type { JobFact } from '../../../src/job/job-event.ts';
import type { StoreSuite } from './store-conformance.ts';
import { ALL_PLACES, failure, newJob, T0 } from './store-driver.ts';

const KEEP_NONE = { completed: 0, cancelled: 0, discarded: 0 };

/** Unannounced, announced, prune. */
export function outboxCases({ driver, reopen }: StoreSuite): void {
  const unannounced = (after = 0, limit = 1_000) => driver().do('unannounced', { after, limit });

  /** Ends this many jobs in one request; answers their facts. */
  async function finish(jobs: number, now = T0): Promise<JobFact[]> {
    await driver().insert(...Array.from({ length: jobs }, () => newJob({ scheduledAt: 0 })));
    const claimed = await driver().claim({ limit: jobs, now });
    const outcomes = claimed.map(
      ({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete', result: 'r' }) as const,
    );
    await driver().do('settle', { now, worker: 'worker-a', outcomes });
    return driver().facts;
  }

  it('keeps each way into a terminal state, with a place that rises, as the fact that was told', async () => {
    const told: JobFact[] = [];
    const waiting = newJob({ queue: 'waiting' });
    await driver().insert(waiting);
    await driver().do('cancel', { now: T0, id: waiting.id, terminate: false });
    told.push(...driver().facts);
    for (const outcome of [
      { outcome: 'complete', result: { a: 1 } },
      { outcome: 'cancel', reason: 'r' },
      failure(),
    ] as const) {
      await driver().settle(await driver().running({ maxAttempts: 1 }), outcome);
      told.push(...driver().facts);
    }
    await driver().running({ maxAttempts: 1 });
    await driver().do('rescue', { now: T0 + 9e6, deadBefore: T0 + 1, limit: 5 });
    told.push(...driver().facts);
    expect(told.map(({ what }) => what)).toEqual(['cancelled', 'completed', 'cancelled', 'discarded', 'discarded']);
    const seqs = told.map(({ outboxSeq }) => outboxSeq ?? 0);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(new Set(seqs).size).toBe(5);
    expect(await unannounced()).toEqual(told);
  });

  it('keeps nothing else', async () => {
    await driver().settle(await driver().running(), failure());
    await driver().settle(await driver().running({ queue: 'b' }), { outcome: 'release' });
    expect(driver().facts[0]).not.toHaveProperty('outboxSeq');
    expect(await unannounced()).toEqual([]);
  });

  it('reads in pages after a place', async () => {
    const facts = [...(await finish(3)), ...(await finish(700)), ...(await finish(2))];
    const pages: JobFact[] = [];
    let after = 0;
    for (let page = await unannounced(0, 100); page.length > 0; page = await unannounced(after, 100)) {
      pages.push(...page);
      after = page.at(-1)?.outboxSeq ?? 0;
    }
    expect(pages).toEqual(facts);
  });

  it('forgets exactly the range that is out, wherever it begins and ends', async () => {
    const facts = [...(await finish(10)), ...(await finish(600)), ...(await finish(10))];
    const seqs = facts.map(({ outboxSeq }) => outboxSeq ?? 0);
    const gone = new Set<number>();
    for (const [from, to] of [
      [3, 5],
      [0, 0],
      [8, 12],
      [100, 550],
      [540, 560],
      [619, 700],
    ] as const) {
      await driver().do('announced', { places: [{ from: seqs[from] ?? 1e9, to: seqs[to] ?? 1e9 }] });
      for (let place = from; place <= to; place++) gone.add(place);
      expect((await unannounced()).map(({ outboxSeq }) => outboxSeq)).toEqual(
        seqs.filter((_, place) => !gone.has(place)),
      );
    }
    await driver().do('announced', { places: ALL_PLACES });
    expect(await unannounced()).toEqual([]);
    await driver().do('announced', { places: ALL_PLACES });
  });

  it('never uses a place again, also after all is out and a restart', async () => {
    const [first] = await finish(1);
    await driver().do('announced', { places: [{ from: 0, to: first?.outboxSeq ?? 0 }] });
    if (driver().store.capabilities.durable) await reopen();
    const [second] = await finish(1);
    expect(second?.outboxSeq).toBeGreaterThan(first?.outboxSeq ?? 0);
  });

  it('keeps unannounced facts over a restart', async () => {
    if (!driver().store.capabilities.durable) return;
    const facts = await finish(3);
    await reopen();
    expect(await unannounced()).toEqual(facts);
  });

  it('prunes what ended so long ago, by state, in bounded steps, and only what is announced', async () => {
    const prune = (now: number, part = {}, limit = 100) =>
      driver().do('prune', { now, keepMs: { ...KEEP_NONE, ...part }, limit });
    await finish(5);
    const broken = await driver().running({ maxAttempts: 1 });
    await driver().settle(broken, failure());
    await driver().insert(newJob({ queue: 'waiting' }));
    expect(await prune(T0 + 1e9)).toEqual({ pruned: 0 });
    await driver().do('announced', { places: ALL_PLACES });
    expect(await prune(T0 + 999, { completed: 1_000, discarded: 1_000 })).toEqual({ pruned: 0 });
    expect(await prune(T0 + 1_000, { completed: 1_000, discarded: 5_000 }, 2)).toEqual({ pruned: 2 });
    expect(await prune(T0 + 1_000, { completed: 1_000, discarded: 5_000 })).toEqual({ pruned: 3 });
    expect((await driver().do('count', { filter: {} })).byState).toMatchObject({
      completed: 0,
      discarded: 1,
      available: 1,
    });
    expect(await prune(T0 + 5_000, { discarded: 5_000 })).toEqual({ pruned: 1 });
    expect(await driver().do('get', { ids: [broken.id] })).toEqual([]);
  });

  it('prunes nothing that ended since the oldest fact that is not out', async () => {
    const [older] = await finish(1, T0);
    const [newer] = await finish(1, T0 + 100);
    await driver().do('announced', { places: [{ from: older?.outboxSeq ?? 0, to: older?.outboxSeq ?? 0 }] });
    expect(await driver().do('prune', { now: T0 + 1e9, keepMs: KEEP_NONE, limit: 10 })).toEqual({ pruned: 1 });
    expect(await driver().do('get', { ids: [older?.id ?? '', newer?.id ?? ''] })).toMatchObject([{ id: newer?.id }]);
  });
}
