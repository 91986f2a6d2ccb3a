import { isRecord } from '../../kernel/check.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import type { Subjects } from '../../messaging/subjects.ts';

/** What is told to and heard from the other owners of a store. */
export interface FellowOwnersWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  /** The node that this owner is of: its own hints are not for itself. */
  node: string;
  /** How often is looked for what no hint told, in milliseconds. */
  pollMs: number;
  /** Another owner has brought a queue up to so many jobs. */
  onWork(queue: string, jobs: number): void;
  /** Something else was said of a queue at another owner. */
  onRules(queue: string): void;
  /** A worker takes its waiting claims of a queue back, and they may be here. */
  onWithdraw(queue: string, worker: string): void;
  /** Looks for what no hint told. @throws when the store is away */
  look(): Promise<void>;
  /** Whether this owner serves what any of them may, from now on. At first it does. */
  onServes(serves: boolean): void;
}

/** A queue's hints are at least this far apart, in milliseconds: what comes between is told together. */
const HINT_EVERY_MS = 20;
/** A look that takes longer counts as failed, in milliseconds: longer than the store tries to be reached. */
const LOOK_MS_MAX = 6_000;
/** Polls without a word of a fellow's until none reaches the store any more. */
const POLLS_UNHEARD = 5;

/**
 * Several persistence actors may own one store (`capabilities.shared`), and each has claims waiting of its own. They tell
 * each other what brings those work. A hint that is lost costs one poll. With each poll they also tell that they reach the
 * store: one that does not leaves its requests to the others, and takes them again, were it to refuse them, when nobody
 * does.
 */
export class FellowOwners {
  readonly #world: FellowOwnersWorld;
  readonly #subscriptions: Subscription[];
  /** Jobs that are to be told of, by queue; a queue with an entry has told within {@link HINT_EVERY_MS}. */
  readonly #untold = new Map<string, number>();
  readonly #timers = new Map<string, TimerHandle>();
  #poll: TimerHandle;
  #lookSince: number | undefined;
  #reaches = true;
  /** When a fellow last reached the store, in monotonic milliseconds. */
  #fellowReachedAt = Number.NEGATIVE_INFINITY;
  #serves = true;
  #stopped = false;

  constructor(world: FellowOwnersWorld) {
    this.#world = world;
    const { bus, subjects } = world;
    const heard = (what: string, act: (queue: string, said: Record<string, unknown>) => void): Subscription =>
      bus.subscribe(subjects.hint(what, '*'), {}, ({ subject, body }) => {
        const said = body.value;
        if (!isRecord(said) || said.from === world.node) return;
        act(subject.slice(subject.lastIndexOf('.') + 1), said);
      });
    this.#subscriptions = [
      heard('work', (queue, { jobs }) => world.onWork(queue, Number(jobs))),
      heard('queue', (queue) => world.onRules(queue)),
      heard('withdraw', (queue, { worker }) => world.onWithdraw(queue, String(worker))),
      heard('reach', () => {
        this.#fellowReachedAt = world.clock.monotonicMs();
      }),
    ];
    this.#armPoll();
  }

  /** Tells of jobs that became available in a commit and were not claimed in it. */
  tellWork(left: ReadonlyMap<string, ReadonlyMap<string, number>>): void {
    for (const [queue, types] of left) {
      let sum = 0;
      for (const jobs of types.values()) sum += jobs;
      this.tellQueue(queue, sum);
    }
  }

  /** Whether another owner of the store was heard of lately. */
  get areThere(): boolean {
    const { clock, pollMs } = this.#world;
    return clock.monotonicMs() - this.#fellowReachedAt <= pollMs * POLLS_UNHEARD;
  }

  /** Tells that a queue may have so many jobs for others. */
  tellQueue(queue: string, jobs: number): void {
    if (this.#timers.has(queue)) this.#untold.set(queue, (this.#untold.get(queue) ?? 0) + jobs);
    else this.#publish(queue, jobs);
  }

  /** A worker's claims were not found here. */
  tellWithdraw(queue: string, worker: string): void {
    this.#say('withdraw', queue, { worker });
  }

  /** Hears no more and leaves no timer; what is still told goes out at once. */
  stop(): void {
    this.#stopped = true;
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    for (const timer of this.#timers.values()) this.#world.clock.clearTimeout(timer);
    this.#timers.clear();
    this.#world.clock.clearTimeout(this.#poll);
    for (const [queue, jobs] of this.#untold) this.#say('work', queue, { jobs });
    this.#untold.clear();
  }

  #publish(queue: string, jobs: number): void {
    this.#say('work', queue, { jobs });
    // The last commits of one that stops bring others work, too.
    if (this.#stopped) return;
    const timer = this.#world.clock.setTimeout(() => {
      this.#timers.delete(queue);
      const more = this.#untold.get(queue);
      this.#untold.delete(queue);
      if (more !== undefined) this.#publish(queue, more);
    }, HINT_EVERY_MS);
    this.#timers.set(queue, timer);
  }

  #say(what: string, queue: string, said: object): void {
    const { bus, subjects, node } = this.#world;
    bus.publish(subjects.hint(what, queue), { body: Body.of({ ...said, from: node }, 'msgpack') });
  }

  #armPoll(): void {
    const { clock, pollMs } = this.#world;
    this.#poll = clock.setTimeout(() => {
      if (this.#lookSince === undefined) void this.#look();
      this.#judge();
      this.#armPoll();
    }, pollMs);
  }

  /** A store that is away is looked into at the next poll. */
  async #look(): Promise<void> {
    const { clock, look, node } = this.#world;
    this.#lookSince = clock.monotonicMs();
    this.#reaches = await look().then(
      () => true,
      () => false,
    );
    this.#lookSince = undefined;
    if (this.#stopped) return;
    if (this.#reaches) this.#say('reach', node, {});
    this.#judge();
  }

  /** Serves while it reaches the store, or nobody does: somebody must say so to those who ask. */
  #judge(): void {
    const { clock, pollMs, onServes } = this.#world;
    const now = clock.monotonicMs();
    const hangs = this.#lookSince !== undefined && now - this.#lookSince > LOOK_MS_MAX;
    const serves = (this.#reaches && !hangs) || now - this.#fellowReachedAt > pollMs * POLLS_UNHEARD;
    if (serves === this.#serves) return;
    this.#serves = serves;
    onServes(serves);
  }
}
