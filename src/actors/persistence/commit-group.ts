import type { JobFact } from '../../job/job-event.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import type { JobStore, StoreReply, StoreRequest } from '../../store/job-store.ts';
import { GroupAnswers } from './group-answers.ts';
import { ManyInserts } from './many-inserts.ts';

/** A request that waits for the next group, and who is told what it came to. */
export interface Waiting {
  request: StoreRequest;
  /** A claim of a worker of this process, which ends with it. */
  isOwn?: boolean;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}

/** What a commit group writes to, and who is told. */
export interface CommitGroupWorld {
  store: JobStore;
  clock: Clock;
  /** How many jobs of a queue claims wait for; undefined: its jobs do not begin as they are stored. */
  awaited(queue: string): number | undefined;
  /** Whether a claim of a queue may get less than it asks for though more waits. */
  isShared(queue: string): boolean;
  /** Adds what should ride in the same transaction, right before it begins. */
  complete(requests: readonly StoreRequest[]): Waiting[];
  /** Told after the commit, when the answers are out. */
  onFacts(facts: readonly JobFact[]): void;
  /** Told when a whole group failed. */
  onFailure(error: unknown): void;
}

/**
 * Rows that all but the inserts of many touches in one transaction, roughly, before the rest waits for the next: what settles
 * a thousand jobs and claims as many. Twice as much leaves a store that writes several groups at once fewer to write.
 */
const TOUCHED_MAX = 2_000;

/** How long what is in no hurry waits for a group to go with, in milliseconds. */
export const RIDE_MS = 100;

const NO_FACTS: readonly JobFact[] = [];

/** About how many rows a request touches. */
function weightOf(request: StoreRequest): number {
  switch (request.verb) {
    case 'insert':
      return request.jobs.length;
    case 'settle':
      return request.outcomes.length;
    case 'tick':
    case 'reboot':
      return request.ticks.reduce((rows, { jobs }) => rows + 1 + jobs.length, 0);
    case 'changeSchedules':
      return request.changes.length;
    case 'claim':
    case 'stage':
    case 'rescue':
    case 'expire':
    case 'sweep':
    case 'sortPartitions':
    case 'prune':
    case 'list':
    case 'takeRequests':
      return request.limit;
    default:
      return 1;
  }
}

/**
 * Group commit: what arrives in one turn of the event loop, or while a transaction runs, becomes one transaction, and
 * each requester hears of it only after the commit.
 */
export class CommitGroup {
  readonly #world: CommitGroupWorld;
  readonly #inserts: ManyInserts;
  readonly #others: Waiting[] = [];
  #riding: Waiting[] = [];
  #rideTimer: TimerHandle;
  #hurried = false;
  #busy: Promise<void> | undefined;
  /** Groups that are being written; more than one only where the store can. */
  readonly #commits = new Set<Promise<void>>();
  /** What is done beside them, so that no flood of jobs costs a node its lead or its place in the registry. */
  readonly #aside = new Set<Promise<void>>();

  constructor(world: CommitGroupWorld) {
    this.#world = world;
    const { clock, awaited, isShared } = world;
    this.#inserts = new ManyInserts({ clock, awaited, isShared, wake: () => this.#start() });
  }

  /** Requests that wait for a transaction. */
  get size(): number {
    return this.#inserts.size + this.#others.length;
  }

  /**
   * Runs a request in the next group.
   * @returns its answer, after the commit
   * @throws RotaError what it was refused with, or `unavailable` when the group could not be written
   */
  perform(request: StoreRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.add({ request, resolve, reject });
    });
  }

  /**
   * Runs a request that is in no hurry: with the next group that brings nobody a job, which saves it a commit of its own
   * (measured, a third of all commits), or where none comes after {@link RIDE_MS}.
   * @returns and throws as {@link perform}
   */
  ride(request: StoreRequest): Promise<unknown> {
    if (this.#hurried) return this.perform(request);
    return new Promise((resolve, reject) => {
      this.#riding.push({ request, resolve, reject });
      this.#rideTimer ??= this.#world.clock.setTimeout(() => this.#setOff(), RIDE_MS);
    });
  }

  /** From now on nothing waits for a group or for claims to go with. */
  hurry(): void {
    this.#hurried = true;
    this.#inserts.hurry();
    this.#start();
    this.#setOff();
  }

  /** Adds a request with its own continuations. What the store does aside is begun at once, by itself. */
  add(waiting: Waiting): void {
    if (this.#world.store.capabilities.aside?.has(waiting.request.verb)) {
      const commit = this.#commit([waiting]).finally(() => this.#aside.delete(commit));
      this.#aside.add(commit);
      return;
    }
    if (!this.#inserts.add(waiting)) this.#others.push(waiting);
    this.#start();
  }

  /** Resolves when nothing is being written and nothing waits, but for a group or for claims to go with: see {@link hurry}. */
  async idle(): Promise<void> {
    for (;;) {
      const under = [...(this.#busy ? [this.#busy] : []), ...this.#commits, ...this.#aside];
      if (under.length === 0) return;
      await Promise.race(under);
    }
  }

  /** What waited for a group to go with becomes one. */
  #setOff(): void {
    for (const waiting of this.#riders()) this.add(waiting);
  }

  #riders(): Waiting[] {
    this.#world.clock.clearTimeout(this.#rideTimer);
    this.#rideTimer = undefined;
    return this.#riding.splice(0);
  }

  #start(): void {
    if (this.size > 0) this.#busy ??= this.#run();
  }

  async #run(): Promise<void> {
    while (this.size > 0) {
      // One microtask later everything that came in the same turn is here.
      await undefined;
      if (this.#commits.size >= this.#world.store.capabilities.groupsMax) {
        await Promise.race(this.#commits);
        continue;
      }
      const group = this.#nextGroup();
      if (group.length === 0) break;
      const commit = this.#commit(group).finally(() => {
        this.#commits.delete(commit);
        // A claim of it that found nothing may be what inserts wait for.
        this.#start();
      });
      this.#commits.add(commit);
    }
    this.#busy = undefined;
  }

  /**
   * What goes into the next transaction. Inserts come behind all else and claims behind them: what they take of those inserts
   * is stored as begun.
   */
  #nextGroup(): Waiting[] {
    const others = headOf(this.#others, TOUCHED_MAX);
    const group = [...this.#inserts.takeWith(others), ...others];
    if (group.length === 0) return [];
    const parked = this.#world.complete(group.map(({ request }) => request));
    // A job that somebody waits for begins 0.05 ms sooner without them.
    if (parked.length === 0) group.push(...this.#riders());
    const { insert = [], claim = [], other = [] } = Object.groupBy(group, kindOf);
    return [...other, ...insert.sort(byComing), ...inTime([...parked, ...claim], other)];
  }

  async #commit(group: readonly Waiting[]): Promise<void> {
    const { clock, store } = this.#world;
    const requests = group.map(({ request }) => request);
    let replies: StoreReply[];
    const answers = new GroupAnswers(group);
    this.#inserts.pace.begins(requests, clock.monotonicMs());
    try {
      replies = await store.perform(requests, answers.begun);
    } catch (error) {
      answers.failed(error);
      this.#world.onFailure(error);
      return;
    }
    this.#inserts.pace.committed(requests, replies, clock.monotonicMs());
    try {
      // Who waits hears of it first; what the facts bring about comes after it.
      answers.all(replies);
    } finally {
      // It is committed, whatever became of telling it.
      this.#world.onFacts(factsOf(replies));
    }
  }
}

/** The facts of all, in order. Not copied where they are of one. */
function factsOf(replies: readonly StoreReply[]): readonly JobFact[] {
  const told: (readonly JobFact[])[] = [];
  for (const reply of replies) if (reply.ok && reply.facts.length > 0) told.push(reply.facts);
  const [first = NO_FACTS, ...others] = told;
  return others.length === 0 ? first : first.concat(...others);
}

function kindOf({ request }: Waiting): 'insert' | 'claim' | 'other' {
  return request.verb === 'insert' || request.verb === 'claim' ? request.verb : 'other';
}

/** In the order of their first jobs: inserts of many may have been held. */
const byComing = (a: Waiting, b: Waiting): number => comingOf(a) - comingOf(b);
const comingOf = ({ request }: Waiting): number => (request.verb === 'insert' ? (request.jobs[0]?.insertedAt ?? 0) : 0);

/**
 * Claims, none of which is made before the time of what it comes behind: a rate would count what it starts to a stretch that
 * is over.
 */
function inTime(claims: readonly Waiting[], others: readonly Waiting[]): Waiting[] {
  let latest = Number.NEGATIVE_INFINITY;
  for (const { request } of others) if ('now' in request) latest = Math.max(latest, request.now);
  return claims.map((one) => {
    if (one.request.verb !== 'claim') return one;
    latest = Math.max(latest, one.request.now);
    return one.request.now === latest ? one : { ...one, request: { ...one.request, now: latest } };
  });
}

/** Takes what comes first out of a list, of so many rows; more only where the very first is more. */
function headOf(list: Waiting[], rowsMax: number): Waiting[] {
  let rows = 0;
  const end = list.findIndex(({ request }) => {
    rows += weightOf(request);
    return rows > rowsMax;
  });
  return list.splice(0, end < 0 ? list.length : Math.max(1, end));
}
