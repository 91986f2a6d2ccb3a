import { expect, it } from 'vitest';
import type { StoreSuite } from './store-conformance.ts';
import { newJob, T0 } from './store-driver.ts';

/** Enough of a type that nobody takes to be more than a few in the way. */
const MANY = 300;

/** Claims of workers that name what they can run, in a queue whose head is full of what they cannot. */
export function typeCases({ driver, reopen }: StoreSuite): void {
  type Part = Parameters<typeof newJob>[0];
  const jobsOf = (type: string, count: number, part: Part = {}) =>
    Array.from({ length: count }, (_, at) =>
      newJob({ type, scheduledAt: T0 - 1_000 + at, args: { tenant: 'a' }, ...part }),
    );
  const idsOf = (jobs: readonly { id: string }[]) => jobs.map(({ id }) => id);
  const claim = async (types: string[] | undefined, limit = 10) =>
    idsOf(await driver().claim({ limit, ...(types === undefined ? {} : { types }) }));
  /** A queue whose head was walked past once. */
  const passed = async () => {
    const theirs = jobsOf('theirs', MANY);
    const mine = jobsOf('mine', 4, { scheduledAt: T0 });
    await driver().insert(...theirs, ...mine);
    expect(await claim(['mine'], 2)).toEqual(idsOf(mine.slice(0, 2)));
    return { theirs, mine: mine.slice(2) };
  };

  it('finds what it can run behind many that it cannot, and leaves those to who can, in order', async () => {
    const { theirs, mine } = await passed();
    const later = jobsOf('theirs', 5, { scheduledAt: T0 - 500 });
    const urgent = jobsOf('theirs', 1, { priority: 0, scheduledAt: T0 });
    await driver().insert(...later, ...urgent);
    expect(await claim(['other'])).toEqual([]);
    if (driver().store.capabilities.durable) await reopen();
    const first = [...urgent, ...theirs.slice(0, 2)];
    expect(await claim(['theirs', 'mine'], 3)).toEqual(idsOf(first));
    const [, , ...rest] = theirs;
    const inOrder = [...rest, ...later].toSorted((a, b) => a.scheduledAt - b.scheduledAt);
    expect(await claim(undefined, MANY + 50)).toEqual([...idsOf(inOrder), ...idsOf(mine)]);
    expect(await claim(undefined)).toEqual([]);
  });

  it('shows them as before: in lists and sums, as types that wait, and as something to claim', async () => {
    const { theirs, mine } = await passed();
    const filter = { queue: 'default', states: ['available' as const] };
    const listed = await driver().do('list', { filter, limit: MANY * 2, order: 'asc' });
    expect(idsOf(listed.jobs)).toEqual(idsOf([...theirs, ...mine]));
    const types = await driver().do('waitingTypes', { limit: MANY * 2 });
    expect(types).toEqual(['mine', 'theirs'].map((type) => ({ type, queue: 'default' })));
    await claim(['mine']);
    expect(await driver().do('claimable', { queues: ['default', 'other'] })).toEqual(['default']);
    await driver().expectCountsHold();
  });

  it('follows them through every change', async () => {
    const { theirs } = await passed();
    const [moved, changed, ended, failed] = theirs;
    if (!moved || !changed || !ended || !failed) throw new Error('there are four');
    await driver().do('update', { now: T0, id: moved.id, changes: { queue: 'other' } });
    expect(idsOf(await driver().claim({ queue: 'other', types: ['theirs'] }))).toEqual([moved.id]);
    await driver().do('update', { now: T0, id: changed.id, changes: { priority: 0 } });
    expect(await claim(['theirs'], 1)).toEqual([changed.id]);
    await driver().do('cancel', { now: T0, id: ended.id, terminate: false });
    await driver().do('retry', { now: T0 - 1_000, id: ended.id });
    expect(await claim(['theirs'], 1)).toEqual([ended.id]);
    const [job] = await driver().claim({ limit: 1, types: ['theirs'] });
    if (job === undefined) throw new Error('one is claimed');
    expect(job.id).toBe(failed.id);
    await driver().settle(job, { outcome: 'release' });
    expect(await claim(['mine', 'theirs'], 1)).toEqual([failed.id]);
  });

  it('counts them against a partition limit that is set afterwards', async () => {
    const { theirs } = await passed();
    const change = { partition: { by: 'args.tenant', limit: 4 } };
    await driver().do('changeQueue', { now: T0, queue: 'default', change });
    while (!(await driver().do('sortPartitions', { queue: 'default', limit: 100 })).done);
    expect(await claim(['theirs'])).toEqual(idsOf(theirs.slice(0, 2)));
    await driver().do('changeQueue', { now: T0, queue: 'default', change: { partition: null } });
    expect(await claim(['theirs'], 1)).toEqual(idsOf(theirs.slice(2, 3)));
  });
}
