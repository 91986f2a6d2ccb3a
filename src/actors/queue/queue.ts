import { atMost, type Clock, sleep, untilSharedBeat } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import { type AsFirst, BRIEF_HEADERS, wholeOnes } from '../../messaging/contract/brief.ts';
import { CLAIM_LIMIT_MAX, outcomeView } from '../../messaging/contract/work.ts';
import { answer, ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import {
  type ClaimedWork,
  type ExecutorStatus,
  executorName,
  queueActorName,
  RUN_LATE_MS,
  type RunOrder,
  type StatusRequest,
} from '../executor/messages.ts';
import { refOf } from '../executor/running-jobs.ts';
import type { Service } from '../service.ts';
import { LimitWatch } from './limit-watch.ts';

/** What a queue actor works with. */
export interface QueueWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  node: string;
  queue: string;
  /** Jobs that may run here at once, unless an operator said otherwise. */
  limit: number;
  /** The types that this node can run: only these are claimed. */
  types: readonly string[];
  /** How often it looks again when nothing woke it, in milliseconds. */
  pollMs: number;
  /** The store is served in this process: no claim that waits there is lost, and its end is heard of at once. */
  storeIsHere: boolean;
  log: Logger;
}

/**
 * How long a claim waits at the store for the first job, in milliseconds. A waiting claim is a sign of life, so it is
 * short against the lease: a worker that was killed meanwhile looks alive for so much longer.
 */
const CLAIM_WAIT_MS = 5_000;
/**
 * The same where nothing runs, so that nothing hangs on that sign, and where the store is here: a hundred idle queues cost
 * 0.2 % of a core instead of 0.8, with beats that rest (see the executor).
 */
const IDLE_CLAIM_WAIT_MS = 20_000;
/** How long a stop waits for a withdrawn claim to be answered before it withdraws it again, in milliseconds. */
const WITHDRAW_AGAIN_MS = 250;
/** How far apart the stamps of two orders are at least, in milliseconds. */
const STAMP_STEP_MS = 0.001;
/** What an answer may take beyond that. */
const ANSWER_MARGIN_MS = 5_000;

/**
 * How many jobs to ask for: what the limit leaves, at most a claim's bound, none while draining. Pure.
 * @param busy slots that are taken
 */
export function demand(state: { limit: number; busy: number; draining: boolean }): number {
  return state.draining ? 0 : Math.max(0, Math.min(state.limit - state.busy, CLAIM_LIMIT_MAX));
}

/**
 * The demand of one queue on one node: claims what its executor has room for and waits at the store for more. The
 * executor knows what runs, so that this actor may crash and begin again at any time.
 */
export class Queue implements Service {
  readonly #world: QueueWorld;
  readonly #subscriptions: Subscription[];
  readonly #stopping = new AbortController();
  readonly #loop: Promise<void>;
  #wake = new AbortController();
  readonly #watch: LimitWatch;
  #claiming: Promise<void> | undefined;
  #worker: string | undefined;
  #lastStamp = Number.NEGATIVE_INFINITY;
  /** A claim, perhaps of the actor before this one, may have brought jobs that the executor never heard of. */
  #doubts = true;
  readonly #killing = new AbortController();

  constructor(world: QueueWorld) {
    const { bus, subjects, node, queue } = world;
    this.#world = world;
    const own = (verb: string): string => subjects.actor(node, queueActorName(queue), verb);
    this.#subscriptions = [
      bus.subscribe(own('free'), { own: true }, () => this.#wake.abort()),
      bus.subscribe(own('drain'), { own: true }, async (message) => {
        await this.stop();
        answer(message, {});
      }),
    ];
    this.#watch = new LimitWatch({ ...world, onChange: () => void this.#limitChanged() });
    this.#loop = this.#run();
  }

  /** Claims no more; a claim that waits is taken back, and what it brought is handed back. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    await this.#askExecutor('status', this.#lets()).catch(() => {});
    await this.#takeBack(this.#loop);
    this.#release();
  }

  kill(): void {
    const crashed = !this.#draining;
    this.#killing.abort();
    this.#stopping.abort();
    this.#wake.abort();
    this.#release();
    // A claim that waits on would take jobs only to hand them back.
    if (!crashed) return;
    void this.#withdraw();
    this.#askExecutor('status', this.#lets()).catch(() => {});
  }

  /** What the executor may take without us: nothing while it is not known how much, and at the end. */
  #lets(): StatusRequest {
    const { limit } = this.#watch;
    const take = this.#draining || limit === undefined ? null : { limit, types: this.#world.types };
    return { take, doubts: this.#doubts };
  }

  #release(): void {
    this.#watch.kill();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  get #killed(): boolean {
    return this.#killing.signal.aborted;
  }

  get #draining(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#draining) {
      try {
        const woken = this.#armWake();
        const { worker, busy } = await this.#askExecutor('status', this.#lets());
        this.#worker = worker;
        this.#doubts = false;
        const room = this.#roomBeside(busy);
        if (room > 0) {
          this.#claiming = this.#claim(worker, busy).finally(() => {
            this.#claiming = undefined;
          });
          await this.#claiming;
        } else await sleep(this.#world.clock, this.#world.pollMs, woken);
      } catch (error) {
        this.#doubts = true;
        this.#world.log.debug({ error: errorText(error) }, 'the store or the executor is away; looking again');
        await sleep(this.#world.clock, this.#world.pollMs, this.#stopping.signal);
      }
    }
  }

  /** A slot that becomes free from now on ends the rest. */
  #armWake(): AbortSignal {
    if (this.#wake.signal.aborted && !this.#draining) this.#wake = new AbortController();
    return this.#wake.signal;
  }

  #roomBeside(busy: number): number {
    return demand({ limit: this.#watch.limit ?? 0, busy, draining: this.#draining });
  }

  /** A claim that waits was for the limit before: it is taken back, and another one made for the new limit. */
  async #limitChanged(): Promise<void> {
    this.#wake.abort();
    if (this.#claiming !== undefined) await this.#takeBack(this.#claiming);
  }

  /** Withdraws claims until something has ended, again and again: one that is about to be parked is not there yet. */
  async #takeBack(until: Promise<void>): Promise<void> {
    let over = false;
    const killed = new Promise<void>((resolve) => {
      this.#killing.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const end = Promise.race([until.catch(() => {}), killed]).then(() => {
      over = true;
    });
    while (!over && !this.#killed) {
      await this.#withdraw();
      await atMost(this.#world.clock, WITHDRAW_AGAIN_MS, end);
    }
  }

  async #claim(worker: string, busy: number): Promise<void> {
    const { bus, subjects, clock, node, queue, types, storeIsHere } = this.#world;
    const isIdle = busy === 0 && storeIsHere;
    const waitMs = Math.round(untilSharedBeat(clock, isIdle ? IDLE_CLAIM_WAIT_MS : CLAIM_WAIT_MS));
    const value = { worker, node, limit: this.#roomBeside(busy), waitMs, types };
    const timeoutMs = waitMs + ANSWER_MARGIN_MS;
    // As JSON: it is faster than MessagePack, and bounds how many jobs fit one answer less.
    const request = { value, codec: 'json', headers: BRIEF_HEADERS, timeoutMs } as const;
    const jobs = [...wholeOnes((await ask(bus, subjects.work(queue, 'claim'), request)) as AsFirst<ClaimedWork>)];
    if (jobs.length === 0) return;
    if (this.#draining || this.#killed) return this.#handBack(worker, jobs);
    // The limit may have been lowered while they came.
    const room = this.#roomBeside(busy);
    if (jobs.length > room) await this.#handBack(worker, jobs.splice(room));
    if (jobs.length === 0) return;
    try {
      await this.#askExecutor('run', { jobs, stamp: this.#nextStamp() } satisfies RunOrder);
    } catch (error) {
      await this.#handBack(worker, jobs);
      throw error;
    }
  }

  async #askExecutor(verb: string, value: object): Promise<ExecutorStatus> {
    const { bus, subjects, node, queue, pollMs } = this.#world;
    const subject = subjects.actor(node, executorName(queue), verb);
    return (await ask(bus, subject, { value, timeoutMs: Math.max(pollMs, RUN_LATE_MS) })) as ExecutorStatus;
  }

  #nextStamp(): number {
    this.#lastStamp = Math.max(this.#world.clock.monotonicMs(), this.#lastStamp + STAMP_STEP_MS);
    return this.#lastStamp;
  }

  async #withdraw(): Promise<void> {
    if (this.#worker === undefined) return;
    const { bus, subjects, queue } = this.#world;
    const value = { worker: this.#worker };
    await ask(bus, subjects.work(queue, 'withdraw'), { value, timeoutMs: WITHDRAW_AGAIN_MS }).catch(() => {});
  }

  /** Jobs that arrived too late to be started: the attempt is handed back. Lost, two beats do the same. */
  async #handBack(worker: string, jobs: readonly ClaimedWork[]): Promise<void> {
    const { bus, subjects, queue } = this.#world;
    const outcomes = jobs.map((job) => outcomeView({ ...refOf(job), outcome: 'release' }));
    const request = { value: { worker, outcomes }, timeoutMs: ANSWER_MARGIN_MS };
    await ask(bus, subjects.work(queue, 'settle'), request).catch(() => {
      this.#doubts = true;
    });
  }
}
