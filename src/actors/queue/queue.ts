import { atMost, type Clock, sleep } from '../../kernel/clock.ts';
import { errorText } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import { CLAIM_LIMIT_MAX, outcomeView } from '../../messaging/contract/work.ts';
import { answer, ask } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import { type ClaimedWork, type ExecutorStatus, executorName, queueActorName } from '../executor/messages.ts';
import type { Service } from '../service.ts';

/** What a queue actor works with. */
export interface QueueWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  node: string;
  queue: string;
  /** Jobs that may run here at once. */
  limit: number;
  /** The types that this node can run: only these are claimed. */
  types: readonly string[];
  /** How often it looks again when nothing woke it, in milliseconds. */
  pollMs: number;
  log: Logger;
}

/** How long a claim waits at the store for the first job, in milliseconds. */
const CLAIM_WAIT_MS = 20_000;
/** How long a stop waits for a withdrawn claim to be answered before it withdraws it again, in milliseconds. */
const WITHDRAW_AGAIN_MS = 250;
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
  #worker: string | undefined;
  #killed = false;

  constructor(world: QueueWorld) {
    const { bus, subjects, node, queue } = world;
    this.#world = world;
    const own = (verb: string): string => subjects.actor(node, queueActorName(queue), verb);
    this.#subscriptions = [
      bus.subscribe(own('free'), {}, () => this.#wake.abort()),
      bus.subscribe(own('drain'), {}, async (message) => {
        await this.stop();
        answer(message, {});
      }),
    ];
    this.#loop = this.#run();
  }

  /** Claims no more; a claim that waits is taken back, and what it brought is handed back. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wake.abort();
    let ended = false;
    const end = this.#loop.then(() => {
      ended = true;
    });
    // Again and again: a claim that the store is only about to park is not there to be withdrawn yet.
    while (!ended && !this.#killed) {
      await this.#withdraw();
      await atMost(this.#world.clock, WITHDRAW_AGAIN_MS, end);
    }
    this.#release();
  }

  kill(): void {
    const crashed = !this.#draining;
    this.#killed = true;
    this.#stopping.abort();
    this.#wake.abort();
    this.#release();
    // A claim that waits on would take jobs only to hand them back.
    if (crashed) void this.#withdraw();
  }

  #release(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  get #draining(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#draining) {
      try {
        const woken = this.#armWake();
        const { worker, busy } = await this.#askExecutor('status', {});
        this.#worker = worker;
        const limit = demand({ limit: this.#world.limit, busy, draining: this.#draining });
        if (limit > 0) await this.#claim(worker, limit);
        else await sleep(this.#world.clock, this.#world.pollMs, woken);
      } catch (error) {
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

  async #claim(worker: string, limit: number): Promise<void> {
    const { bus, subjects, node, queue, types } = this.#world;
    const value = { worker, node, limit, waitMs: CLAIM_WAIT_MS, types };
    const timeoutMs = CLAIM_WAIT_MS + ANSWER_MARGIN_MS;
    const reply = await ask(bus, subjects.work(queue, 'claim'), { value, timeoutMs });
    const { jobs } = reply as { jobs: ClaimedWork[] };
    if (jobs.length === 0) return;
    if (this.#draining || this.#killed) return this.#handBack(worker, jobs);
    try {
      await this.#askExecutor('run', { jobs });
    } catch (error) {
      await this.#handBack(worker, jobs);
      throw error;
    }
  }

  async #askExecutor(verb: string, value: object): Promise<ExecutorStatus> {
    const { bus, subjects, node, queue, pollMs } = this.#world;
    const subject = subjects.actor(node, executorName(queue), verb);
    return (await ask(bus, subject, { value, timeoutMs: Math.max(pollMs, 1_000) })) as ExecutorStatus;
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
    const outcomes = jobs.map(({ id, attempt, run }) => outcomeView({ id, attempt, run, outcome: 'release' }));
    const request = { value: { worker, outcomes }, timeoutMs: ANSWER_MARGIN_MS };
    await ask(bus, subjects.work(queue, 'settle'), request).catch(() => {});
  }
}
