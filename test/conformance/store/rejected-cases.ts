import { expect, it } from 'vitest';
import { REJECTED_KEEP_MS, REJECTED_MAX, type RejectedMessage } from '../../../src/store/rejected-message.ts';
import type { StoreSuite } from './store-conformance.ts';
import { newJob, T0 } from './store-driver.ts';

const message = (key: string, part: Partial<RejectedMessage> = {}): RejectedMessage => ({
  ...{ key, at: T0, queue: 'default', msgId: `id-${key}`, code: 'invalid_job', message: 'is wrong' },
  issues: [{ path: 'args.to', message: 'must be a text' }],
  ...part,
});

/** What the durable intake keeps. */
export function rejectedCases({ driver, reopen }: StoreSuite): void {
  const list = (part: { limit?: number; cursor?: string; bytesMax?: number } = {}) =>
    driver().do('rejected', { limit: 100, ...part });
  const reject = (...rejected: RejectedMessage[]) => driver().do('reject', { rejected });
  const keys = (page: { rejected: RejectedMessage[] }): string[] => page.rejected.map(({ key }) => key);
  const prune = (now: number) =>
    driver().do('prune', { now, keepMs: { completed: 1, cancelled: 1, discarded: 1 }, limit: 10 });

  it('keeps rejected messages as they are, newest first', async () => {
    const bare = message('b', { msgId: null, issues: [] });
    await reject(message('a'), bare);
    await reject(message('c'));
    expect(await list()).toEqual({ rejected: [message('c'), bare, message('a')], cursor: null });
  });

  it('keeps each once, as it was first', async () => {
    await reject(message('a'), message('b'));
    await reject(message('a', { at: T0 + 1, message: 'is wrong again' }));
    expect(await list()).toEqual({ rejected: [message('b'), message('a')], cursor: null });
  });

  it('lists them in pages, also by size, and refuses a cursor that is none', async () => {
    await reject(...['a', 'b', 'c', 'd', 'e'].map((key) => message(key)));
    const first = await list({ limit: 2 });
    expect(keys(first)).toEqual(['e', 'd']);
    await reject(message('f'));
    const second = await list({ limit: 2, cursor: first.cursor ?? '' });
    expect(keys(second)).toEqual(['c', 'b']);
    expect(await list({ limit: 2, cursor: second.cursor ?? '' })).toEqual({ rejected: [message('a')], cursor: null });
    const small = await list({ bytesMax: 1 });
    expect(keys(small)).toEqual(['f']);
    expect(keys(await list({ cursor: small.cursor ?? '' }))).toEqual(['e', 'd', 'c', 'b', 'a']);
    expect(await driver().refused('rejected', { limit: 1, cursor: 'x' })).toMatchObject({ code: 'invalid_request' });
  });

  it('keeps so many and no more', async () => {
    const batch = (from: number, count: number) =>
      reject(...Array.from({ length: count }, (_, n) => message(String(from + n), { issues: [] })));
    await batch(0, REJECTED_MAX);
    await batch(REJECTED_MAX, 5);
    const all: string[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = await list({ limit: 5_000, ...(cursor === undefined ? {} : { cursor }) });
      all.push(...keys(page));
      cursor = page.cursor;
    }
    expect(all).toHaveLength(REJECTED_MAX);
    expect([all[0], all.at(-1)]).toEqual([String(REJECTED_MAX + 4), '5']);
  });

  it('keeps them so long and no longer', async () => {
    await reject(message('old'), message('new', { at: T0 + 1 }));
    await prune(T0 + REJECTED_KEEP_MS);
    expect(keys(await list())).toEqual(['new', 'old']);
    await prune(T0 + REJECTED_KEEP_MS + 1);
    expect(keys(await list())).toEqual(['new']);
  });

  it('counts the tries of suspects, each by itself, and on when one was rejected, for its ack may not have arrived', async () => {
    const suspect = (key: string, now = T0) => driver().do('suspect', { now, key });
    expect(await suspect('a')).toEqual({ tries: 1 });
    expect(await suspect('a')).toEqual({ tries: 2 });
    expect(await suspect('b')).toEqual({ tries: 1 });
    await reject(message('a'));
    expect(await suspect('a')).toEqual({ tries: 3 });
    await prune(T0 + REJECTED_KEEP_MS + 1);
    expect(await suspect('b')).toEqual({ tries: 1 });
  });

  it('keeps them over a restart, where it is durable', async () => {
    await reject(message('a'));
    await driver().do('suspect', { now: T0, key: 'b' });
    if (!driver().store.capabilities.durable) return;
    await reopen();
    expect(keys(await list())).toEqual(['a']);
    expect(await driver().do('suspect', { now: T0, key: 'b' })).toEqual({ tries: 2 });
  });

  it('inserts jobs without answering them, for who needs no rows', async () => {
    const job = newJob();
    expect(await driver().do('insert', { jobs: [job, job], brief: true })).toEqual([]);
    expect(driver().whats()).toEqual(['inserted']);
    expect(await driver().job(job.id)).toMatchObject({ id: job.id, state: 'available' });
  });
}
