import { expect, it } from 'vitest';
import type { StoreReply } from '../../../src/store/job-store.ts';
import type { StoreSuite } from './store-conformance.ts';
import { newJob, request, T0 } from './store-driver.ts';

/** What holds for requests that are performed together. */
export function groupCases({ driver, reopen }: StoreSuite): void {
  it('runs requests in order, each seeing what came before', async () => {
    const job = newJob();
    const replies = await driver().group(
      request('insert', { jobs: [job] }),
      request('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'n', limit: 1 }),
      request('settle', {
        now: T0,
        worker: 'worker-a',
        outcomes: [{ id: job.id, attempt: 1, run: 1, outcome: 'complete', result: null }],
      }),
      request('count', { filter: {} }),
      request('list', { filter: { states: ['completed'] }, limit: 5, order: 'asc' }),
      request('unannounced', { after: 0, limit: 5 }),
    );
    expect(replies.every(({ ok }) => ok)).toBe(true);
    expect(replies.map((reply) => (reply.ok ? reply.facts.map(({ what }) => what) : []))).toEqual([
      ['inserted'],
      ['started'],
      ['completed'],
      [],
      [],
      [],
    ]);
    expect(replies[3]).toMatchObject({ answer: { total: 1, byState: { completed: 1, available: 0, executing: 0 } } });
    expect(replies[4]).toMatchObject({ answer: { jobs: [{ id: job.id }] } });
    expect(replies[5]).toMatchObject({ answer: [{ what: 'completed', id: job.id }] });
  });

  it('answers a refusal for itself and keeps the rest', async () => {
    const [before, after] = [newJob(), newJob()];
    const replies = await driver().group(
      request('insert', { jobs: [before] }),
      request('tick', { now: T0, term: 99, ticks: [] }),
      request('list', { filter: {}, limit: 1, order: 'asc', cursor: 'nonsense' }),
      request('insert', { jobs: [after] }),
    );
    expect(replies.map(codeOf)).toEqual(['ok', 'conflict', 'invalid_request', 'ok']);
    expect(await driver().do('get', { ids: [before.id, after.id] })).toHaveLength(2);
  });

  it('answers a request that it cannot keep for itself, changes nothing for it, and keeps the rest', async () => {
    const [before, broken, after] = [newJob(), newJob(), newJob()];
    // Checked at every door, so this stands for a bug of ours: it must not take the neighbours with it.
    Object.assign(broken, { queue: null });
    const replies = await driver().group(
      request('insert', { jobs: [before] }),
      request('insert', { jobs: [newJob({ id: after.id, queue: 'undone' }), broken] }),
      request('insert', { jobs: [after] }),
    );
    expect(replies.map(codeOf)).toEqual(['ok', 'invalid_request', 'ok']);
    expect((await driver().job(after.id)).queue).toBe('default');
    expect((await driver().do('count', { filter: {} })).byQueue).toEqual({ default: 2 });
  });

  it('gives each job to one claim, however many groups are under way', async () => {
    const jobs = Array.from({ length: 60 }, () => newJob());
    await driver().insert(...jobs);
    const workers = Array.from({ length: 20 }, (_, index) => `worker-${index}`);
    const groups = await Promise.all(
      workers.map((worker) =>
        driver().group(request('claim', { now: T0, queue: 'default', worker, node: 'n', limit: 4 })),
      ),
    );
    // Each reply answers a claim.
    const claimed = groups.flatMap(([reply]) => (reply?.ok ? (reply.answer as { id: string }[]) : []));
    expect(new Set(claimed.map(({ id }) => id)).size).toBe(60);
    expect(claimed).toHaveLength(60);
  });

  it('inserts one row for an id, however many groups bring it at once', async () => {
    const job = newJob();
    const groups = await Promise.all(
      Array.from({ length: 20 }, () => driver().group(request('insert', { jobs: [job] }))),
    );
    const facts = groups.flatMap(([reply]) => (reply?.ok ? reply.facts : []));
    expect(facts).toHaveLength(1);
    expect((await driver().do('count', { filter: {} })).total).toBe(1);
  });

  it('accepts one settlement of a run, however many come at once', async () => {
    const job = await driver().running();
    const groups = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        driver().group(
          request('settle', {
            now: T0,
            worker: 'worker-a',
            outcomes: [{ id: job.id, attempt: 1, run: 1, outcome: 'complete', result: index }],
          }),
        ),
      ),
    );
    const facts = groups.flatMap(([reply]) => (reply?.ok ? reply.facts : []));
    expect(facts).toHaveLength(1);
    // A result of 0 is told as it is; which group comes first is the store's.
    expect((await driver().job(job.id)).result).toBe(facts[0]?.result);
  });

  it('answers an empty group with nothing', async () => {
    expect(await driver().group()).toEqual([]);
  });

  it('keeps what it acknowledged over a restart', async () => {
    if (!driver().store.capabilities.durable) return;
    const [waiting, job] = [newJob({ queue: 'later' }), await driver().running({ args: [1, 2] })];
    await driver().insert(waiting);
    const rows = await driver().do('get', { ids: [waiting.id, job.id] });
    const again = await reopen();
    expect(await again.do('get', { ids: [waiting.id, job.id] })).toEqual(rows);
    expect((await again.complete(job)).settled).toEqual([{ id: job.id, state: 'completed' }]);
  });

  it('refuses everything as unavailable once it is closed', async () => {
    const { store } = driver();
    await store.close();
    await store.close();
    await expect(store.perform([request('leader', {})])).rejects.toMatchObject({ code: 'unavailable' });
    if (store.capabilities.durable) await reopen();
    else driver().expectCountsHold = async () => {};
  });
}

const codeOf = (reply: StoreReply): string => (reply.ok ? 'ok' : reply.error.code);
