import { describe, expect, test } from 'vitest';
import { CommitGroup, type Waiting } from '../../../src/actors/persistence/commit-group.ts';
import { HOLD_MS } from '../../../src/actors/persistence/insert-pace.ts';
import type { StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { claimOf, GatedStore, insertOf } from '../../support/gated-store.ts';

const settled: StoreRequest = { verb: 'settle', now: 0, worker: 'w', outcomes: [] };
/** A group in short: `q+200` inserts as many jobs into a queue, `q-10` claims of it. */
const brief = (requests: readonly StoreRequest[]): string =>
  requests
    .map((request) => {
      if (request.verb === 'insert') return `${request.jobs[0]?.queue}+${request.jobs.length}`;
      return request.verb === 'claim' ? `${request.queue}-${request.limit}` : request.verb;
    })
    .join(' ');
const claimedJobs = (jobs: number): StoreReply => ({ ok: true, answer: Array.from({ length: jobs }), facts: [] });

function setup(groupsMax = 1) {
  const fake = new GatedStore();
  fake.capabilities.groupsMax = groupsMax;
  const clock = new VirtualClock();
  const failures: unknown[] = [];
  const awaited = new Map<string, number | undefined>();
  const group = new CommitGroup({
    store: fake.store,
    clock,
    isShared: () => false,
    awaited: (queue) => (awaited.has(queue) ? awaited.get(queue) : 0),
    complete: (): Waiting[] => [],
    onFacts: () => {},
    onFailure: (error) => failures.push(error),
  });
  const log: string[] = [];
  /** Adds requests, and notes what becomes of each. */
  const add = async (...requests: StoreRequest[]): Promise<void> => {
    for (const request of requests) {
      const { verb } = request;
      group.add({ request, resolve: () => log.push(verb), reject: () => log.push(`no ${verb}`) });
    }
    await clock.settle();
  };
  /** Commits the oldest group, or the one at a place; what it held. */
  const commit = async (replies?: StoreReply[], at = 0): Promise<string> => {
    const requests = fake.commit(replies, at);
    await clock.settle();
    return brief(requests);
  };
  /** The groups that were begun. */
  const begun = (): string[] => fake.groups.map(brief);
  /** Claims of a queue, and gets so many jobs of as many more. */
  const claim = async (queue = 'q', jobs = 1_000): Promise<void> => {
    await add(claimOf(jobs + 1, queue));
    await commit([claimedJobs(jobs)]);
    fake.groups.length = 0;
    log.length = 0;
  };
  return { fake, clock, failures, isShared: () => false, awaited, group, log, add, commit, begun, claim };
}

describe('inserts of many go at once', () => {
  test('where nobody claims, or none of late', async () => {
    const { clock, add, commit, claim, begun } = setup();
    await add(insertOf(101));
    expect(await commit()).toBe('q+101');
    await claim();
    await clock.advance(HOLD_MS + 1);
    await add(insertOf(101));
    expect(begun()).toEqual(['q+101']);
  });

  test('where claims that wait take more than stands before them', async () => {
    const { awaited, add, commit, claim, begun } = setup();
    await claim();
    awaited.set('q', 300);
    // The last one begins in part.
    await add(insertOf(200), insertOf(150), insertOf(101));
    expect(await commit()).toBe('q+200 q+150');
    // Those that wait would take of the 350 first.
    expect(begun()).toHaveLength(1);
    awaited.set('q', 351);
    await add(settled);
    expect(begun()[1]).toBe('settle q+101');
  });

  test('with a claim of their queue, which then may take what they bring', async () => {
    const { add, commit, claim, begun } = setup();
    await claim();
    await add(insertOf(200), insertOf(201));
    expect(begun()).toEqual([]);
    await add(claimOf(10, 'other'));
    expect(await commit()).toBe('other-10');
    expect(begun()).toHaveLength(1);
    await add(settled, claimOf(200));
    expect(await commit()).toBe('settle q+200 q-200');
    expect(begun()).toHaveLength(2);
  });

  test('where claims wait, but no more than a transaction of two thousand', async () => {
    const { awaited, add, commit, claim, begun } = setup();
    await claim();
    awaited.set('q', 100_000);
    await add(insertOf(999), insertOf(1_001), insertOf(101), insertOf(1_900));
    expect([await commit(), await commit()]).toEqual(['q+999 q+1001', 'q+101']);
    expect(begun()[2]).toBe('q+1900');
  });

  test('where the line is longer than what was taken of late', async () => {
    const { add, commit, claim, begun } = setup();
    await claim('q', 50);
    await add(insertOf(51), settled);
    await commit();
    await add(insertOf(200));
    expect(begun().at(-1)).toBe('q+200');
  });

  test('in a hurry, which those hear that wait', async () => {
    const { clock, group, add, commit, claim, begun } = setup();
    await claim();
    await add(insertOf(200));
    expect(begun()).toEqual([]);
    group.hurry();
    await clock.settle();
    await add(insertOf(201));
    expect(await commit()).toBe('q+200');
    expect(await commit()).toBe('q+201');
    await group.idle();
    expect([group.size, clock.pending]).toEqual([0, 0]);
  });

  test.each([
    ['wait for their time', { state: 'scheduled' }],
    ['have more than every job has', { timeoutMs: 1_000 }],
  ] as const)('where their jobs %s, so that none begins as it is stored', async (_, parts) => {
    const { add, claim, begun } = setup();
    await claim();
    await add(insertOf(200, parts));
    expect(begun()).toEqual(['q+200']);
  });

  test('where workers share limits', async () => {
    const { awaited, add, claim, begun } = setup();
    await claim();
    awaited.set('q', undefined);
    await add(insertOf(200));
    expect(begun()).toEqual(['q+200']);
  });
});

describe('an insert that waits for claims', () => {
  test('goes alone when its time is over, and not before', async () => {
    const { clock, group, log, add, commit, claim, begun } = setup();
    await claim();
    await add(insertOf(200));
    await clock.advance(HOLD_MS - 0.001);
    expect([begun(), group.size]).toEqual([[], 1]);
    await clock.advance(0.001);
    expect(await commit()).toBe('q+200');
    expect([log, group.size, clock.pending]).toEqual([['insert'], 0, 0]);
  });

  test('and one that came later has its own time', async () => {
    const { clock, fake, add, commit, claim, begun } = setup();
    await claim();
    // So much stands before them that the claims of one do not reach them.
    await add(insertOf(99));
    await commit();
    const one = async (): Promise<void> => {
      await add(claimOf(1));
      await commit([claimedJobs(1)]);
      fake.groups.length = 0;
    };
    await add(insertOf(200));
    await clock.advance(40);
    await one();
    await add(insertOf(201));
    await clock.advance(50);
    await one();
    await clock.advance(10);
    expect(await commit()).toBe('q+200');
    await clock.advance(39);
    expect(begun()).toHaveLength(1);
    await clock.advance(1);
    expect(begun()[1]).toBe('q+201');
  });

  test('holds up no few, nothing else, and no other queue’s; those of its queue stay in order', async () => {
    const { add, commit, claim, begun } = setup();
    await claim('a');
    await claim('b');
    const a = (jobs: number, parts = {}) => insertOf(jobs, { queue: 'a', ...parts });
    await add(a(200), insertOf(200, { queue: 'c' }), a(100), settled, a(300, { state: 'scheduled' }));
    expect(await commit()).toBe('settle c+200 a+100');
    await add(insertOf(250, { queue: 'b' }), claimOf(300, 'b'));
    expect(await commit()).toBe('b+250 b-300');
    expect(begun()).toHaveLength(2);
    await add(claimOf(300, 'a'));
    expect(await commit()).toBe('a+200 a+300 a-300');
  });

  test('goes as soon as a claim that was under way waits', async () => {
    const { awaited, clock, add, commit, claim, begun } = setup(2);
    await claim();
    await add(claimOf(10));
    await add(insertOf(200));
    expect(begun()).toEqual(['q-10']);
    // It finds nothing, and waits.
    awaited.set('q', 10);
    await commit();
    expect(begun()[1]).toBe('q+200');
    await commit();
    await clock.advance(HOLD_MS);
    expect([begun().length, clock.pending]).toEqual([2, 0]);
  });

  test('that begins to wait late goes before one that came later', async () => {
    const { clock, add, commit, claim, begun } = setup(2);
    await claim('b');
    await add(claimOf(10, 'a'));
    await add(settled);
    await add(insertOf(1_000, { queue: 'a' }), insertOf(200, { queue: 'a' }));
    await clock.advance(40);
    await add(insertOf(300, { queue: 'b' }));
    // Nothing is known of the one queue yet; its second insert does not go as the group is full.
    await commit(undefined, 1);
    expect(begun()).toEqual(['a-10', 'settle', 'a+1000']);
    // Now it is known that its workers keep up.
    await commit();
    await clock.advance(59);
    expect(begun()).toHaveLength(3);
    await clock.advance(1);
    expect(begun()[3]).toBe('a+200');
    await clock.advance(40);
    expect(await commit()).toBe('a+1000');
    expect(begun()[4]).toBe('b+300');
  });

  test('leaves a timer that does no harm when it went before', async () => {
    const { clock, group, add, commit, claim, begun } = setup();
    await claim();
    await add(insertOf(200));
    await add(claimOf(10));
    await commit();
    await clock.advance(HOLD_MS);
    expect([begun().length, clock.pending, group.size]).toEqual([1, 0, 0]);
    await claim();
    await add(insertOf(201));
    await clock.advance(HOLD_MS);
    expect(begun()).toEqual(['q+201']);
  });

  test('goes when the store is free, however long that took', async () => {
    const { clock, add, commit, claim, begun } = setup();
    await claim();
    await add(insertOf(200), settled);
    await add(insertOf(201));
    await clock.advance(HOLD_MS * 3);
    expect(begun()).toEqual(['settle']);
    await commit();
    expect(begun()[1]).toBe('q+200 q+201');
  });

  test('is not lost when the store fails meanwhile, and hears of it when it fails itself', async () => {
    const { clock, fake, failures, group, log, add, claim } = setup();
    await claim();
    await add(insertOf(200), settled);
    fake.fail(new Error('disk full'));
    await clock.settle();
    expect([log, group.size]).toEqual([['no settle'], 1]);
    await clock.advance(HOLD_MS);
    fake.fail(new Error('disk full'));
    await group.idle();
    expect([log, group.size, failures.length]).toEqual([['no settle', 'no insert'], 0, 2]);
    await clock.advance(1);
    await add(insertOf(201));
    fake.commit();
    await group.idle();
    expect(log).toEqual(['no settle', 'no insert', 'insert']);
  });

  test('is not waited for by who waits for the end, unless there is a hurry', async () => {
    const { clock, fake, group, log, add, commit, claim } = setup(2);
    await claim();
    await add(insertOf(200), settled);
    await commit();
    await group.idle();
    expect(log).toEqual(['settle']);
    group.hurry();
    const ended = group.idle().then(() => log.push('idle'));
    await clock.settle();
    expect([log, fake.writing]).toEqual([['settle'], 1]);
    await commit();
    await ended;
    expect(log).toEqual(['settle', 'insert', 'idle']);
  });

  test('ends whatever parts of milliseconds the clock gives', async () => {
    const { clock, add, claim, begun } = setup();
    // 28.003 + 100 - 28.003 is less than 100.
    await clock.advance(28.003);
    await claim();
    await add(insertOf(200));
    await clock.advance(HOLD_MS);
    await clock.advance(0.000_001);
    expect(begun()).toEqual(['q+200']);
  });
});
