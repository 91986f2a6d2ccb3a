import { describe, expect, test } from 'vitest';
import { CommitGroup, RIDE_MS, type Waiting } from '../../../src/actors/persistence/commit-group.ts';
import type { JobFact } from '../../../src/job/job-event.ts';
import { systemRandom } from '../../../src/kernel/identity.ts';
import type { StoreRequest } from '../../../src/store/job-store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { newJob, T0 } from '../../conformance/store/store-driver.ts';
import { claimOf, GatedStore, insertOf } from '../../support/gated-store.ts';

const get = (id: string): StoreRequest => ({ verb: 'get', ids: [id] });
const settles = (jobs: number): StoreRequest => ({
  verb: 'settle',
  ...{ now: 0, worker: 'w', outcomes: Array.from({ length: jobs }) as never },
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setup(complete: (requests: readonly StoreRequest[]) => Waiting[] = () => []) {
  const fake = new GatedStore();
  const facts: JobFact[] = [];
  const failures: unknown[] = [];
  const clock = new VirtualClock();
  const group = new CommitGroup({
    store: fake.store,
    clock,
    isShared: () => false,
    awaited: () => 0,
    complete,
    onFacts: (told) => facts.push(...told),
    onFailure: (error) => failures.push(error),
  });
  return { fake, facts, failures, clock, group };
}

describe('group commit', () => {
  test('what comes in one turn is one group, answered after the commit in order', async () => {
    const { fake, group } = setup();
    const answers = Promise.all([group.perform(get('a')), group.perform(get('b'))]);
    await turn();
    expect(fake.groups).toEqual([[get('a'), get('b')]]);
    fake.commit();
    expect(await answers).toEqual([0, 1]);
  });

  test('what comes during a commit is the next group', async () => {
    const { fake, group } = setup();
    const first = group.perform(get('a'));
    await turn();
    const rest = [group.perform(get('b')), group.perform(get('c'))];
    await turn();
    expect(fake.groups).toHaveLength(1);
    fake.commit();
    await first;
    await turn();
    expect(fake.groups[1]).toEqual([get('b'), get('c')]);
    fake.commit();
    await Promise.all(rest);
    await group.idle();
  });

  test('what is in no hurry goes with the next group, or alone when none comes', async () => {
    const { fake, group, clock } = setup();
    const rider = group.ride(get('rider'));
    await turn();
    expect(fake.groups).toEqual([]);
    const first = group.perform(get('a'));
    await turn();
    expect(fake.groups).toEqual([[get('a'), get('rider')]]);
    fake.commit();
    expect(await Promise.all([first, rider])).toEqual([0, 1]);
    const alone = group.ride(get('alone'));
    await clock.advance(RIDE_MS);
    await turn();
    expect(fake.groups[1]).toEqual([get('alone')]);
    fake.commit();
    expect(await alone).toBe(0);
  });

  test('who waits for a job does not wait for what is in no hurry as well', async () => {
    const claim: Waiting = { request: get('claim'), resolve: () => {}, reject: () => {} };
    const { fake, group } = setup((requests) => (requests.some(({ verb }) => verb === 'insert') ? [claim] : []));
    const rider = group.ride(get('rider'));
    const inserted = group.perform(insertOf(1));
    await turn();
    expect(fake.groups).toEqual([[insertOf(1), get('claim')]]);
    fake.commit();
    await inserted;
    const next = group.perform(get('a'));
    await turn();
    expect(fake.groups[1]).toEqual([get('a'), get('rider')]);
    fake.commit();
    expect(await Promise.all([next, rider])).toEqual([0, 1]);
  });

  test('who waits hears of a commit before what its facts bring about', async () => {
    const { fake, facts, group } = setup();
    const fact = { id: 'a' } as JobFact;
    const { promise, resolve } = Promise.withResolvers<number>();
    group.add({ request: get('a'), resolve: () => resolve(facts.length), reject: () => {} });
    await turn();
    fake.commit([{ ok: true, answer: null, facts: [fact] }]);
    expect(await promise).toBe(0);
    await group.idle();
    expect(facts).toEqual([fact]);
  });

  test('in a hurry nothing waits for a group to go with', async () => {
    const { fake, group } = setup();
    const riders = [group.ride(get('a'))];
    group.hurry();
    riders.push(group.ride(get('b')));
    await turn();
    expect(fake.groups).toEqual([[get('a'), get('b')]]);
    fake.commit();
    await Promise.all(riders);
    await group.idle();
  });

  test('a store that can write several groups is given as many at once, and idle waits for all', async () => {
    const { fake, group } = setup();
    fake.capabilities.groupsMax = 2;
    const answers: Promise<unknown>[] = [];
    for (const id of ['a', 'b', 'c', 'd']) {
      answers.push(group.perform(get(id)));
      await turn();
    }
    expect(fake.groups).toEqual([[get('a')], [get('b')]]);
    fake.commit();
    await turn();
    expect(fake.groups[2]).toEqual([get('c'), get('d')]);
    let idle = false;
    const ended = group.idle().then(() => {
      idle = true;
    });
    fake.commit();
    await turn();
    expect(idle).toBe(false);
    fake.commit();
    await ended;
    expect(await Promise.all(answers)).toEqual([0, 0, 0, 1]);
  });

  test('what the store does aside waits for no group', async () => {
    const { fake, group } = setup();
    fake.capabilities.aside = new Set(['leader']);
    const stuck = group.perform(get('a'));
    await turn();
    const leader = group.perform({ verb: 'leader' });
    expect(fake.groups).toEqual([[get('a')], [{ verb: 'leader' }]]);
    let idle = false;
    const ended = group.idle().then(() => {
      idle = true;
    });
    fake.commit();
    await stuck;
    await turn();
    expect(idle).toBe(false);
    fake.commit();
    expect(await leader).toBe(0);
    await ended;
  });

  test.each([
    ['inserts of many', [insertOf(500), insertOf(500), insertOf(101), insertOf(6_000), insertOf(899), insertOf(101)]],
    ['all else', [settles(1_000), claimOf(1_000), settles(1), claimOf(6_000), settles(1_900), insertOf(100)]],
  ])('%s of one group are bounded by rows, and what is more than the bound goes alone', async (_, requests) => {
    const { fake, group } = setup();
    const all = requests.map((request) => group.perform(request));
    for (let commits = 0; commits < 4; commits += 1) {
      await turn();
      fake.commit();
    }
    await Promise.all(all);
    expect(fake.groups).toEqual([[requests[0], requests[1]], [requests[2]], [requests[3]], [requests[4], requests[5]]]);
  });

  test('each has a bound of its own', async () => {
    const { fake, group } = setup();
    const requests = [insertOf(2_000), insertOf(101), settles(2_000), settles(1)];
    const all = requests.map((request) => group.perform(request));
    for (const pair of [[2, 0] as const, [3, 1] as const]) {
      await turn();
      expect(fake.groups.at(-1)).toEqual(pair.map((at) => requests[at]));
      fake.commit();
    }
    await Promise.all(all);
  });

  test('inserts come behind all else, and claims last, behind those that waited', async () => {
    const parked: Waiting = { request: claimOf(7), resolve: () => {}, reject: () => {} };
    const { fake, group } = setup(() => [parked]);
    const requests = [claimOf(1), insertOf(1), claimOf(2), get('a'), insertOf(200)];
    const all = Promise.all(requests.map((request) => group.perform(request)));
    await turn();
    expect(fake.groups).toEqual([[get('a'), insertOf(200), insertOf(1), claimOf(7), claimOf(1), claimOf(2)]]);
    fake.commit();
    // Each has the answer of its place.
    expect(await all).toEqual([[], 2, [], 0, 1]);
  });

  test('inserts are in the order of their jobs, also where some were held', async () => {
    const { fake, group } = setup();
    const inserts = [insertOf(200, { insertedAt: 3 }), insertOf(1, { insertedAt: 2 }), insertOf(2, { insertedAt: 4 })];
    const all = Promise.all(inserts.map((request) => group.perform(request)));
    await turn();
    expect(fake.groups).toEqual([[inserts[1], inserts[0], inserts[2]]]);
    fake.commit();
    await all;
  });

  test('a rate holds where a claim was made before a question that it comes behind', async () => {
    const store = openSqliteStore({ path: ':memory:', random: systemRandom });
    const clock = new VirtualClock();
    const nobody = {
      isShared: () => false,
      awaited: () => 0,
      complete: () => [],
      onFacts: () => {},
      onFailure: () => {},
    };
    const group = new CommitGroup({ store, clock, ...nobody });
    const queue = 'default';
    const claims = (now: number) =>
      group.perform({ verb: 'claim', now, queue, worker: 'w', node: 'n', limit: 9 }) as Promise<{ id: string }[]>;
    await group.perform({ verb: 'changeQueue', now: T0, queue, change: { rate: { limit: 2, periodMs: 30_000 } } });
    await group.perform({ verb: 'insert', jobs: Array.from({ length: 6 }, () => newJob()) });
    expect(await claims(T0)).toHaveLength(2);
    const claiming = claims(T0 + 25_000);
    await group.perform({ verb: 'nextStart', now: T0 + 30_500, queue });
    const ids = (await claiming).map(({ id }) => id);
    const jobs = (await group.perform({ verb: 'get', ids })) as { attemptedAt: number }[];
    expect(jobs.map(({ attemptedAt }) => attemptedAt)).toEqual([T0 + 30_500, T0 + 30_500]);
    // What started then leaves no room for thirty seconds.
    expect(await claims(T0 + 56_000)).toEqual([]);
    await store.close();
  });

  test('a refusal is its requester’s alone', async () => {
    const { fake, group } = setup();
    const answers = Promise.allSettled([group.perform(get('a')), group.perform(get('b'))]);
    await turn();
    const refusal = { code: 'conflict' as const, message: 'no' };
    fake.commit([
      { ok: false, error: refusal },
      { ok: true, answer: 'fine', facts: [] },
    ]);
    expect(await answers).toMatchObject([
      { status: 'rejected', reason: refusal },
      { status: 'fulfilled', value: 'fine' },
    ]);
  });

  test('a failed group fails everybody in it and the next goes on', async () => {
    const { fake, failures, group } = setup();
    const failed = Promise.allSettled([group.perform(get('a')), group.perform(get('b'))]);
    await turn();
    fake.fail(new Error('disk full'));
    expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(failures).toHaveLength(1);
    const next = group.perform(get('c'));
    await turn();
    fake.commit();
    expect(await next).toBe(0);
  });

  describe('claims whose jobs began in the group', () => {
    const told: string[] = [];
    const claim = (name: string, isOwn: boolean): Waiting => ({
      ...{ request: get(name), isOwn },
      resolve: (jobs) => told.push(`${name}: ${JSON.stringify(jobs)}`),
      reject: (error) => told.push(`${name}! ${String(error)}`),
    });
    const begun = async () => {
      told.length = 0;
      const world = setup();
      for (const one of [claim('own', true), claim('other', false), claim('waiting', true)]) world.group.add(one);
      await turn();
      // The third has others as well, of which somebody was told long ago.
      await world.fake.tellEarly([
        { index: 0, jobs: [] },
        { index: 1, jobs: [] },
      ]);
      return world;
    };

    test('are answered before it is durable where their worker is our own, and once', async () => {
      const { fake, facts } = await begun();
      expect(told).toEqual(['own: []']);
      expect(facts).toEqual([]);
      const fact = { what: 'started' } as JobFact;
      fake.commit([0, 1, 2].map((answer) => ({ ok: true, answer, facts: [fact] })));
      await turn();
      expect(told).toEqual(['own: []', 'other: 1', 'waiting: 2']);
      expect(facts).toHaveLength(3);
    });

    test('are no failure of the group where answering them fails', async () => {
      const { fake, facts, failures, group } = setup();
      const deaf: Waiting = {
        ...{ request: get('own'), isOwn: true, reject: () => told.push('rejected') },
        resolve: () => {
          throw new Error('deaf');
        },
      };
      const unheard = new Promise((resolve) => process.once('unhandledRejection', resolve));
      group.add(deaf);
      const other = group.perform(get('other'));
      await turn();
      told.length = 0;
      await fake.tellEarly([{ index: 0, jobs: [] }]);
      fake.commit([0, 1].map((answer) => ({ ok: true, answer, facts: [{ what: 'started' } as JobFact] })));
      expect(await other).toBe(1);
      expect(await unheard).toMatchObject({ message: 'deaf' });
      expect([told, failures, facts.length]).toEqual([[], [], 2]);
    });

    test('stay answered where nobody knows whether it is durable', async () => {
      const { fake, failures } = await begun();
      fake.fail(new Error('not synced'));
      await turn();
      expect(told).toEqual(['own: []', 'other! Error: not synced', 'waiting! Error: not synced']);
      expect(failures).toHaveLength(1);
    });
  });

  test('facts are told before the answers, and completions ride along', async () => {
    const told: string[] = [];
    const extra: Waiting = { request: get('waiting claim'), resolve: () => told.push('claim'), reject: () => {} };
    let once = [extra];
    const { fake, facts, group } = setup(() => once.splice(0));
    once = [extra];
    const answer = group.perform(get('a')).then(() => told.push(`answer after ${facts.length} facts`));
    await turn();
    expect(fake.groups[0]).toEqual([get('a'), get('waiting claim')]);
    const fact = { what: 'inserted' } as JobFact;
    fake.commit([
      { ok: true, answer: null, facts: [fact] },
      { ok: true, answer: [], facts: [] },
    ]);
    await answer;
    expect(told).toEqual(['claim', 'answer after 1 facts']);
  });
});
