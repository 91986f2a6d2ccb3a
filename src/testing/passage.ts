import type { JobFact } from '../job/job-event.ts';
import type { GatedStore } from './gated-store.ts';
import type { HandlerClock } from './handler-clock.ts';
import type { HandlerWatch, StuckHandler } from './handler-watch.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** How the attempts of a drain or an advance ended. `cancelled` counts jobs that were cancelled before they ran, too. */
export interface DrainCounts {
  completed: number;
  /** Failed, with attempts left. */
  retryable: number;
  snoozed: number;
  cancelled: number;
  /** Failed for good, or discarded by the handler. */
  discarded: number;
  released: number;
}

/** How far a run goes. */
export interface RunOptions {
  /** Only this queue. Default all. */
  queue?: string;
  /** Leave handlers alone that never end, instead of failing with an error that names them. */
  leaveRunning?: boolean;
  /** How many attempts may begin at one instant, before they are taken to make each other for ever. Default 10,000. */
  attemptsMax?: number;
}

/** What lets time pass for a node, and what knows when its jobs are due. Times are milliseconds since the epoch. */
export interface PassageWorld {
  clock: VirtualClock;
  handlerClock: HandlerClock;
  gate: GatedStore;
  watch: HandlerWatch;
  /** Makes due jobs available and wakes their queues; answers when the next one is due, null for never. */
  stage(): Promise<number | null>;
  /** When the next tick of a schedule is due; undefined: never. */
  nextTickAt(): Promise<number | undefined>;
}

/** Times that jobs may come back at one instant, before one is taken to do so for ever. */
const ROUNDS_MAX = 1_000;
/** Instants that a drain with what is scheduled may leap to. */
const LEAPS_MAX = 10_000;
const ATTEMPTS_MAX = 10_000;

/** Runs a node's jobs while virtual time stands, or as it passes. One run at a time; others wait for their turn. */
export class Passage {
  readonly #world: PassageWorld;
  #turn: Promise<unknown> = Promise.resolve();
  #counts = noCounts();
  /** When the next scheduled or retryable job is due; null: there is none. */
  #nextJobAt: number | null = null;
  /** Something was committed since `#nextJobAt` was asked for. */
  #stale = true;

  constructor(world: PassageWorld) {
    this.#world = world;
  }

  /** Takes what was committed. */
  note(facts: readonly JobFact[]): void {
    this.#stale = true;
    for (const { what } of facts) if (isCounted(what)) this.#counts[what] += 1;
  }

  /** Runs what is due now, and what that brings, until nothing is left. @throws Error when a handler never ends */
  drain(options: RunOptions & { withScheduled?: boolean } = {}): Promise<DrainCounts> {
    return this.#run(options, async () => {
      for (let leaps = 0; options.withScheduled; leaps += 1) {
        if (this.#nextJobAt === null) return;
        if (leaps >= LEAPS_MAX) throw new Error(`something is still scheduled after ${LEAPS_MAX} leaps of time`);
        await this.#leapTo(this.#nextJobAt);
      }
    });
  }

  /** Lets time pass; what becomes due on the way runs at its time. @throws Error when a handler never ends */
  advance(ms: number, options: RunOptions = {}): Promise<DrainCounts> {
    const { clock } = this.#world;
    return this.#run(options, async () => {
      const untilMs = clock.monotonicMs() + ms;
      while (clock.monotonicMs() < untilMs) {
        await this.#leapTo(clock.now() + untilMs - clock.monotonicMs());
      }
    });
  }

  /** Lets time pass until something has ended that needs it: a stop with its graces. */
  async see<T>(work: Promise<T>): Promise<T> {
    const { clock, watch } = this.#world;
    let over = false;
    const done = (): void => {
      over = true;
    };
    work.then(done, done);
    for (;;) {
      await watch.rest(() => clock.advance(0));
      const dueMs = clock.nextDueMs;
      if (over || dueMs === undefined) return work;
      await clock.advance(dueMs - clock.monotonicMs());
    }
  }

  #run(options: RunOptions, go: () => Promise<void>): Promise<DrainCounts> {
    const run = this.#turn.then(async () => {
      const { gate } = this.#world;
      this.#counts = noCounts();
      this.#stale = true;
      gate.open({ attemptsMax: options.attemptsMax ?? ATTEMPTS_MAX, queue: options.queue });
      try {
        await this.#settle();
        await go();
      } finally {
        gate.shut();
      }
      if (!options.leaveRunning) this.#refuseStuck();
      return { ...this.#counts };
    });
    this.#turn = run.catch(() => {});
    return run;
  }

  /** Runs what is due at this instant until nothing is left. */
  async #settle(): Promise<void> {
    const { clock, watch, gate } = this.#world;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      await watch.rest(() => clock.advance(0));
      if (gate.exhausted) throw new Error('there is always one more job to run; `attemptsMax` lets more of them run');
      const isDue = this.#nextJobAt !== null && this.#nextJobAt <= clock.now();
      if (!this.#stale && !isDue) return;
      this.#stale = false;
      this.#nextJobAt = await this.#world.stage();
    }
    throw new Error(`there is always one more job to run: some came back at once ${ROUNDS_MAX} times`);
  }

  /** Leaps to the next instant at which something is due, at the latest to `limitAt`, and runs what is due then. */
  async #leapTo(limitAt: number): Promise<void> {
    const { clock, handlerClock, watch, gate } = this.#world;
    const now = clock.now();
    const nowMs = clock.monotonicMs();
    const wall = [limitAt, this.#nextJobAt, await this.#world.nextTickAt()];
    const monotonic = [handlerClock.nextDueMs, ...watch.running.map(({ deadlineMs }) => deadlineMs)];
    const waits = [
      ...wall.flatMap((at) => (at === null || at === undefined ? [] : [at - now])),
      ...monotonic.flatMap((atMs) => (atMs === undefined || atMs <= nowMs ? [] : [atMs - nowMs])),
    ];
    gate.renew();
    await clock.leap(Math.max(0, Math.min(...waits)));
    await this.#settle();
  }

  #refuseStuck(): void {
    const { handlerClock, watch, clock } = this.#world;
    if (handlerClock.nextDueMs !== undefined) return;
    const stuck = watch.stuck.filter(({ deadlineMs = 0 }) => deadlineMs <= clock.monotonicMs());
    if (stuck.length > 0) throw neverEnds(stuck);
  }
}

/** The error that names handlers which are not waited for any longer. */
export function neverEnds(stuck: readonly StuckHandler[]): Error {
  const names = stuck.map(({ type, id, attempt }) => `"${type}" (job ${id}, attempt ${attempt})`);
  const who = names.length === 1 ? `the handler of ${names[0]} has` : `the handlers of ${names.join(', ')} have`;
  const why = stuck.some(({ isBusy }) => isBusy)
    ? 'still waits for a file, socket, process or real timer after `patienceMs`'
    : 'waits for nothing that could be seen to come, and its job has no timeout';
  return new Error(`${who} not ended: it ${why}; \`leaveRunning\` leaves it alone`);
}

function noCounts(): DrainCounts {
  return { completed: 0, retryable: 0, snoozed: 0, cancelled: 0, discarded: 0, released: 0 };
}

function isCounted(what: string): what is keyof DrainCounts {
  return what in NO_COUNTS;
}

const NO_COUNTS = noCounts();
