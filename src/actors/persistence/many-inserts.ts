import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { isPlain } from '../../store/alike-jobs.ts';
import type { Waiting } from './commit-group.ts';
import { HOLD_MS, InsertPace } from './insert-pace.ts';

/** Who knows what inserts of many wait for. */
export interface ManyInsertsWorld {
  clock: Clock;
  /** How many jobs of a queue claims wait for; undefined: its jobs do not begin as they are stored. */
  awaited(queue: string): number | undefined;
  /** Whether a claim of a queue may get less than it asks for though more waits. */
  isShared(queue: string): boolean;
  /** Told when some have waited long enough. */
  wake(): void;
}

interface ManyInsert {
  waiting: Waiting;
  rows: number;
  /** Where its jobs go, most likely all of them. */
  queue: string;
  /** Until when it waits for claims at most, in monotonic milliseconds; undefined: none of its jobs begins as it is stored. */
  until: number | undefined;
}

/** An insert of more jobs is one of many. */
const FEW_MAX = 100;
/** Jobs that one transaction inserts of such, roughly, before the rest waits for the next: where nobody waits for them. */
const MANY_MAX = 1_000;
/** The same where claims wait for them. */
const AWAITED_MAX = 2_000;

/** Inserts of many jobs, which may wait for claims of their queue (see {@link InsertPace}). Those of one queue stay in order. */
export class ManyInserts {
  readonly pace: InsertPace;
  readonly #world: ManyInsertsWorld;
  #inserts: ManyInsert[] = [];
  #hurried = false;
  #timer: TimerHandle;
  #wakesAt = Number.POSITIVE_INFINITY;

  constructor(world: ManyInsertsWorld) {
    this.#world = world;
    this.pace = new InsertPace(world.isShared);
  }

  /** How many requests wait. */
  get size(): number {
    return this.#inserts.length;
  }

  /** Takes a request that is an insert of many; false: it is none. */
  add(waiting: Waiting): boolean {
    const { request } = waiting;
    if (request.verb !== 'insert' || request.jobs.length <= FEW_MAX) return false;
    const begins = request.jobs.find((job) => job.state === 'available' && isPlain(job));
    const queue = (begins ?? request.jobs[0])?.queue ?? '';
    const until = begins && this.#world.clock.monotonicMs() + HOLD_MS;
    this.#inserts.push({ waiting, rows: request.jobs.length, queue, until });
    return true;
  }

  /** From now on none waits. */
  hurry(): void {
    this.#hurried = true;
    this.#world.clock.clearTimeout(this.#timer);
  }

  /**
   * Takes out those that go with other requests, alone if need be. Where nothing goes though some are there, all of them
   * wait for claims, and the world is woken when the first has waited long enough.
   */
  takeWith(others: readonly Waiting[]): Waiting[] {
    if (this.#inserts.length === 0) return [];
    const now = this.#world.clock.monotonicMs();
    const rooms = new Map<string, number | undefined>();
    const blocked = new Set<string>();
    const going: Waiting[] = [];
    const later: ManyInsert[] = [];
    let rows = 0;
    for (const insert of this.#inserts) {
      const { queue, until } = insert;
      if (!rooms.has(queue)) rooms.set(queue, this.#roomIn(queue, others, now));
      const room = rooms.get(queue);
      const waits = room !== undefined && until !== undefined && now < until;
      const isFull = rows > 0 && rows + insert.rows > (waits ? AWAITED_MAX : MANY_MAX);
      if (blocked.has(queue) || isFull || (waits && room <= 0)) {
        blocked.add(queue);
        later.push(insert);
        if (waits && !isFull) this.#wakeAt(until, now);
        continue;
      }
      if (waits) rooms.set(queue, room - insert.rows);
      rows += insert.rows;
      going.push(insert.waiting);
    }
    this.#inserts = later;
    return going;
  }

  /** For how many more jobs of a queue there are claims; undefined: they are not waited for. */
  #roomIn(queue: string, others: readonly Waiting[], now: number): number | undefined {
    const before = this.#hurried ? undefined : this.pace.before(queue, now);
    const awaited = before === undefined ? undefined : this.#world.awaited(queue);
    if (before === undefined || awaited === undefined) return undefined;
    return awaited + claimedOf(others, queue) - before;
  }

  #wakeAt(until: number, now: number): void {
    if (until >= this.#wakesAt) return;
    const { clock } = this.#world;
    clock.clearTimeout(this.#timer);
    this.#wakesAt = until;
    const woken = (): void => {
      this.#wakesAt = Number.POSITIVE_INFINITY;
      this.#world.wake();
    };
    this.#timer = clock.setTimeout(woken, until - now);
  }
}

/** How many jobs of a queue requests claim. */
function claimedOf(waiting: readonly Waiting[], queue: string): number {
  let jobs = 0;
  for (const { request } of waiting) if (request.verb === 'claim' && request.queue === queue) jobs += request.limit;
  return jobs;
}
