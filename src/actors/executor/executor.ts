import type { AnyJobDefinition, EnqueueFunction, Services } from '../../job/definition.ts';
import { Issues } from '../../kernel/check.ts';
import { atMost, type Clock, type TimerHandle, untilSharedBeat } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import { type Json, jsonOf } from '../../kernel/json.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Message, Subscription } from '../../messaging/bus.ts';
import { CLAIM_LIMIT_MAX, runningView } from '../../messaging/contract/work.ts';
import { answer, ask, refuse } from '../../messaging/reply.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { BeatResult, RunRef } from '../../store/job-store.ts';
import type { Service } from '../service.ts';
import type { AttemptHosts } from './attempt.ts';
import {
  type CancelHint,
  type ClaimedWork,
  type ExecutorStatus,
  executorName,
  queueActorName,
  RUN_LATE_MS,
  type RunOrder,
  type StatusRequest,
  type TakeOrder,
} from './messages.ts';
import { RunningJobs, refOf } from './running-jobs.ts';
import { type ClaimWith, SETTLE_TIMEOUT_MS, Settler } from './settler.ts';

/** What an executor works with. */
export interface ExecutorWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  node: string;
  queue: string;
  /** A new UUID for each incarnation: an executor that crashed is a dead worker. */
  worker: string;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  services: Services;
  enqueue: EnqueueFunction;
  /** Where handlers run, by what their types ask for. */
  hosts: AttemptHosts;
  beatMs: number;
  /** The store is served in this process: what it does not answer nobody else will. */
  storeIsHere: boolean;
  /** How long handlers may run on when the executor is stopped, in milliseconds. */
  graceMs: number;
  log: Logger;
}

/** After the grace: how long what handlers return on their abort signal is still settled, in milliseconds. */
const AFTER_ABORT_MS = 2_000;
/** How long the last settlements may take at a stop, in milliseconds. */
const LAST_SETTLEMENTS_MS = 5_000;
const PROGRESS_TIMEOUT_MS = 5_000;

/** How long a stop of an executor can take beyond its grace, in milliseconds. */
export const STOP_MARGIN_MS = AFTER_ABORT_MS + LAST_SETTLEMENTS_MS + 1_000;

/** How much longer than a beat's interval ours are apart. */
const BEAT_SPREAD = 1.05;
/**
 * Beats after the last job or doubt, until there is nothing left that they could tell: two have to count for a claim whose
 * answer was lost, and one that came soon after it or late does not.
 */
const LAST_BEATS = 4;
/** From then on so many beats are one: for what a message did that was very late. */
const RESTING_BEATS = 6;

/**
 * Runs the handlers of one queue on this node: abort signals, time-outs, beats, settlements. It survives a crash of its
 * queue actor.
 */
export class Executor implements Service {
  readonly #world: ExecutorWorld;
  readonly #settler: Settler;
  readonly #jobs: RunningJobs;
  readonly #subscriptions: Subscription[];
  #beatTimer: TimerHandle;
  #freeTold = true;
  #lastStamp = Number.NEGATIVE_INFINITY;
  #killed = false;
  /** Beats that came due since there was last something to tell with them; at first there is nothing. */
  #quietBeats = LAST_BEATS;
  #wasAsked = false;
  /** What the queue actor lets it take by itself. */
  #order: TakeOrder | undefined;

  constructor(world: ExecutorWorld) {
    const { bus, subjects, clock, node, queue, worker, log, definitions, services, enqueue, hosts } = world;
    this.#world = world;
    this.#jobs = new RunningJobs({
      ...{ clock, definitions, services, enqueue, hosts, log },
      onOutcome: (report) => this.#settler.add(report),
      onProgress: (ref, progress) => this.#tellProgress(ref, progress),
      onFree: () => this.#tellFree(),
    });
    this.#settler = new Settler({
      ...{ bus, subjects, clock, queue, worker, log },
      tryMs: world.storeIsHere ? SETTLE_TIMEOUT_MS : world.beatMs / 2,
      limit: () => this.#order?.limit ?? 0,
      claimWith: (reports) => this.#claimWith(this.#jobs.freedBy(reports)),
      onSettled: (reports, jobs) => {
        this.#jobs.confirm(reports);
        if (!this.#killed) this.#take(jobs);
      },
    });
    const serve = (verb: string, deal: (message: Message) => void | Promise<void>): Subscription =>
      bus.subscribe(subjects.actor(node, executorName(queue), verb), { own: true }, deal);
    this.#subscriptions = [
      serve('status', (message) => {
        const { take, doubts } = message.body.value as StatusRequest;
        if (take !== undefined) this.#order = take ?? undefined;
        // Before it was asked the first time nobody can have claimed anything for it.
        if (doubts && this.#wasAsked) this.#quietBeats = 0;
        this.#wasAsked = true;
        answer(message, this.#status());
      }),
      serve('run', (message) => this.#run(message)),
      serve('drain', async (message) => {
        await this.drain((message.body.value as { graceMs: number }).graceMs);
        answer(message, this.#status());
      }),
      bus.subscribe(subjects.hint('cancel', queue), {}, (message) => {
        const hint = message.body.value as CancelHint;
        if (hint.worker === worker) this.#cancel(hint, hint.terminate);
      }),
    ];
    this.#armBeat();
  }

  /** Drains with its own grace, then lets go. */
  async stop(): Promise<void> {
    await this.drain(this.#world.graceMs);
    this.kill();
  }

  kill(): void {
    this.#killed = true;
    this.#settler.kill();
    this.#jobs.abandon();
    this.#world.clock.clearTimeout(this.#beatTimer);
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /**
   * Lets handlers run on for the grace, then aborts them, settles what they return within 2 s and releases the rest.
   * Resolves when all of that is settled, or after a bounded time.
   */
  async drain(graceMs: number): Promise<void> {
    const { clock } = this.#world;
    this.#order = undefined;
    await atMost(clock, graceMs, this.#jobs.quiet());
    this.#jobs.abortAll();
    await atMost(clock, AFTER_ABORT_MS, this.#jobs.quiet());
    this.#jobs.releaseOpen();
    await atMost(clock, LAST_SETTLEMENTS_MS, this.#settler.idle());
  }

  /**
   * What a settlement that frees slots claims for them, so that a job needs one trip to the store and one transaction
   * instead of two of each. Never more than it frees: the queue actor may wait with a claim for what was free before.
   */
  #claimWith(freed: number): ClaimWith | undefined {
    if (this.#order === undefined) return undefined;
    const { limit: busyMax, types } = this.#order;
    const limit = Math.min(freed, busyMax - (this.#jobs.busy - freed), CLAIM_LIMIT_MAX);
    return limit > 0 ? { node: this.#world.node, limit, types } : undefined;
  }

  /** Starts what came with a settlement, if there is still room: the limit may have been lowered, or a stop have begun. */
  #take(jobs: readonly ClaimedWork[]): void {
    this.#quietBeats = 0;
    for (const work of jobs) {
      if (this.#jobs.busy < (this.#order?.limit ?? 0)) this.#jobs.start(work);
      else this.#settler.add({ ...refOf(work), outcome: 'release' });
    }
  }

  #status(): ExecutorStatus {
    return { worker: this.#world.worker, busy: this.#jobs.busy };
  }

  #run(message: Message): void {
    // The queue actor hands on what it claimed, in the contract's shape.
    const { jobs, stamp } = message.body.value as RunOrder;
    if (this.#world.clock.monotonicMs() - stamp >= RUN_LATE_MS) {
      refuse(message, new RotaError('unavailable', 'the jobs came too late to be started'));
      return;
    }
    if (stamp > this.#lastStamp) {
      this.#lastStamp = stamp;
      this.#quietBeats = 0;
      for (const work of jobs) this.#jobs.start(work);
    }
    answer(message, this.#status());
  }

  /** Slots that become free in one turn of the event loop are told once. */
  #tellFree(): void {
    if (!this.#freeTold || this.#killed) return;
    this.#freeTold = false;
    queueMicrotask(() => {
      this.#freeTold = true;
      if (this.#killed || (this.#order !== undefined && this.#jobs.busy >= this.#order.limit)) return;
      const { bus, subjects, node, queue } = this.#world;
      bus.publish(subjects.actor(node, queueActorName(queue), 'free'), { body: Body.of(this.#status(), 'msgpack') });
    });
  }

  #cancel(ref: Omit<RunRef, 'attempt'>, terminate: boolean): void {
    if (terminate) this.#jobs.terminate(ref);
    else this.#jobs.disown(ref, 'cancelled');
  }

  /** Progress becomes JSON as results do. What no store would keep is the handler's mistake, and its author shall see it. */
  #tellProgress({ id, attempt, run }: Required<RunRef>, given: Json): void {
    const { bus, subjects, queue, worker, log } = this.#world;
    const notKept = (level: 'warn' | 'debug', error: string): void => {
      log[level]({ job: id, error }, 'progress was not kept');
    };
    const issues = new Issues();
    const progress = jsonOf(given, 'progress', issues) ?? null;
    const [fault] = issues.list;
    if (fault !== undefined) {
      notKept('warn', `${fault.path} ${fault.message}`);
      return;
    }
    const value = { worker, id, attempt, run, progress };
    ask(bus, subjects.work(queue, 'progress'), { value, timeoutMs: PROGRESS_TIMEOUT_MS }).catch((error: unknown) => {
      const isTooLarge = error instanceof RotaError && error.code === 'too_large';
      notKept(isTooLarge ? 'warn' : 'debug', errorText(error));
    });
  }

  #armBeat(againMs?: number): void {
    if (this.#killed) return;
    const { clock, beatMs } = this.#world;
    this.#beatTimer = clock.setTimeout(
      async () => {
        this.#armBeat(this.#rests() ? undefined : await this.#beat());
      },
      // A little more than a beat apart, for two that came closer would count as one (see the port's `beat`).
      againMs ?? untilSharedBeat(clock, beatMs * BEAT_SPREAD),
    );
  }

  /** Whether a beat that is due need not be sent: nothing runs, and nothing can have been lost on its way here. */
  #rests(): boolean {
    this.#quietBeats = this.#jobs.busy > 0 ? 0 : this.#quietBeats + 1;
    return this.#quietBeats > LAST_BEATS && this.#quietBeats % RESTING_BEATS !== 0;
  }

  /**
   * @returns how soon it is repeated, in milliseconds, where it got no answer: it may have gone to a store that froze, and
   * many tries have to fit into a lease, so that some of them find another
   */
  async #beat(): Promise<number | undefined> {
    const { bus, subjects, clock, queue, worker, node, beatMs, log } = this.#world;
    const running = this.#jobs.refs();
    const value = { worker, node, running: running.map(runningView) };
    const againAt = clock.monotonicMs() + beatMs / 2;
    try {
      const reply = await ask(bus, subjects.work(queue, 'beat'), { value, timeoutMs: beatMs / 2 });
      const { cancel, lost } = reply as BeatResult;
      // The answer is about the runs that this beat listed, whatever has come since.
      const listed = (id: string): Required<RunRef>[] => running.filter((ref) => ref.id === id);
      for (const { id, terminate } of cancel) for (const ref of listed(id)) this.#cancel(ref, terminate);
      for (const id of lost) for (const ref of listed(id)) this.#jobs.disown(ref, 'lost');
      return undefined;
    } catch (error) {
      this.#quietBeats = 0;
      // The handlers go on: the lease decides, and it is the store's clock that measures it.
      log.debug({ error: errorText(error) }, 'a beat got no answer');
      return Math.max(0, againAt - clock.monotonicMs());
    }
  }
}
