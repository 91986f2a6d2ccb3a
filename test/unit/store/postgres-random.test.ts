import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import type { Outcome } from '../../../src/job/outcome.ts';
import type { StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { Connection } from '../../../src/store/postgres/connection.ts';
import { usePostgresClient } from '../../conformance/store/postgres-drivers.ts';
import { failure, newJob, request, type StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { type Dice, diceOf } from '../../support/dice.ts';

const { client, driver } = usePostgresClient();

/** Statements by which jobs began as they came. */
let begun = 0;
beforeEach(() => {
  const { lists } = Connection.prototype;
  vi.spyOn(Connection.prototype, 'lists').mockImplementation(function (this: Connection, statement, values) {
    if (statement.text.startsWith('with begun')) begun += 1;
    return lists.call(this, statement, values);
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => {
  expect(begun, 'jobs began as they came').toBeGreaterThan(COUNT);
});

const QUEUES = ['a', 'b'];
const TYPES = ['t', 'u', 'v'];
const TYPE_SETS: (readonly string[] | undefined)[] = [undefined, undefined, ['t'], ['t', 'u'], ['v'], ['u', 'v']];

/** A job that waits, as claims order it. */
type Waits = Pick<NewJob, 'id' | 'queue' | 'type' | 'priority' | 'scheduledAt'>;

/** What is known of one run of the test. */
class World {
  readonly dice: Dice;
  readonly stores: readonly StoreDriver[];
  readonly strict: boolean;
  now = T0;
  cursor = 0;
  readonly ids: string[] = [];
  waiting: string[] = [];
  readonly claimed = new Map<string, ClaimedJob>();
  readonly running = new Map<string, { job: ClaimedJob; worker: string; store: StoreDriver }>();
  readonly log: string[] = [];
  short = 0;
  claims = 0;
  /** Whether there are requests that the database refuses, after which a store looks for each row for a while. */
  readonly rough: boolean;
  /** How often something else than inserts, claims and settlements is done. */
  readonly otherPart: number;
  /** One in so many inserts is not plain. */
  readonly plainPart: number;
  readonly queues: readonly string[];
  readonly typeSets: readonly (readonly string[] | undefined)[];
  readonly claimMax: number;
  /** How far apart the times of inserts are. */
  readonly spread: number;

  constructor(dice: Dice, stores: readonly StoreDriver[], strict: boolean) {
    this.dice = dice;
    this.stores = stores;
    this.strict = strict;
    this.rough = dice.random() < 0.15;
    this.otherPart = dice.one([0.01, 0.03, 0.12]);
    this.plainPart = dice.one([0.9, 0.98, 1]);
    this.queues = dice.one([['a'], ['a'], QUEUES]);
    this.typeSets = Array.from({ length: 1 + dice.below(3) }, () => dice.one(TYPE_SETS));
    this.claimMax = dice.one([5, 40, 100]);
    this.spread = dice.one([1, 1, 3]);
  }

  jobs(sizes: readonly number[] = [1, 5, 30]): NewJob[] {
    const { below, one, random } = this.dice;
    const plain = random() < this.plainPart;
    const [queue, type, priority, ahead] = [one(this.queues), one(TYPES), one([0, 5, 5, 9]), below(this.spread)];
    const mixed = random() > this.plainPart;
    return Array.from({ length: 1 + below(one(sizes)) }, (_, at) => {
      const job = newJob({
        ...{
          queue: mixed ? one(this.queues) : queue,
          type: mixed ? one(TYPES) : type,
          priority: mixed ? one([0, 5, 9]) : priority,
        },
        ...{
          scheduledAt: this.now - ahead * 1_000 + one([0, at]),
          insertedAt: this.now,
          args: { n: below(1_000_000), pad: 'x'.repeat(below(50)) },
        },
        ...(plain
          ? {}
          : one<Partial<NewJob>>([
              { tags: ['x'] },
              { timeoutMs: 5_000 },
              { state: 'scheduled', scheduledAt: this.now + below(5_000) },
              { meta: { a: 1 } },
              { deadlineAt: this.now + 2_000 },
            ])),
      });
      this.ids.push(job.id);
      return job;
    });
  }

  insertion(): StoreRequest {
    const jobs = this.jobs();
    if (this.rough && this.dice.random() < 0.05 && this.ids.length > 50) {
      // Again with an id that is there, or was.
      const id = this.dice.one(this.ids);
      if (!jobs.some((job) => job.id === id))
        jobs.push(newJob({ id, queue: 'a', type: 't', insertedAt: this.now, args: { again: this.dice.below(9_999) } }));
    }
    return request('insert', { jobs });
  }

  claim(store: StoreDriver): StoreRequest {
    const { below, one, random } = this.dice;
    const types = one(this.typeSets);
    return request('claim', {
      ...{
        now: this.now,
        queue: one(this.queues),
        worker: `w${this.stores.indexOf(store)}`,
        node: 'n',
        limit: 1 + below(one([1, this.claimMax, this.claimMax])),
      },
      ...(types === undefined ? {} : { types }),
      ...(random() < 0.15 ? { bytesMax: 700 + below(4_000) } : {}),
    });
  }

  settlement(store: StoreDriver): StoreRequest | undefined {
    const { below, one, random } = this.dice;
    const mine = [...this.running.values()].filter((running) => running.store === store);
    if (mine.length === 0) return undefined;
    const some = mine.slice(0, 1 + below(random() < 0.3 ? 60 : mine.length));
    const plain = random() < 1 - 3 * this.otherPart;
    const outcomeOf = (): Outcome =>
      plain
        ? { outcome: 'complete', result: null }
        : one<Outcome>([
            { outcome: 'complete', result: null },
            { outcome: 'release' },
            failure('x', below(2_000)),
            { outcome: 'snooze', forMs: below(2_000) },
            { outcome: 'complete', result: { r: 1 } },
          ]);
    for (const { job } of some) this.running.delete(`${job.id} ${job.run}`);
    return request('settle', {
      ...{ now: this.now, worker: `w${this.stores.indexOf(store)}` },
      outcomes: some.map(({ job }) => ({
        id: job.id,
        attempt: job.attempt,
        run: job.run,
        insertedAt: job.insertedAt,
        ...outcomeOf(),
      })),
    });
  }

  /** Reads which jobs wait: those are the ones that something is done to. */
  async look(): Promise<void> {
    const { rows } = await client().query(
      "select id from rota.jobs where state = 'available' order by priority, scheduled_at, seq limit 40",
    );
    this.waiting = rows.map(({ id }) => id);
  }

  other(): StoreRequest {
    const { below, one, random } = this.dice;
    const near = this.waiting.length > 0 && random() < 0.7 ? this.waiting : this.ids.slice(-80);
    const [now, id] = [this.now, near.length === 0 ? newJob().id : one(near)];
    const filter = one([{ queue: 'a' }, { type: 'u' }, {}, { queue: 'b', type: 't' }]);
    return one<() => StoreRequest>([
      () => request('cancel', { now, id, terminate: false }),
      () => request('delete', { now, id }),
      () => request('retry', { now, id }),
      () => request('retry', { now, id }),
      () =>
        request('update', {
          now,
          id,
          changes: one([
            { priority: 0 },
            { args: { changed: below(999) } },
            { queue: one(QUEUES) },
            { scheduledAt: now + 500 },
            { scheduledAt: now - 5_000 },
          ]),
        }),
      () => request('stage', { now, limit: one([3, 100]) }),
      () => request('stage', { now, limit: 100 }),
      () => request('expire', { now, limit: 5 }),
      () => request('rescue', { now, deadBefore: now - one([3_000, 60_000]), limit: 5 }),
      () =>
        request('sweep', {
          now,
          action: one(['cancel', 'retry', 'delete'] as const),
          filter,
          terminate: false,
          limit: 5,
        }),
      () =>
        request('changeQueue', {
          now,
          queue: one(QUEUES),
          change: one([
            { paused: true },
            { paused: false },
            { paused: false },
            { globalLimit: 20 },
            { globalLimit: null },
            { partition: { by: 'args.n', limit: 2 } },
            { partition: null },
            { partition: null },
          ]),
        }),
      () => request('sortPartitions', { queue: one(QUEUES), limit: 50 }),
      () => request('sortPartitions', { queue: one(QUEUES), limit: 5_000 }),
      () =>
        this.rough
          ? request('insert', { jobs: [newJob({ maxAttempts: 2 ** 40, queue: 'a' })] })
          : request('stage', { now, limit: 9 }),
      () => request('list', { filter, limit: 10, order: 'desc' }),
      () =>
        request('beat', { now, queue: one(QUEUES), worker: one(['w0', 'w1']), node: 'n', beatMs: 1_000, running: [] }),
      () => request('prune', { now, keepMs: { completed: 5_000, cancelled: 1, discarded: 1 }, limit: 10 }),
    ])();
  }

  /** Inserts of jobs, mostly in order, and claims of them behind: many begin at once. */
  beginning(store: StoreDriver): StoreRequest[] {
    const { below, one, random } = this.dice;
    const jobs = this.jobs([5, 30, 120]);
    if (random() < 0.85) jobs.sort((a, b) => a.priority - b.priority || a.scheduledAt - b.scheduledAt);
    const cut = one([0, 0, below(jobs.length)]);
    const claims = Array.from({ length: 1 + below(3) }, () => {
      const asked = this.claim(store) as StoreRequest & { verb: 'claim' };
      return random() < 0.9 ? { ...asked, queue: jobs[0]?.queue ?? asked.queue } : asked;
    });
    const inserts = [jobs.slice(0, cut), jobs.slice(cut)].filter(({ length }) => length > 0);
    return [...inserts.map((part) => request('insert', { jobs: part })), ...claims];
  }

  group(store: StoreDriver): StoreRequest[] {
    const { below, random } = this.dice;
    const requests: StoreRequest[] = [];
    if (random() < 0.2) {
      const settlement = this.settlement(store);
      return [...(settlement === undefined ? [] : [settlement]), ...this.beginning(store)];
    }
    for (let count = 1 + below(random() < 0.3 ? 4 : 1); count > 0; count--) {
      const what = random();
      if (what < 0.35) requests.push(this.insertion());
      else if (what < 0.7) requests.push(this.claim(store));
      else if (what < 1 - this.otherPart) {
        const settlement = this.settlement(store);
        if (settlement !== undefined) requests.push(settlement);
      } else requests.push(this.other());
    }
    return requests;
  }

  async perform(store: StoreDriver, requests: StoreRequest[]): Promise<StoreReply[]> {
    this.log.push(`${this.stores.indexOf(store)}: ${requests.map((one) => brief(one)).join(' + ')}`);
    const replies = await store.group(...requests);
    for (const [at, reply] of replies.entries()) {
      const asked = requests[at];
      if (asked?.verb === 'claim') this.took(store, asked, reply);
    }
    return replies;
  }

  took(store: StoreDriver, asked: StoreRequest & { verb: 'claim' }, reply: StoreReply): void {
    expect(reply.ok, `a claim is answered: ${JSON.stringify(reply)}`).toBe(true);
    if (!reply.ok) return;
    const jobs = reply.answer as ClaimedJob[];
    this.log.push(`   got ${jobs.map(({ id }) => id.slice(-5)).join(' ')}`);
    expect(jobs.length).toBeLessThanOrEqual(asked.limit);
    for (const job of jobs) {
      const key = `${job.id} ${job.run} ${job.insertedAt} ${job.type}`;
      expect(this.claimed.has(key), `${key} is claimed once`).toBe(false);
      this.claimed.set(key, job);
      this.running.set(`${job.id} ${job.run}`, { job, worker: asked.worker, store });
      if (asked.types !== undefined) expect(asked.types).toContain(job.type);
      expect(job.queue).toBe(asked.queue);
    }
  }

  /** The claims of one store alone are in exact order, by the table. */
  async claimInOrder(store: StoreDriver): Promise<void> {
    const asked = this.claim(store) as StoreRequest & { verb: 'claim' };
    const { rows: rules } = await client().query('select * from rota.queues where queue = $1', [asked.queue]);
    const { rows } = await client().query(
      `select id, priority, scheduled_at, seq, args, type, run, attempt from rota.jobs where queue = $1 and state = 'available' and (deadline_at is null or deadline_at > $2)
        and ($3::text[] is null or type = any($3)) order by priority, scheduled_at, seq limit $4`,
      [asked.queue, this.now, asked.types ?? null, asked.limit],
    );
    this.log.push(`${this.stores.indexOf(store)}: ${brief(asked)} of ${rows.map(({ id }) => id.slice(-5)).join(' ')}`);
    const [reply] = await store.group(asked);
    if (reply === undefined) return;
    this.took(store, asked, reply);
    const got = (reply.ok ? reply.answer : []) as ClaimedJob[];
    this.claims += 1;
    if (rules.length > 0) return;
    if (got.length < rows.length && asked.bytesMax === undefined) this.short += 1;
    expect(got.length > 0, 'something is claimed where something waits').toBe(rows.length > 0);
    if (this.strict) expect(got.map(({ id }) => id)).toEqual(rows.slice(0, got.length).map(({ id }) => id));
  }

  /** The claims behind inserts of their group are in exact order, by the table and what came, where one store is alone. */
  async beginInOrder(store: StoreDriver): Promise<void> {
    const requests = this.beginning(store);
    const { rows: rules } = await client().query('select * from rota.queues');
    const { rows } = await client().query<Waits>(
      `select id, queue, type, priority, scheduled_at::float8 as "scheduledAt" from rota.jobs where state = 'available'
        and (deadline_at is null or deadline_at > $1) order by seq`,
      [this.now],
    );
    const came = requests.flatMap((asked) => (asked.verb === 'insert' ? asked.jobs : []));
    const line: Waits[] = [...rows, ...came.filter(({ state }) => state === 'available')];
    line.sort((a, b) => a.priority - b.priority || a.scheduledAt - b.scheduledAt);
    this.log.push(`   beside ${rows.map(({ id, type }) => `${id.slice(-5)}${type}`).join(' ')}`);
    const replies = await this.perform(store, requests);
    this.claims += 1;
    if (rules.length > 0 || !this.strict) return;
    for (const [at, asked] of requests.entries()) {
      if (asked.verb !== 'claim') continue;
      const fits = line.filter(({ queue, type }) => queue === asked.queue && (asked.types?.includes(type) ?? true));
      const reply = replies[at];
      const got = (reply?.ok ? reply.answer : []) as ClaimedJob[];
      const due = fits.slice(0, asked.limit).map(({ id }) => id);
      const ids = got.map(({ id }) => id);
      expect(ids, 'what is first is claimed first').toEqual(due.slice(0, ids.length));
      expect(ids.length > 0, 'something is claimed where something waits').toBe(due.length > 0);
      // What did not fit an answer waits for the next claim.
      for (const id of ids)
        line.splice(
          line.findIndex((one) => one.id === id),
          1,
        );
    }
  }

  /** What executes is what was claimed. */
  async check(): Promise<void> {
    const { rows } = await client().query(
      `select jobs.*, extract(epoch from now()) from rota.jobs as jobs where state = 'executing'`,
    );
    for (const row of rows) {
      const known = this.claimed.get(`${row.id} ${row.run} ${row.inserted_at} ${row.type}`);
      expect(known, `what executes was claimed: ${row.id} ${row.run}`).toBeDefined();
      expect({ ...known }).toMatchObject({
        args: JSON.parse(row.args),
        priority: row.priority,
        queue: row.queue,
        type: row.type,
        attempt: row.attempt,
        maxAttempts: row.max_attempts,
        scheduledAt: Number(row.scheduled_at),
        timeoutMs: row.timeout_ms === null ? null : Number(row.timeout_ms),
      });
    }
  }

  /** All that waits is claimed in the end. */
  async drain(): Promise<void> {
    for (const queue of QUEUES) {
      await this.perform(this.stores[0] as StoreDriver, [
        request('changeQueue', { now: this.now, queue, change: { paused: false, globalLimit: null, partition: null } }),
      ]);
    }
    for (let idle = 0, round = 0; idle < 2 && round < 2_000; round++) {
      const before = this.claimed.size;
      for (const store of this.stores) {
        for (const queue of QUEUES) {
          for (const types of [undefined, ['t'], ['u', 'v']]) {
            await this.perform(store, [
              request('claim', {
                now: this.now,
                queue,
                worker: 'w0',
                node: 'n',
                limit: 50,
                ...(types ? { types } : {}),
              }),
            ]);
          }
        }
      }
      idle = this.claimed.size === before ? idle + 1 : 0;
    }
    const { rows } = await client().query(
      `select id, queue, type, priority, aside, partition_key from rota.jobs where state = 'available' and (deadline_at is null or deadline_at > $1)`,
      [this.now],
    );
    expect(rows, 'all that waits is claimed').toEqual([]);
    const { rows: twice } = await client().query('select id from rota.jobs group by id having count(*) > 1');
    expect(twice).toEqual([]);
  }
}

function brief(asked: StoreRequest): string {
  switch (asked.verb) {
    case 'insert':
      return `insert ${asked.jobs.map(({ id, queue, type, priority, scheduledAt, state, tags, timeoutMs }) => `${id.slice(-5)}/${queue}${type}${priority}@${scheduledAt - T0}${state[0]}${tags.length}${timeoutMs ?? ''}`).join(' ')}`;
    case 'settle':
      return `settle ${asked.outcomes.map(({ id, outcome }) => `${id.slice(-5)}:${outcome}`).join(' ')}`;
    case 'claim':
      return `claim ${asked.limit} of ${asked.queue} ${asked.types ?? '*'} ${asked.bytesMax ?? ''}`;
    default:
      return JSON.stringify(asked);
  }
}

const FIRST = Number(process.env.SEED ?? 1);
const COUNT = Number(process.env.SEEDS ?? 3);
const STEPS = Number(process.env.STEPS ?? 100);
const seeds = Array.from({ length: COUNT }, (_, at) => FIRST + at);

async function told(world: World, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (thrown) {
    throw new Error(`${String(thrown)}\n${world.log.slice(-12).join('\n')}`, { cause: thrown });
  }
}

describe.each(seeds)('seed %i', (seed) => {
  it.each([
    ['one store', 1],
    ['two stores', 2],
  ])('claims in order, sequentially, %s', async (_, count) => {
    const stores: StoreDriver[] = [];
    for (let at = 0; at < count; at++) stores.push(await driver());
    const world = new World(diceOf(seed), stores, count === 1);
    const { random, one, below } = world.dice;
    await told(world, async () => {
      for (let step = 0; step < STEPS; step++) {
        world.now += below(200);
        const store = one(stores);
        if (step % 12 === 0) {
          // All is taken, so that the stores know what comes from now on.
          for (const types of world.typeSets) {
            for (const queue of world.queues)
              await world.perform(stores[0] as StoreDriver, [
                request('claim', {
                  now: world.now,
                  queue,
                  worker: 'w0',
                  node: 'n',
                  limit: 1_000,
                  ...(types ? { types } : {}),
                }),
              ]);
          }
          for (let count = 1 + below(4); count > 0; count--)
            await world.perform(stores[0] as StoreDriver, [world.insertion()]);
        }
        if (random() < 0.3) await world.look();
        if (random() < 0.1)
          await world.perform(store, [
            request('insert', {
              jobs: [
                newJob({
                  queue: one(world.queues),
                  type: one(TYPES),
                  state: 'scheduled',
                  insertedAt: world.now,
                  scheduledAt: world.now + below(600),
                }),
              ],
            }),
          ]);
        if (random() < 0.1) await world.perform(store, [request('stage', { now: world.now, limit: 100 })]);
        if (random() < 0.15) await world.perform(stores.at(-1) as StoreDriver, [world.other()]);
        else if (random() < 0.5) await world.claimInOrder(store);
        else if (random() < 0.4) await world.beginInOrder(store);
        else if (random() < 0.6) await world.perform(store, [world.insertion()]);
        else await world.perform(store, world.group(store));
        await world.check();
      }
      await world.drain();
    });
  });

  it('claims each once, at once', async () => {
    const stores = [await driver(), await driver()];
    const world = new World(diceOf(seed), stores, false);
    const { one, below } = world.dice;
    await told(world, async () => {
      for (let step = 0; step < STEPS / 3; step++) {
        world.now += below(200);
        const groups = Array.from({ length: 1 + below(10) }, () => {
          const store = one(stores);
          return { store, requests: world.group(store) };
        });
        await Promise.all(groups.map(({ store, requests }) => world.perform(store, requests)));
        await world.check();
      }
      await world.drain();
    });
  });
});
