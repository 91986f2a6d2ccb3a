import { describe, expect, test } from 'vitest';
import { CommitGroup, RIDE_MS, type Waiting } from '../../../src/actors/persistence/commit-group.ts';
import type { JobFact } from '../../../src/job/job-event.ts';
import type { JobStore, StoreCapabilities, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const get = (id: string): StoreRequest => ({ verb: 'get', ids: [id] });
const inserts = (jobs: number): StoreRequest => ({ verb: 'insert', jobs: Array.from({ length: jobs }) as never });

/** A store that records its groups and commits when it is told to. */
class FakeStore {
  readonly groups: (readonly StoreRequest[])[] = [];
  readonly #gates: PromiseWithResolvers<StoreReply[]>[] = [];
  readonly capabilities: StoreCapabilities = { name: 'fake', durable: false, shared: false, groupsMax: 1 };
  readonly store = {
    capabilities: this.capabilities,
    perform: (requests: readonly StoreRequest[]) => {
      this.groups.push(requests);
      const gate = Promise.withResolvers<StoreReply[]>();
      this.#gates.push(gate);
      return gate.promise;
    },
  } as unknown as JobStore;

  commit(replies?: StoreReply[]): void {
    const index = this.groups.length - this.#gates.length;
    const answers = this.groups[index]?.map((_, at): StoreReply => ({ ok: true, answer: at, facts: [] }));
    this.#gates.shift()?.resolve(replies ?? answers ?? []);
  }

  fail(error: Error): void {
    this.#gates.shift()?.reject(error);
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setup(complete: (requests: readonly StoreRequest[]) => Waiting[] = () => []) {
  const fake = new FakeStore();
  const facts: JobFact[] = [];
  const failures: unknown[] = [];
  const clock = new VirtualClock();
  const group = new CommitGroup({
    store: fake.store,
    clock,
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
    const inserted = group.perform(inserts(1));
    await turn();
    expect(fake.groups).toEqual([[inserts(1), get('claim')]]);
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

  test('a group is bounded by rows, and one request larger than the bound goes alone', async () => {
    const { fake, group } = setup();
    const all = [inserts(1_000), inserts(6_000), inserts(4_000), inserts(1_000), inserts(1)].map((request) =>
      group.perform(request),
    );
    for (let commits = 0; commits < 4; commits += 1) {
      await turn();
      fake.commit();
    }
    await Promise.all(all);
    expect(fake.groups.map((requests) => requests.length)).toEqual([1, 1, 2, 1]);
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
