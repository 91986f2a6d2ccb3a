import type { ClaimedJob } from '../../job/job.ts';
import type { JobFact } from '../../job/job-event.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Message, Subscription } from '../../messaging/bus.ts';
import { STORE_GROUP } from '../../messaging/contract/endpoints.ts';
import { answer, answerCodec, refuse } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type {
  InsertResult,
  JobStore,
  NodeRecord,
  PlaceRun,
  RefusalReason,
  StoreAnswer,
  StoreOptions,
  StoreRequest,
  StoreVerb,
} from '../../store/job-store.ts';
import { Announcer } from './announcer.ts';
import { CommitGroup, type Waiting } from './commit-group.ts';
import { insertedBody } from './inserted-body.ts';
import { KnownNames } from './known-names.ts';
import { newWork } from './new-work.ts';
import { QueueGates } from './queue-gates.ts';
import { type WaitingClaim, WaitingClaims } from './waiting-claims.ts';
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
  log: Logger;
}

/** Messages that may wait for the store at once; one more is answered `overloaded`. */
const INBOX_MAX = 20_000;
/** Jobs that one step of sorting into partitions takes. */
const SORT_STEP_MAX = 500;
/** Bytes of an answer that are not its jobs. */
const REPLY_FRAME_BYTES = 4_096;

/**
 * The only owner of the store. Serves the store's verbs to our own actors and the worker protocol to everybody; gathers
 * what arrives together into one transaction; answers waiting claims in the transaction that brings them work; tells
 * the facts after the commit.
 */
export class Persistence {
  readonly #world: PersistenceWorld;
  readonly #group: CommitGroup;
  readonly #waiting: WaitingClaims;
  readonly #announcer: Announcer;
  readonly #gates: QueueGates;
  readonly #known = new KnownNames();
  readonly #refused: Record<RefusalReason, number> = { not_owner: 0, not_executing: 0, not_found: 0 };
  readonly #subscriptions: Subscription[] = [];
  #touchTimer: TimerHandle;

  constructor(world: PersistenceWorld) {
    const { store, bus, subjects, clock, node, log } = world;
    this.#world = world;
    this.#waiting = new WaitingClaims(clock);
    this.#group = new CommitGroup({
      store,
      complete: (requests) => this.#claimsFor(requests),
      onFacts: (facts) => this.#factsCommitted(facts),
      onFailure: (error) => log.error({ error: errorText(error) }, 'the store could not write a group'),
    });
    const outbox = {
      unannounced: (after: number, limit: number) => this.perform('unannounced', { after, limit }),
      announced: async (places: readonly PlaceRun[]) => {
        await this.perform('announced', { places });
      },
    };
    this.#gates = new QueueGates({
      clock,
      queues: () => this.perform('queues', {}),
      nextStart: async (queue) => (await this.perform('nextStart', { now: clock.now(), queue })).at,
      sort: async (queue) => (await this.perform('sortPartitions', { queue, limit: SORT_STEP_MAX })).done,
      wake: (queue, jobs) => this.#wake(queue, jobs),
    });
    this.#announcer = new Announcer({ bus, subjects, node, clock, outbox, log });
  }

  /** Begins to serve. */
  async start(): Promise<void> {
    const { bus, subjects, clock, node, leaseMs } = this.#world;
    await this.#refreshKnown();
    await this.#gates.start();
    const desk = new WorkDesk({
      world: this.#world,
      perform: (verb, options) => this.perform(verb, options),
      wait: (claim, waitMs) => {
        const parked = this.#waiting.park(claim, waitMs);
        if (parked !== undefined) this.#group.add(this.#tryOf(parked));
      },
      withdraw: (queue, worker) => this.#waiting.withdraw(queue, worker),
      knowsQueue: (name) => this.#knowsQueue(name),
      count: (reason, times) => {
        this.#refused[reason] += times;
      },
    });
    const options = { group: STORE_GROUP, inboxMax: INBOX_MAX };
    this.#subscriptions.push(
      bus.subscribe(subjects.store('*'), options, (message) => this.#serveStore(message)),
      bus.subscribe(`${subjects.prefix}.work.>`, options, (message) => desk.serve(message)),
      bus.subscribe(subjects.actor(node, 'persistence', 'counts'), {}, (message) =>
        answer(message, desk.counts.view()),
      ),
    );
    this.#announcer.start();
    const touch = (): void => {
      const workers = this.#waiting.workers();
      if (workers.length > 0) this.perform('touch', { now: clock.now(), workers }).catch(() => {});
      this.#touchTimer = clock.setTimeout(touch, leaseMs / 4);
    };
    this.#touchTimer = clock.setTimeout(touch, leaseMs / 4);
  }

  /** Serves no more, finishes what waits, tells what is committed, closes the store. */
  async stop(): Promise<void> {
    this.#release();
    await this.#group.idle();
    await this.#announcer.drain();
    this.#announcer.stop();
    await this.#group.idle();
    await this.#world.store.close();
  }

  /** Lets go at once. What was committed stays. */
  kill(): void {
    this.#release();
    this.#announcer.stop();
    this.#world.store.close().catch(() => {});
  }

  /** Runs a verb in the next group. */
  async perform<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>> {
    // A verb with its options is one of the requests, and its answer has the verb's shape: the port says so.
    return (await this.#group.perform({ verb, ...options } as unknown as StoreRequest)) as StoreAnswer<V>;
  }

  #release(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#world.clock.clearTimeout(this.#touchTimer);
    this.#gates.stop();
    this.#waiting.clear();
  }

  async #serveStore(message: Message): Promise<void> {
    const verb = message.subject.slice(message.subject.lastIndexOf('.') + 1);
    try {
      // Only our own actors reach these subjects, and they send what the port asks for.
      const options = { ...(message.body.value as object), now: this.#world.clock.now() };
      const value = await this.#performNamed(verb, options);
      const codec = answerCodec(message);
      const bytesMax = this.#world.bus.payloadBytesMax - REPLY_FRAME_BYTES;
      // What is inserted must not be answered by an error because its answer cannot be sent.
      const body = verb === 'insert' ? insertedBody(value as InsertResult[], { codec, bytesMax }) : undefined;
      message.respond({ body: body ?? Body.of({ answer: value }, codec) });
    } catch (error) {
      refuse(message, error);
    }
  }

  async #performNamed(verb: string, options: object): Promise<unknown> {
    const answered = await this.#group.perform(this.#prepared({ verb, ...options } as unknown as StoreRequest));
    switch (verb) {
      case 'registerNode':
      case 'removeNode':
        await this.#refreshKnown();
        break;
      case 'stage':
      case 'rescue':
        for (const queue of (answered as StoreAnswer<'stage'>).queues) this.#wake(queue);
        break;
      case 'cancel':
        this.#tellCancelled(answered as StoreAnswer<'cancel'>, (options as StoreOptions<'cancel'>).terminate);
        break;
      case 'sweep': {
        const { terminate } = options as StoreOptions<'sweep'>;
        this.#tellStopped((answered as StoreAnswer<'sweep'>).wereRunning, terminate);
        break;
      }
      case 'changeQueue':
        this.#queueChanged(answered as StoreAnswer<'changeQueue'>);
        break;
      case 'tick':
        this.#tellOverlapped(answered as StoreAnswer<'tick'>);
        break;
      case 'reboot':
        this.#tellOverlapped((answered as StoreAnswer<'reboot'>).results);
        break;
    }
    return answered;
  }

  /** A node's record carries what this actor has refused so far. */
  #prepared(request: StoreRequest): StoreRequest {
    if (request.verb !== 'registerNode' || request.node.node !== this.#world.node) return request;
    return { ...request, node: { ...request.node, refused: { ...this.#refused } } };
  }

  async #refreshKnown(): Promise<void> {
    this.#known.refresh(await this.#livingNodes());
  }

  #livingNodes(): Promise<NodeRecord[]> {
    return this.perform('nodes', { seenAfter: this.#world.clock.now() - this.#world.leaseMs * 2 });
  }

  async #knowsQueue(name: string): Promise<boolean> {
    if (this.#known.hasQueue(name)) return true;
    await this.#refreshKnown();
    return this.#known.hasQueue(name);
  }

  /** The cancelled attempt's executor is told at once; its next beat says it again. */
  #tellCancelled({ job, wasRunning }: StoreAnswer<'cancel'>, terminate: boolean): void {
    if (job === null || wasRunning === null) return;
    const { bus, subjects } = this.#world;
    bus.publish(subjects.hint('cancel', job.queue), {
      body: Body.of({ id: job.id, ...wasRunning, terminate }, 'msgpack'),
    });
  }

  /** Jobs that were cancelled because their schedule's next tick came: their executors are told at once, too. */
  #tellOverlapped(results: StoreAnswer<'tick'>): void {
    this.#tellStopped(
      results.flatMap(({ cancelled }) => cancelled),
      false,
    );
  }

  #tellStopped(attempts: StoreAnswer<'sweep'>['wereRunning'], terminate: boolean): void {
    const { bus, subjects } = this.#world;
    for (const { queue, ...attempt } of attempts) {
      bus.publish(subjects.hint('cancel', queue), { body: Body.of({ ...attempt, terminate }, 'msgpack') });
    }
  }

  /** The waiting claims that ride in the transaction which brings their queue work. */
  #claimsFor(requests: readonly StoreRequest[]): Waiting[] {
    if (this.#waiting.size === 0) return [];
    return [...newWork(requests)].flatMap(([queue, types]) =>
      this.#gates.isClosed(queue) ? [] : this.#waiting.candidates(queue, types).map((claim) => this.#tryOf(claim)),
    );
  }

  /** Claims that wait may go on, and the queue's actors on all nodes look what they may run. */
  #queueChanged({ queue, changed }: StoreAnswer<'changeQueue'>): void {
    if (!changed) return;
    const { bus, subjects } = this.#world;
    this.#gates.changed(queue);
    bus.publish(subjects.hint('queue', queue.queue), { body: Body.of({}, 'msgpack') });
  }

  #wake(queue: string, jobs?: number): void {
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
      resolve: (jobs) => finish(jobs as ClaimedJob[]),
      reject: (error) => this.#waiting.fail(claim, error),
    };
  }

  #handBack(claim: WaitingClaim, jobs: readonly ClaimedJob[]): void {
    const outcomes = jobs.map(({ id, attempt, run }) => ({ id, attempt, run, outcome: 'release' as const }));
    this.perform('settle', { now: this.#world.clock.now(), worker: claim.options.worker, outcomes }).catch(() => {});
  }

  #factsCommitted(facts: readonly JobFact[]): void {
    this.#announcer.tell(facts);
    if (this.#waiting.size === 0) return;
    this.#gates.ended(facts);
    const woken = new Set(
      facts.filter(({ what, state }) => state === 'available' && what !== 'inserted').map(({ queue }) => queue),
    );
    for (const queue of woken) this.#wake(queue);
  }
}
