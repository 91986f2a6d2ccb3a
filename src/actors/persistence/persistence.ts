import type { ClaimedJob } from '../../job/job.ts';
import type { JobFact } from '../../job/job-event.ts';
import type { Clock } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import { STORE_GROUP } from '../../messaging/contract/endpoints.ts';
import { answer } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type {
  JobStore,
  PlaceRun,
  RefusalReason,
  StoreAnswer,
  StoreOptions,
  StoreRequest,
  StoreVerb,
} from '../../store/job-store.ts';
import type { QueueRecord } from '../../store/queue-record.ts';
import { Announcer } from './announcer.ts';
import { CommitGroup, type Waiting } from './commit-group.ts';
import { FellowOwners } from './fellow-owners.ts';
import { KnownNames } from './known-names.ts';
import { isFreed, leftOf, newWork } from './new-work.ts';
import { QueueGates } from './queue-gates.ts';
import { StoreDesk } from './store-desk.ts';
import { UntoldFacts } from './untold-facts.ts';
import { type WaitingClaim, WaitingClaims } from './waiting-claims.ts';
import { WaitingSigns } from './waiting-signs.ts';
import { WorkDesk } from './work-desk.ts';

/** What the persistence actor works with. */
export interface PersistenceWorld {
  store: JobStore;
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  node: string;
  leaseMs: number;
  beatMs: number;
  /** How often is looked for what no hint told, where others own the store too. */
  pollMs: number;
  /** A stream keeps events, each that may be told again once. */
  eventsKept?: boolean;
  /** Where it has a thread of its own: for how long that rests before a few facts are told, in milliseconds. */
  restMs?: number;
  log: Logger;
}

/** Messages that may wait for the store at once; one more is answered `overloaded`. */
const INBOX_MAX = 20_000;
/** How often is looked for what others left untold, in milliseconds. */
const LOOK_UNTOLD_MS = 2_000;
/** Jobs that one step of sorting into partitions takes. */
const SORT_STEP_MAX = 500;
/** More jobs than that one request makes available at once. */
const STORE_STEP_MAX = 1_000;

/**
 * The node's owner of the store, and the only one where that cannot be shared. Serves the store's verbs to our own actors
 * and the worker protocol to everybody; gathers what arrives together into one transaction; answers waiting claims in the
 * transaction that brings them work; tells the facts after the commit.
 */
export class Persistence {
  readonly #world: PersistenceWorld;
  readonly #group: CommitGroup;
  readonly #waiting: WaitingClaims;
  readonly #announcer: Announcer;
  readonly #untold: UntoldFacts;
  readonly #gates: QueueGates;
  readonly #signs: WaitingSigns;
  readonly #known = new KnownNames();
  readonly #refused: Record<RefusalReason, number> = { not_owner: 0, not_executing: 0, not_found: 0 };
  readonly #subscriptions: Subscription[] = [];
  /** What any owner of the store serves, this one among them. */
  #shared: Subscription[] = [];
  #stores: StoreDesk | undefined;
  #fellows: FellowOwners | undefined;
  #serve: () => void = () => {};
  /** The last group could not be written. */
  #failing = false;

  constructor(world: PersistenceWorld) {
    const { store, bus, subjects, clock, node, log, eventsKept, restMs } = world;
    this.#world = world;
    this.#waiting = new WaitingClaims(clock);
    this.#signs = new WaitingSigns(this.#waiting, { ...world, touch: (workers) => this.perform('touch', workers) });
    this.#untold = new UntoldFacts({ clock, restMs, tell: (facts) => this.#announcer.tell(facts) });
    this.#group = new CommitGroup({
      ...{ store, clock, isShared: (queue: string) => this.#gates.isShared(queue) },
      awaited: (queue) =>
        this.#gates.isClosed(queue) || this.#fellows?.areThere ? undefined : this.#waiting.awaited(queue),
      complete: (requests) => this.#claimsFor(requests),
      onFacts: (facts) => this.#factsCommitted(facts),
      onFailure: (error) => {
        // An outage is told once.
        log[this.#failing ? 'debug' : 'error']({ error: errorText(error) }, 'the store could not write a group');
        this.#failing = true;
      },
    });
    const outbox = {
      unannounced: (after: number, limit: number) => this.perform('unannounced', { after, limit }),
      announced: (places: readonly PlaceRun[]) => this.#group.ride({ verb: 'announced', places }).then(() => {}),
    };
    this.#gates = new QueueGates({
      clock,
      queues: () => this.perform('queues', {}),
      nextStart: async (queue) => (await this.perform('nextStart', { now: clock.now(), queue })).at,
      sort: async (queue) => (await this.perform('sortPartitions', { queue, limit: SORT_STEP_MAX })).done,
      wake: (queue, jobs) => this.#wake(queue, jobs),
    });
    // What an owner that died has left untold, somebody else tells.
    const looks = store.capabilities.shared ? { lookEveryMs: LOOK_UNTOLD_MS } : {};
    this.#announcer = new Announcer({ ...{ bus, subjects, node, clock, outbox, log }, eventsKept, ...looks });
  }

  /** Begins to serve. */
  async start(): Promise<void> {
    const { store, bus, subjects, node } = this.#world;
    await this.#refreshKnown();
    await this.#gates.start();
    const desk = new WorkDesk({
      world: this.#world,
      perform: (verb, options) => this.perform(verb, options),
      wait: (claim, waitMs) => {
        const parked = this.#waiting.park(claim, waitMs);
        if (parked !== undefined) this.#group.add(this.#tryOf(parked));
      },
      withdraw: (queue, worker) => {
        const withdrawn = this.#waiting.withdraw(queue, worker);
        if (withdrawn === 0) this.#fellows?.tellWithdraw(queue, worker);
        return withdrawn;
      },
      knowsQueue: (name) => this.#knowsQueue(name),
      mayTakeAlong: (queue) => !this.#waiting.has(queue) && !(this.#fellows?.areThere && this.#gates.isShared(queue)),
      count: (reason, times) => {
        this.#refused[reason] += times;
      },
    });
    const stores = new StoreDesk({
      world: this.#world,
      perform: (request) => this.#group.perform(request),
      refused: this.#refused,
      onNodes: () => this.#refreshKnown(),
      onWork: (queue) => {
        this.#wake(queue);
        this.#fellows?.tellQueue(queue, STORE_STEP_MAX);
      },
      onRules: (record) => this.#rulesChanged(record),
    });
    this.#stores = stores;
    if (store.capabilities.shared) this.#fellows = this.#startFellows();
    this.#serve = () => {
      const options = { group: STORE_GROUP, inboxMax: INBOX_MAX };
      this.#shared = [
        bus.subscribe(subjects.store('*'), options, (message) => stores.serve(message)),
        bus.subscribe(`${subjects.prefix}.work.>`, options, (message) => desk.serve(message)),
      ];
    };
    this.#serve();
    const counts = subjects.actor(node, 'persistence', 'counts');
    this.#subscriptions.push(bus.subscribe(counts, {}, (message) => answer(message, desk.counts.view())));
    this.#announcer.start();
    this.#signs.start();
  }

  /** Serves no more, finishes what waits, tells what is committed, closes the store. */
  async stop(): Promise<void> {
    this.#release();
    await this.#group.idle();
    this.#untold.tellNow();
    await this.#announcer.drain();
    this.#announcer.stop();
    await this.#group.idle();
    await this.#world.store.close();
  }

  /** Lets go at once. What was committed stays. */
  kill(): void {
    this.#release();
    this.#untold.drop();
    this.#announcer.stop();
    this.#world.store.close().catch(() => {});
  }

  /** Runs a verb in the next group. */
  async perform<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>> {
    // A verb with its options is one of the requests, and its answer has the verb's shape: the port says so.
    return (await this.#group.perform({ verb, ...options } as unknown as StoreRequest)) as StoreAnswer<V>;
  }

  /** What it takes that others own the store too: they are told of work, and what no hint told is looked for. */
  #startFellows(): FellowOwners {
    return new FellowOwners({
      ...this.#world,
      onWork: (queue, jobs) => this.#wake(queue, jobs),
      onRules: () => void this.#gates.refresh().catch(() => {}),
      onWithdraw: (queue, worker) => this.#waiting.withdraw(queue, worker),
      look: async () => {
        await Promise.all([this.#refreshKnown(), this.#gates.refresh()]);
        const queues = this.#waiting.queues().filter((queue) => !this.#gates.isClosed(queue));
        if (queues.length === 0) return;
        for (const queue of await this.perform('claimable', { queues })) this.#wake(queue);
      },
      onServes: (serves) => this.#servesAgain(serves),
    });
  }

  /** Takes or leaves what any owner serves; those who wait here for work then wait at another one. */
  #servesAgain(serves: boolean): void {
    const { log } = this.#world;
    if (serves) {
      log.info({}, 'serves the store again');
      this.#serve();
      return;
    }
    log.warn({}, 'the store is away from here and not from others, who serve it');
    for (const subscription of this.#shared.splice(0)) subscription.unsubscribe();
    this.#waiting.clear();
  }

  #release(): void {
    this.#fellows?.stop();
    this.#stores?.close();
    for (const subscription of [...this.#shared, ...this.#subscriptions]) subscription.unsubscribe();
    this.#signs.stop();
    this.#gates.stop();
    this.#waiting.clear();
    this.#group.hurry();
  }

  async #refreshKnown(): Promise<void> {
    const { clock, leaseMs } = this.#world;
    this.#known.refresh(await this.perform('nodes', { seenAfter: clock.now() - leaseMs * 2 }));
  }

  async #knowsQueue(name: string): Promise<boolean> {
    if (this.#known.hasQueue(name)) return true;
    await this.#refreshKnown();
    return this.#known.hasQueue(name);
  }

  /** The waiting claims that ride in the transaction which brings their queue work. */
  #claimsFor(requests: readonly StoreRequest[]): Waiting[] {
    if (this.#waiting.size === 0) return [];
    return [...newWork(requests)].flatMap(([queue, types]) =>
      this.#gates.isClosed(queue) ? [] : this.#waiting.candidates(queue, types).map((claim) => this.#tryOf(claim)),
    );
  }

  /** Claims that wait may go on; the queue's actors on all nodes look what they may run, other owners what holds. */
  #rulesChanged(record: QueueRecord): void {
    const { bus, subjects, node } = this.#world;
    this.#gates.changed(record);
    bus.publish(subjects.hint('queue', record.queue), { body: Body.of({ from: node }, 'msgpack') });
  }

  #wake(queue: string, jobs?: ReadonlyMap<string, number> | number): void {
    for (const claim of this.#waiting.candidates(queue, jobs)) this.#group.add(this.#tryOf(claim));
  }

  #tryOf(claim: WaitingClaim): Waiting {
    const finish = (jobs: ClaimedJob[]): void => {
      const end = this.#waiting.settle(claim, jobs);
      if (end === 'late') this.#handBack(claim, jobs);
      else if (end === 'again') this.#group.add(this.#tryOf(claim));
      else if (end === 'waiting') this.#gates.parked(claim.options.queue);
    };
    return {
      request: { verb: 'claim', ...claim.options, now: this.#world.clock.now() },
      isOwn: claim.isOwn,
      resolve: (jobs) => finish(jobs as ClaimedJob[]),
      reject: (error) => this.#waiting.fail(claim, error),
    };
  }

  #handBack(claim: WaitingClaim, jobs: readonly ClaimedJob[]): void {
    const outcomes = jobs.map(({ id, attempt, run }) => ({ id, attempt, run, outcome: 'release' as const }));
    this.perform('settle', { now: this.#world.clock.now(), worker: claim.options.worker, outcomes }).catch(() => {});
  }

  #factsCommitted(facts: readonly JobFact[]): void {
    this.#failing = false;
    this.#untold.add(facts);
    if (this.#waiting.size === 0 && this.#fellows === undefined) return;
    const left = leftOf(facts);
    this.#fellows?.tellWork(left);
    for (const [queue, jobs] of this.#gates.roomAfter(facts)) {
      this.#wake(queue, jobs);
      this.#fellows?.tellQueue(queue, jobs);
    }
    const woken = new Set(facts.filter(isFreed).map(({ queue }) => queue));
    for (const queue of woken) this.#wake(queue);
    // What had no room in an answer.
    for (const [queue, types] of left) if (!woken.has(queue) && !this.#gates.isShared(queue)) this.#wake(queue, types);
  }
}
