import { isDeepStrictEqual } from 'node:util';
import type { JobFact, JobFactName } from '../../job/job-event.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import type { QueueRecord } from '../../store/queue-record.ts';

/** What the gates ask of the store, and whom they wake. */
export interface QueueGatesWorld {
  clock: Clock;
  /** What operators have said of queues. */
  queues(): Promise<QueueRecord[]>;
  /** When a queue's rate lets the next job start; null: now. */
  nextStart(queue: string): Promise<number | null>;
  /** One step of sorting a queue's jobs into partitions; true: it was the last. */
  sort(queue: string): Promise<boolean>;
  /** Tries the claims again that wait for a queue: those that can take so many jobs, or all. */
  wake(queue: string, jobs?: number): void;
}

/** Facts that end an attempt and leave its job where no claim takes it at once; those that do wake claims anyway. */
const ENDS: ReadonlySet<JobFactName> = new Set(['completed', 'retryable', 'snoozed', 'cancelled', 'discarded']);
/** After a failure of the store: when sorting goes on, in milliseconds. */
const SORT_AGAIN_MS = 1_000;

/**
 * What keeps claims waiting although there is work, and when that ends: a pause, a limit that is full, a rate whose period
 * has to pass, jobs that are being sorted into partitions. The store decides; this only knows when to ask it again.
 */
export class QueueGates {
  readonly #world: QueueGatesWorld;
  readonly #said = new Map<string, QueueRecord>();
  readonly #timers = new Map<string, TimerHandle>();
  /** Of which queues it is being asked when the next may start, and which asking counts: a change makes an earlier one void. */
  readonly #asking = new Map<string, symbol>();
  /** Queues whose jobs are being sorted; true: they are to be sorted anew, for another limit was set meanwhile. */
  readonly #sorting = new Map<string, boolean>();
  #stopped = false;

  constructor(world: QueueGatesWorld) {
    this.#world = world;
  }

  /** Reads what was said before. */
  async start(): Promise<void> {
    for (const record of await this.#world.queues()) this.changed(record);
  }

  /** Reads anew what may have been said at another owner of the store. */
  async refresh(): Promise<void> {
    for (const record of await this.#world.queues()) {
      if (!isDeepStrictEqual(record, this.#said.get(record.queue))) this.changed(record);
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) this.#world.clock.clearTimeout(timer);
    this.#timers.clear();
  }

  /** Something else was said of a queue: whoever waits may get something now. */
  changed(record: QueueRecord): void {
    const { queue } = record;
    this.#said.set(queue, record);
    this.#disarm(queue);
    if (record.sorting) void this.#sort(queue);
    else this.#world.wake(queue);
  }

  /** Whether a queue gives nothing at all, so that asking on behalf of new jobs is in vain. */
  isClosed(queue: string): boolean {
    const said = this.#said.get(queue);
    return said !== undefined && (said.paused || said.sorting);
  }

  /**
   * Whether workers share something of a queue, so that a claim may get less than it asks for though more waits, and who frees
   * a place must not take it again before those had their turn who wait elsewhere; or it gives nothing at all.
   */
  isShared(queue: string): boolean {
    const said = this.#said.get(queue);
    if (said === undefined) return false;
    return said.globalLimit !== null || said.rate !== null || said.partition !== null || this.isClosed(queue);
  }

  /** The room that attempts which ended have left, by queue, where executing ones are counted. */
  roomAfter(facts: readonly JobFact[]): Map<string, number> {
    const free = new Map<string, number>();
    if (this.#said.size === 0) return free;
    for (const { what, queue } of facts) {
      const said = ENDS.has(what) ? this.#said.get(queue) : undefined;
      if (said === undefined || (said.globalLimit === null && said.partition === null)) continue;
      if (!this.isClosed(queue)) free.set(queue, (free.get(queue) ?? 0) + 1);
    }
    return free;
  }

  /** A claim of this queue got nothing and waits: if that is for its rate, it is tried again when the period has passed. */
  parked(queue: string): void {
    const waits = this.#asking.has(queue) || this.#timers.has(queue);
    if (!this.#said.get(queue)?.rate || waits || this.isClosed(queue)) return;
    const asking = Symbol(queue);
    this.#asking.set(queue, asking);
    const answered = (at: number | null): void => {
      // Otherwise what was said has changed, and who waits with it been woken, since this was asked.
      if (this.#asking.get(queue) !== asking) return;
      this.#asking.delete(queue);
      if (at !== null && !this.#stopped) this.#arm(queue, at);
    };
    this.#world.nextStart(queue).then(answered, () => answered(null));
  }

  #arm(queue: string, at: number): void {
    const timer = this.#world.clock.setTimeout(
      () => {
        this.#timers.delete(queue);
        this.#world.wake(queue);
      },
      Math.max(1, at - this.#world.clock.now()),
    );
    this.#timers.set(queue, timer);
  }

  #disarm(queue: string): void {
    this.#asking.delete(queue);
    this.#world.clock.clearTimeout(this.#timers.get(queue));
    this.#timers.delete(queue);
  }

  /** Step by step, so that others get their turn; after a failure or a restart it goes on where it was. */
  async #sort(queue: string): Promise<void> {
    const busy = this.#sorting.has(queue);
    this.#sorting.set(queue, true);
    if (busy) return;
    try {
      while (this.#sorting.get(queue) === true) {
        this.#sorting.set(queue, false);
        while (!this.#stopped && !(await this.#world.sort(queue)));
      }
    } catch {
      const again = (): void => {
        this.#timers.delete(queue);
        void this.#sort(queue);
      };
      this.#disarm(queue);
      if (!this.#stopped) this.#timers.set(queue, this.#world.clock.setTimeout(again, SORT_AGAIN_MS));
      return;
    } finally {
      this.#sorting.delete(queue);
    }
    const said = this.#said.get(queue);
    if (this.#stopped || said === undefined) return;
    this.#said.set(queue, { ...said, sorting: false });
    this.#world.wake(queue);
  }
}
