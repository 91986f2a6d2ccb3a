import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CommitGroup, RIDE_MS, type Waiting } from '../../src/actors/persistence/commit-group.ts';
import { HOLD_MS, InsertPace } from '../../src/actors/persistence/insert-pace.ts';
import type { StoreReply, StoreRequest } from '../../src/store/job-store.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { claimOf, GatedStore, insertOf } from '../support/gated-store.ts';

/** Workers of the last one share a limit. */
const QUEUES = ['a', 'b', 'shared'];
const FEW_MAX = 100;

type Step =
  | { do: 'insert'; queue: string; jobs: number; parts: { state?: 'scheduled' } }
  | { do: 'claim'; queue: string; limit: number; waits: boolean }
  | { do: 'other' | 'ride' | 'hurry' }
  | { do: 'pass'; ms: number }
  | { do: 'commit' | 'fail'; place: number; part: number };

const queue = fc.constantFrom(...QUEUES);
const place = fc.nat(3);
const ms = fc.oneof(fc.integer({ min: 0, max: 130 }), fc.double({ min: 0, max: 60, noNaN: true }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: insertStep(fc.integer({ min: FEW_MAX + 1, max: 1_500 })) },
  { weight: 2, arbitrary: insertStep(fc.integer({ min: 1, max: FEW_MAX })) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('claim'),
      queue,
      limit: fc.integer({ min: 1, max: 900 }),
      waits: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('other', 'ride') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), ms }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('commit'), place, part: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('fail'), place, part: fc.constant(0) }) },
);

function insertStep(jobs: fc.Arbitrary<number>): fc.Arbitrary<Step> {
  const parts = fc.constantFrom({}, {}, {}, { state: 'scheduled' as const });
  return fc.record({ do: fc.constant('insert'), queue, jobs, parts });
}

interface Added {
  request: StoreRequest;
  since: number;
  /** An insert of more than a few. */
  isMany: boolean;
  begunIn?: number;
  ends: number;
}

/** A commit group, and what is known of all that was ever added to it. */
class World {
  readonly clock = new VirtualClock();
  readonly fake = new GatedStore();
  readonly group: CommitGroup;
  readonly added = new Map<StoreRequest, Added>();
  readonly #parked: StoreRequest[] = [];
  /** Claims that wait and ride in a group. */
  readonly #rode = new Set<StoreRequest>();
  readonly #pace = new InsertPace(() => false);
  #checked = 0;
  #hurried = false;

  constructor(groupsMax: number) {
    this.fake.capabilities.groupsMax = groupsMax;
    this.group = new CommitGroup({
      store: {
        ...this.fake.store,
        perform: (requests) => {
          this.#pace.begins(requests, this.clock.monotonicMs());
          return this.fake.store.perform(requests);
        },
      },
      clock: this.clock,
      isShared: () => false,
      awaited: (name) => this.#awaited(name),
      complete: (requests) => this.#complete(requests),
      onFacts: () => {},
      onFailure: () => {},
    });
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'insert') this.#add(insertOf(step.jobs, { queue: step.queue, ...step.parts }));
    if (step.do === 'claim') this.#add(claimOf(step.limit, step.queue), step.waits);
    if (step.do === 'other') this.#add({ verb: 'leader' });
    if (step.do === 'ride') {
      const { request, resolve, reject } = this.#entered({ verb: 'announced', places: [] });
      this.group.ride(request).then(resolve, reject);
    }
    if (step.do === 'hurry') {
      this.#hurried = true;
      this.group.hurry();
    }
    const ended = (step.do === 'commit' || step.do === 'fail') && this.#end(step);
    if (step.do === 'pass') await this.clock.advance(step.ms);
    await this.clock.settle();
    this.#checkGroups();
    // Then it has looked who may go.
    this.#checkWaiting(ended || step.do === 'insert' || step.do === 'claim' || step.do === 'other');
  }

  /** Commits whatever is there and lets time pass until nothing waits. */
  async drain(): Promise<void> {
    for (let rounds = 0; this.group.size > 0 || this.fake.writing > 0; rounds += 1) {
      expect(rounds).toBeLessThan(1_000);
      await this.take(this.fake.writing > 0 ? { do: 'commit', place: 0, part: 0 } : { do: 'pass', ms: HOLD_MS });
    }
  }

  /** Each was in exactly one group, and was told once what it came to. */
  expectAllEnded(): void {
    for (const one of this.added.values()) expect(one).toMatchObject({ begunIn: expect.any(Number), ends: 1 });
  }

  #entered(request: StoreRequest): Waiting {
    const isMany = request.verb === 'insert' && request.jobs.length > FEW_MAX;
    const one: Added = { request, since: this.clock.monotonicMs(), isMany, ends: 0 };
    this.added.set(request, one);
    const end = (): void => {
      one.ends += 1;
    };
    return { request, resolve: end, reject: end };
  }

  #add(request: StoreRequest, waits = false): void {
    const waiting = this.#entered(request);
    this.group.add({ ...waiting, resolve: (jobs) => this.#found(waiting, waits && jobs) });
  }

  /** A claim that finds nothing is parked, if it waits. */
  #found({ request, resolve }: Waiting, jobs: unknown): void {
    resolve(jobs);
    if (Array.isArray(jobs) && jobs.length === 0) this.#parked.push(request);
  }

  #awaited(name: string): number | undefined {
    const claims = this.#parked.filter((request) => request.verb === 'claim' && request.queue === name);
    return name === 'shared'
      ? undefined
      : claims.reduce((sum, claim) => sum + (claim.verb === 'claim' ? claim.limit : 0), 0);
  }

  #complete(requests: readonly StoreRequest[]): Waiting[] {
    const queues = new Set(requests.flatMap((one) => (one.verb === 'insert' ? one.jobs.map((job) => job.queue) : [])));
    const woken = this.#parked.filter((claim) => claim.verb === 'claim' && queues.has(claim.queue));
    return woken.map((parked) => {
      this.#parked.splice(this.#parked.indexOf(parked), 1);
      // It is another request each time.
      const waiting = this.#entered({ ...parked });
      this.#rode.add(waiting.request);
      return { ...waiting, resolve: (jobs) => this.#found(waiting, jobs) };
    });
  }

  #end(step: Step & { do: 'commit' | 'fail' }): boolean {
    if (this.fake.writing === 0) return false;
    const place = step.place % this.fake.writing;
    if (step.do === 'fail') {
      this.fake.fail(new Error('disk full'), place);
      return true;
    }
    const group = this.fake.begun(place);
    const replies = group.map((request): StoreReply => {
      // So many quarters of what it asked for.
      const jobs = request.verb === 'claim' ? Math.floor((request.limit * step.part) / 4) : 0;
      return { ok: true, answer: Array.from({ length: jobs }), facts: [] };
    });
    this.fake.commit(replies, place);
    this.#pace.committed(group, replies, this.clock.monotonicMs());
    return true;
  }

  #checkGroups(): void {
    for (; this.#checked < this.fake.groups.length; this.#checked += 1) {
      const group = this.fake.groups[this.#checked] ?? [];
      for (const request of group) {
        const one = this.added.get(request);
        expect(one).toBeDefined();
        if (one === undefined) continue;
        expect(one.begunIn).toBeUndefined();
        one.begunIn = this.#checked;
        if (one.isMany) this.#checkOrder(one);
      }
      const ranks = group.map((request) => (request.verb !== 'claim' ? 0 : this.#rode.has(request) ? 1 : 2));
      expect(ranks).toEqual(ranks.toSorted());
    }
  }

  /** None of its queue that came before it is left. */
  #checkOrder(many: Added): void {
    const [one] = many.request.verb === 'insert' ? many.request.jobs : [];
    for (const [request, before] of this.added) {
      if (before === many) return;
      if (before.isMany && request.verb === 'insert' && request.jobs[0]?.queue === one?.queue) {
        expect(before.begunIn).toBeDefined();
      }
    }
  }

  /** While the store has room nothing waits but for claims, for company, and no longer than it may. */
  #checkWaiting(looked: boolean): void {
    if (this.fake.writing >= this.fake.capabilities.groupsMax) return;
    const now = this.clock.monotonicMs();
    const firsts = new Set<string>();
    let held = 0;
    for (const { request, since, isMany, begunIn } of this.added.values()) {
      if (begunIn !== undefined) continue;
      if (request.verb === 'announced') {
        expect(now - since).toBeLessThan(RIDE_MS);
        continue;
      }
      held += 1;
      expect(isMany).toBe(true);
      expect(this.#hurried).toBe(false);
      expect(now).toBeLessThan(since + HOLD_MS);
      const [job] = request.verb === 'insert' ? request.jobs : [];
      if (job === undefined || firsts.has(job.queue)) continue;
      // The first of its queue has a reason.
      firsts.add(job.queue);
      expect(job).toMatchObject({ state: 'available', queue: expect.not.stringMatching('shared') });
      if (!looked) continue;
      const before = this.#pace.before(job.queue, now);
      expect(before).toBeDefined();
      expect(this.#awaited(job.queue)).toBeLessThanOrEqual(before ?? Number.NaN);
    }
    expect(this.group.size).toBe(held);
  }
}

test('each request is in one group, in its order, and none waits without need', async () => {
  const runs = fc.record({
    groupsMax: fc.integer({ min: 1, max: 3 }),
    steps: fc.array(step, { minLength: 1, maxLength: 60 }),
    hurries: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(runs, async ({ groupsMax, steps, hurries }) => {
      const world = new World(groupsMax);
      for (const one of steps) await world.take(one);
      if (hurries) {
        await world.take({ do: 'hurry' });
        const idle = world.group.idle();
        await world.drain();
        await idle;
      } else {
        await world.drain();
        await world.take({ do: 'pass', ms: RIDE_MS });
        await world.drain();
        await world.group.idle();
        await world.clock.advance(HOLD_MS);
      }
      world.expectAllEnded();
      expect(world.clock.pending).toBe(0);
    }),
    { numRuns: 500 },
  );
});
