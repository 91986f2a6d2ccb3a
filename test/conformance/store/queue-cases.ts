import { describe, expect, it } from 'vitest';
import type { ClaimedJob } from '../../../src/job/job.ts';
import type { QueueChange } from '../../../src/store/queue-record.ts';
import type { StoreSuite } from './store-conformance.ts';
import { failure, laterJob, newJob, request, T0 } from './store-driver.ts';

const NOTHING = {
  ...{ queue: 'default', paused: false, globalLimit: null, rate: null, partition: null, sorting: false, scale: null },
  scaleByNode: {},
};

/** What operators say of queues, and that claims keep to it. */
export function queueCases(suite: StoreSuite): void {
  const { driver, reopen } = suite;
  const change = (part: QueueChange, queue = 'default') => driver().do('changeQueue', { now: T0, queue, change: part });
  const said = async () => (await driver().do('queues', {}))[0];
  const insert = (count: number, part: Parameters<typeof newJob>[0] = {}) =>
    driver().insert(...Array.from({ length: count }, () => newJob(part)));

  it('keeps what was said of a queue over a restart, each part by itself, and tells whether something changed', async () => {
    expect(await driver().do('queues', {})).toEqual([]);
    expect(await change({ paused: false })).toEqual({ queue: NOTHING, changed: false });
    expect(await change({ paused: true })).toEqual({ queue: { ...NOTHING, paused: true }, changed: true });
    expect((await change({ paused: true })).changed).toBe(false);
    await change({ globalLimit: 3, rate: { limit: 5, periodMs: 1_000 } });
    await change({ partition: { by: 'args.tenant', limit: 2 } });
    await change({ scale: { node: null, limit: 7 } });
    expect((await change({ scale: { node: null, limit: 7 } })).changed).toBe(false);
    await change({ scale: { node: 'a', limit: 0 } });
    const whole = {
      ...{ queue: 'default', paused: true, globalLimit: 3, rate: { limit: 5, periodMs: 1_000 }, sorting: false },
      ...{ partition: { by: 'args.tenant', limit: 2 }, scale: 7, scaleByNode: { a: 0 } },
    };
    expect(await said()).toEqual(whole);
    if (driver().store.capabilities.durable) {
      await reopen();
      expect(await said()).toEqual(whole);
    }
    await change({ paused: false, globalLimit: null, rate: null, partition: null });
    await change({ scale: { node: 'a', limit: null } });
    await change({ scale: { node: null, limit: null } });
    expect(await said()).toEqual(NOTHING);
    expect(await driver().do('queues', { queues: ['other'] })).toEqual([]);
  });

  it('claims nothing of a paused queue, also what comes later, and everything when it is resumed', async () => {
    await insert(1);
    await change({ paused: true });
    await insert(1);
    await insert(1, { queue: 'other' });
    expect(await driver().claim()).toEqual([]);
    expect(await driver().claim({ queue: 'other' })).toHaveLength(1);
    await change({ paused: false });
    expect(await driver().claim()).toHaveLength(2);
  });

  describe('a global limit', () => {
    it('bounds what executes over all workers, and every way out of executing frees a place', async () => {
      await change({ globalLimit: 4 });
      await insert(20);
      const [one, two, three, four] = [
        ...(await driver().claim({ limit: 3 })),
        ...(await driver().claim({ worker: 'b' })),
      ];
      if (!one || !two || !three || !four) throw new Error('four are claimed');
      const claimedAnew = async () => (await driver().claim({ worker: 'c' })).length;
      expect(await claimedAnew()).toBe(0);
      await driver().complete(one);
      expect(await claimedAnew()).toBe(1);
      await driver().settle(two, { outcome: 'snooze', forMs: 1_000 });
      expect(await claimedAnew()).toBe(1);
      await driver().settle(three, failure());
      await driver().do('cancel', { now: T0, id: four.id, terminate: false });
      expect(await claimedAnew()).toBe(2);
      await driver().do('rescue', { now: T0 + 40_000, deadBefore: T0 + 1, limit: 10 });
      expect(await claimedAnew()).toBe(4);
      expect(await claimedAnew()).toBe(0);
    });

    it('holds for claims of one group, and when it is lowered lets what runs end', async () => {
      await insert(9);
      await change({ globalLimit: 5 });
      const asked = { now: T0, queue: 'default', worker: 'w', node: 'n', limit: 3 };
      const replies = await driver().group(...[1, 2, 3].map(() => request('claim', asked)));
      expect(replies.map((reply) => reply.ok && (reply.answer as ClaimedJob[]).length)).toEqual([3, 2, 0]);
      await change({ globalLimit: 2 });
      const jobs = replies.flatMap((reply) => (reply.ok ? (reply.answer as ClaimedJob[]) : []));
      for (const job of jobs.slice(0, 3)) await driver().complete(job, { worker: 'w' });
      expect(await driver().claim()).toEqual([]);
      for (const job of jobs.slice(3, 4)) await driver().complete(job, { worker: 'w' });
      expect(await driver().claim()).toHaveLength(1);
    });

    it('of none lets nothing start, and lifted no longer binds', async () => {
      await insert(2);
      await change({ globalLimit: 0 });
      expect(await driver().claim()).toEqual([]);
      await change({ globalLimit: null });
      expect(await driver().claim()).toHaveLength(2);
    });
  });

  describe('a rate', () => {
    const claimAt = async (ms: number, limit = 10) => (await driver().claim({ now: T0 + ms, limit })).length;
    const nextAt = async (ms: number) => (await driver().do('nextStart', { now: T0 + ms, queue: 'default' })).at;

    it('lets so many start in any stretch of its period, wherever that begins', async () => {
      await insert(30);
      await change({ rate: { limit: 5, periodMs: 1_000 } });
      expect(await nextAt(0)).toBeNull();
      expect([await claimAt(0, 3), await claimAt(600), await claimAt(999)]).toEqual([3, 2, 0]);
      expect(await nextAt(999)).toBe(T0 + 1_000);
      expect([await claimAt(1_000), await claimAt(1_599), await claimAt(1_600), await claimAt(1_999)]).toEqual([
        3, 0, 2, 0,
      ]);
      expect(await nextAt(1_999)).toBe(T0 + 2_000);
    });

    it('counts a start that was handed back, and starts before a restart', async () => {
      await insert(5);
      await change({ rate: { limit: 2, periodMs: 60_000 } });
      const [one, two] = await driver().claim({ limit: 2 });
      if (!one || !two) throw new Error('two are claimed');
      await driver().settle(one, { outcome: 'release' });
      await driver().settle(two, { outcome: 'snooze', forMs: 1 });
      expect(await claimAt(1_000)).toBe(0);
      if (driver().store.capabilities.durable) await reopen();
      expect([await claimAt(59_999), await claimAt(60_000)]).toEqual([0, 2]);
    });

    it('is another one at once, and does not count what a group took back', async () => {
      await insert(9);
      await change({ rate: { limit: 2, periodMs: 1_000 } });
      expect(await claimAt(0)).toBe(2);
      await change({ rate: { limit: 3, periodMs: 500 } });
      expect([await claimAt(0), await claimAt(500)]).toEqual([1, 3]);
      await change({ rate: null });
      expect(await claimAt(500)).toBe(3);
    });

    it('does not stand still when the clock steps back', async () => {
      await insert(9);
      await change({ rate: { limit: 2, periodMs: 1_000 } });
      expect(await claimAt(3_600_000)).toBe(2);
      expect([await claimAt(0), await claimAt(1_000)]).toEqual([0, 2]);
    });
  });

  partitionCases(suite);
}

function partitionCases({ driver, reopen }: StoreSuite): void {
  const change = (part: QueueChange) => driver().do('changeQueue', { now: T0, queue: 'default', change: part });
  const tenant = (name: unknown, part: Parameters<typeof newJob>[0] = {}) =>
    newJob({ args: { tenant: name as string }, ...part });
  const tenants = (jobs: readonly ClaimedJob[]) => jobs.map(({ args }) => (args as { tenant: string }).tenant);
  const claim = async (limit = 100) => tenants(await driver().claim({ limit }));
  const sorted = async (limit = 2) => {
    for (let steps = 1; ; steps += 1) {
      if ((await driver().do('sortPartitions', { queue: 'default', limit })).done) return steps;
    }
  };

  describe('a partition limit', () => {
    it('bounds what executes of each key; a full one at the head does not hold up the others', async () => {
      await change({ partition: { by: 'args.tenant', limit: 2 } });
      await driver().insert(...['a', 'a', 'a', 'a', 'b', 'c', 'b'].map((name) => tenant(name)));
      expect(await claim()).toEqual(['a', 'a', 'b', 'c', 'b']);
      expect(await claim()).toEqual([]);
    });

    it('frees a place however a job ends, and after a restart knows what executes', async () => {
      await change({ partition: { by: 'args.tenant', limit: 1 } });
      await driver().insert(...Array.from({ length: 8 }, () => tenant('a')));
      const next = async () => {
        const [job] = await driver().claim({ limit: 5 });
        if (job === undefined) throw new Error('a place is free');
        expect(await driver().claim({ limit: 5 })).toEqual([]);
        return job;
      };
      await driver().complete(await next());
      await driver().settle(await next(), failure());
      await driver().settle(await next(), { outcome: 'release' });
      await driver().do('cancel', { now: T0, id: (await next()).id, terminate: false });
      await next();
      await driver().do('rescue', { now: T0 + 40_000, deadBefore: T0 + 1, limit: 10 });
      const job = await next();
      if (!driver().store.capabilities.durable) return;
      await reopen();
      expect(await claim()).toEqual([]);
      await driver().complete(job);
      expect(await claim()).toEqual(['a']);
    });

    it('serves keys in turn within a priority, and the better priority first', async () => {
      await change({ partition: { by: 'args.tenant', limit: 10 } });
      await driver().insert(...['a', 'a', 'a', 'b', 'c'].map((name) => tenant(name)));
      await driver().insert(tenant('d', { priority: 9 }), tenant('e', { priority: 0 }));
      const claims: string[] = [];
      for (let turn = 0; turn < 7; turn += 1) claims.push(...(await claim(1)));
      expect(claims).toEqual(['e', 'a', 'b', 'c', 'a', 'a', 'd']);
    });

    it('takes the jobs of a key in order, also several at once, and one that was to run later after the others', async () => {
      await change({ partition: { by: 'args.tenant', limit: 2 } });
      const [late, running] = [tenant('a'), tenant('a')];
      await driver().insert(late, running);
      const [first] = await driver().claim({ limit: 2 });
      if (first?.id !== late.id) throw new Error('the first is claimed first');
      await driver().settle(first, failure('later', 7));
      await driver().do('stage', { now: T0 + 9, limit: 9 });
      const next = tenant('a');
      await driver().insert(next, tenant('a'));
      expect((await driver().claim({ now: T0 + 9, limit: 100 })).map(({ id }) => id)).toEqual([next.id]);
    });

    it('goes on with the turns of keys whatever else changes', async () => {
      await change({ partition: { by: 'args.tenant', limit: 10 } });
      await driver().insert(...['a', 'a', 'a', 'b', 'b', 'c'].map((name) => tenant(name)));
      const claims: string[] = [];
      for (let turn = 0; turn < 6; turn += 1) {
        const later = tenant('z', { state: 'scheduled', scheduledAt: T0 + turn });
        await driver().insert(later);
        await driver().do('cancel', { now: T0, id: later.id, terminate: false });
        const other = tenant('y');
        await driver().insert(other);
        await driver().do('cancel', { now: T0, id: other.id, terminate: false });
        claims.push(...(await claim(1)));
      }
      expect(claims).toEqual(['a', 'b', 'c', 'a', 'b', 'a']);
    });

    it('counts a key over all priorities, and shares out what room is left', async () => {
      await change({ partition: { by: 'args.tenant', limit: 3 } });
      for (const priority of [0, 5, 9]) {
        await driver().insert(...['a', 'a', 'b', 'b', 'b', 'b'].map((name) => tenant(name, { priority })));
      }
      expect((await claim()).sort()).toEqual(['a', 'a', 'a', 'b', 'b', 'b']);
    });

    it('takes the value for what it is, and jobs without it as one partition', async () => {
      await change({ partition: { by: 'meta.customer.id', limit: 1 } });
      const of = (meta: Record<string, never>) => newJob({ meta });
      const metas = [
        { customer: { id: 1 } },
        { customer: { id: '1' } },
        {},
        { customer: null },
        { customer: { id: null } },
      ];
      const long = { customer: { id: 'x'.repeat(5_000) } };
      await driver().insert(...[...metas, long, long].map((meta) => of(meta as never)));
      expect(await driver().claim({ limit: 100 })).toHaveLength(4);
    });

    it('holds for jobs that were there before, whatever their state: none starts until they are sorted', async () => {
      await driver().insert(...Array.from({ length: 6 }, () => tenant('a')), tenant('b'), newJob({ queue: 'other' }));
      await driver().insert(laterJob(T0 + 5, { args: { tenant: 'a' } }));
      const [running, ended, failed] = await driver().claim({ limit: 3 });
      if (!running || !ended || !failed) throw new Error('three are claimed');
      await driver().complete(ended);
      await driver().settle(failed, failure('later', 3));
      expect((await change({ partition: { by: 'args.tenant', limit: 2 } })).queue.sorting).toBe(true);
      await driver().insert(tenant('b'));
      expect(await claim()).toEqual([]);
      if (driver().store.capabilities.durable) await reopen();
      expect(await claim()).toEqual([]);
      expect(await sorted()).toBeGreaterThan(2);
      expect((await driver().do('queues', {}))[0]?.sorting).toBe(false);
      await driver().do('stage', { now: T0 + 10, limit: 10 });
      await driver().do('retry', { now: T0 + 10, id: ended.id });
      expect(await claim()).toEqual(['a', 'b', 'b']);
      await driver().complete(running);
      expect(await claim()).toEqual(['a']);
      expect(await claim()).toEqual([]);
    });

    it('follows a job whose key or queue is changed', async () => {
      await change({ partition: { by: 'args.tenant', limit: 1 } });
      const [one, two, three] = [tenant('a'), tenant('a'), tenant('a', { queue: 'other' })];
      await driver().insert(one, two, three);
      expect(await claim()).toEqual(['a']);
      await driver().do('update', { now: T0, id: two.id, changes: { args: { tenant: 'b' } } });
      await driver().do('update', { now: T0, id: three.id, changes: { queue: 'default' } });
      expect(await claim()).toEqual(['b']);
      await change({ partition: null });
      expect(await claim()).toEqual(['a']);
    });

    it('goes by another path once that is set, and not at all once it is lifted', async () => {
      await driver().insert(...[1, 2, 3].map((n) => newJob({ args: { tenant: 'a', n } })));
      await change({ partition: { by: 'args.tenant', limit: 1 } });
      await sorted();
      expect(await claim(1)).toHaveLength(1);
      await change({ partition: { by: 'args.n', limit: 1 } });
      await sorted();
      expect(await claim()).toHaveLength(2);
    });

    it('takes only the types that were asked for, and passes over what is past its deadline', async () => {
      await change({ partition: { by: 'args.tenant', limit: 2 } });
      const jobs = ['a', 'b', 'c', 'd'].map((name) => tenant(name, { type: name === 'd' ? 'mine' : 'theirs' }));
      await driver().insert(...jobs, tenant('e', { type: 'mine', deadlineAt: T0 - 1 }));
      expect(tenants(await driver().claim({ limit: 1, types: ['mine'] }))).toEqual(['d']);
      expect(await driver().claim({ limit: 1, types: ['mine'] })).toEqual([]);
    });

    it('holds together with a global limit and a rate', async () => {
      await change({ partition: { by: 'args.tenant', limit: 2 }, globalLimit: 5, rate: { limit: 4, periodMs: 1_000 } });
      await driver().insert(...Array.from({ length: 12 }, (_, index) => tenant(`t${index % 4}`)));
      expect(await claim()).toHaveLength(4);
      const later = await driver().claim({ now: T0 + 1_000, limit: 100 });
      expect(later).toHaveLength(1);
    });

    it('knows what executes after a group that came to nothing', async () => {
      await change({ partition: { by: 'args.tenant', limit: 1 } });
      await driver().insert(tenant('a'), tenant('a'));
      const asked = { now: T0, queue: 'default', worker: 'w', node: 'n', limit: 5 };
      // What no store can write: the group is run again, each request on its own.
      const bad = newJob({ priority: Number.NaN });
      const replies = await driver().group(
        request('claim', asked),
        request('insert', { jobs: [bad] }),
        request('claim', asked),
      );
      expect(replies.map(({ ok }) => ok)).toEqual([true, false, true]);
      expect(replies.flatMap((reply) => (reply.ok ? (reply.answer as ClaimedJob[]) : []))).toHaveLength(1);
      expect(await claim()).toEqual([]);
    });
  });

  it('gives a hundred partitions their turns whoever came first', async () => {
    await change({ partition: { by: 'args.tenant', limit: 2 } });
    const names = Array.from({ length: 100 }, (_, index) => `t${index}`);
    await driver().insert(...Array.from({ length: 2_000 }, () => tenant('greedy')));
    for (let round = 0; round < 3; round += 1) await driver().insert(...names.map((name) => tenant(name)));
    const served = new Map<string, number>();
    for (let turn = 0; turn < 31; turn += 1) {
      const jobs = await driver().claim({ limit: 10 });
      for (const name of tenants(jobs)) served.set(name, (served.get(name) ?? 0) + 1);
      await driver().do('settle', {
        ...{ now: T0, worker: 'worker-a' },
        outcomes: jobs.map(({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete', result: null })),
      });
    }
    expect(names.map((name) => served.get(name))).toEqual(names.map(() => 3));
    expect(served.get('greedy')).toBeLessThanOrEqual(2 * 31);
  });
}
