import type { Job } from '../../job/job.ts';
import { isTerminal, TERMINAL_STATES } from '../../job/state.ts';
import { isRecord } from '../../kernel/check.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type { Bus, Subscription } from '../../messaging/bus.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { StoreClient } from '../store-client.ts';

/** What the wait room listens to and asks. */
export interface WaitRoomWorld {
  bus: Bus;
  subjects: Subjects;
  store: StoreClient;
  clock: Clock;
  /** How often the store is asked, in milliseconds: what makes a lost event harmless. */
  pollMs: number;
}

interface Waiter {
  /** Its job may have ended. */
  wake(): void;
  /** It waits no longer. */
  giveUp(): void;
}

/** Waits that may be under way at once; one more is answered `overloaded`. */
const WAITERS_MAX = 10_000;
/** Ids that one look at the store asks for. */
const POLL_CHUNK = 500;

/** Waits for jobs to end: an event wakes, the store is the truth. Listens only while somebody waits. */
export class WaitRoom {
  readonly #world: WaitRoomWorld;
  readonly #byJob = new Map<string, Set<Waiter>>();
  #size = 0;
  #subscriptions: Subscription[] = [];
  #pollTimer: TimerHandle;

  constructor(world: WaitRoomWorld) {
    this.#world = world;
  }

  /**
   * Waits until a job is terminal or the time is over.
   * @returns the job as it is then, and whether the time was over
   * @throws RotaError `not_found`, `overloaded`, or what the store answers
   */
  async wait(id: string, timeoutMs: number): Promise<{ job: Job; timedOut: boolean }> {
    if (this.#size >= WAITERS_MAX) throw new RotaError('overloaded', `${WAITERS_MAX} waits are under way; retry later`);
    const waiter = this.#enter(id, timeoutMs);
    try {
      for (;;) {
        // Listening began before this look, so an end between the two is not missed.
        const woken = waiter.woken();
        const job = await this.#read(id);
        if (isTerminal(job.state)) return { job, timedOut: false };
        if (waiter.isOver()) return { job, timedOut: true };
        // An event may be told again after a retry, or be anybody's: only the row says that the job has ended.
        await woken;
      }
    } finally {
      waiter.leave();
    }
  }

  /** Lets everybody go. */
  close(): void {
    for (const waiters of this.#byJob.values()) for (const waiter of waiters) waiter.giveUp();
    this.#quiet();
  }

  async #read(id: string): Promise<Job> {
    const [job] = await this.#world.store.ask('get', { ids: [id] });
    if (job === undefined) throw new RotaError('not_found', `there is no job ${id}`);
    return job;
  }

  #enter(id: string, timeoutMs: number): { woken(): Promise<void>; isOver(): boolean; leave(): void } {
    const { clock } = this.#world;
    let signal = Promise.withResolvers<void>();
    let over = false;
    const giveUp = (): void => {
      over = true;
      signal.resolve();
    };
    const waiter: Waiter = { wake: () => signal.resolve(), giveUp };
    const timer: TimerHandle = clock.setTimeout(giveUp, timeoutMs);
    this.#byJob.set(id, (this.#byJob.get(id) ?? new Set()).add(waiter));
    this.#size += 1;
    this.#listen();
    const woken = (): Promise<void> => {
      if (!over) signal = Promise.withResolvers();
      return signal.promise;
    };
    const leave = (): void => {
      clock.clearTimeout(timer);
      const waiters = this.#byJob.get(id);
      if (!waiters?.delete(waiter)) return;
      if (waiters.size === 0) this.#byJob.delete(id);
      this.#size -= 1;
      if (this.#size === 0) this.#quiet();
    };
    return { woken, isOver: () => over, leave };
  }

  #listen(): void {
    if (this.#subscriptions.length > 0) return;
    const { bus, subjects, clock, pollMs } = this.#world;
    const subscriptions = TERMINAL_STATES.map((state) =>
      bus.subscribe(subjects.event('job', '*', state), {}, (message) => {
        const event = message.body.value;
        if (isRecord(event) && typeof event.subject === 'string') this.#ended(event.subject);
      }),
    );
    this.#subscriptions = subscriptions;
    const poll = (): void => {
      this.#poll().finally(() => {
        // The room may have been empty, and listen anew, since this look began.
        if (this.#subscriptions === subscriptions) this.#pollTimer = clock.setTimeout(poll, pollMs);
      });
    };
    this.#pollTimer = clock.setTimeout(poll, pollMs);
  }

  #quiet(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#subscriptions = [];
    this.#world.clock.clearTimeout(this.#pollTimer);
  }

  async #poll(): Promise<void> {
    const ids = [...this.#byJob.keys()];
    for (let from = 0; from < ids.length; from += POLL_CHUNK) await this.#look(ids.slice(from, from + POLL_CHUNK));
  }

  /** Large jobs may not fit into one answer of a store elsewhere: then it is asked in halves. */
  async #look(ids: readonly string[]): Promise<void> {
    try {
      const jobs = await this.#world.store.ask('get', { ids });
      const going = new Set(jobs.filter(({ state }) => !isTerminal(state)).map(({ id }) => id));
      // One that is not there any more was deleted, which whoever waits is told.
      for (const id of ids) if (!going.has(id)) this.#ended(id);
    } catch (error) {
      // A store that is away is asked again at the next poll; the waits go on.
      if (!(error instanceof RotaError) || error.code !== 'too_large' || ids.length === 1) return;
      const half = Math.ceil(ids.length / 2);
      await this.#look(ids.slice(0, half));
      await this.#look(ids.slice(half));
    }
  }

  #ended(id: string): void {
    for (const waiter of this.#byJob.get(id) ?? []) waiter.wake();
  }
}
