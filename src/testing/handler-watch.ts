import type { AnyJobDefinition, HandlerContext } from '../job/definition.ts';
import { type Clock, nextTurn, sleep, systemClock } from '../kernel/clock.ts';

/** A handler that runs. */
export interface RunningHandler {
  readonly type: string;
  readonly id: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  /** When its time is over, in monotonic milliseconds of virtual time; undefined: never. */
  readonly deadlineMs: number | undefined;
}

/** A handler that is not waited for any longer. */
export interface StuckHandler {
  readonly type: string;
  readonly id: string;
  readonly attempt: number;
  readonly deadlineMs: number | undefined;
  /** It was waiting for something real, and patience ran out. */
  readonly isBusy: boolean;
}

interface Entry extends RunningHandler {
  /** Real milliseconds that it was waited for while nothing of this process was under way, and while something was. */
  idleMs: number;
  busyMs: number;
  /** It is not waited for any more, until something happens that may wake it. */
  givenUp: boolean;
}

/** What the watch asks. */
export interface HandlerWatchWorld {
  /** Virtual time. */
  clock: Clock;
  /** How long an attempt may take, in milliseconds. */
  timeoutOf(id: string, run: number): number | undefined;
  /** How long a handler is waited for that waits for a file, a socket, a process …, in real milliseconds. */
  patienceMs: number;
}

/** How long a handler is waited for when nothing is seen that could wake it, in real milliseconds. */
const IDLE_PATIENCE_MS = 50;
/** For so long turns of the event loop follow each other without a rest, in real milliseconds. */
const SPIN_MS = 20;

/** Knows the handlers that run, and waits in real time for those that wait for something real. */
export class HandlerWatch {
  readonly #world: HandlerWatchWorld;
  readonly #running = new Set<Entry>();
  /** What was under way in this process before the first of the running handlers began. */
  #before: ReadonlyMap<string, number> = new Map();

  constructor(world: HandlerWatchWorld) {
    this.#world = world;
  }

  get running(): readonly RunningHandler[] {
    return [...this.#running];
  }

  /** Handlers that neither end nor were told to, and are not waited for any longer. */
  get stuck(): readonly StuckHandler[] {
    return [...this.#running]
      .filter(({ givenUp, signal }) => givenUp && !signal.aborted)
      .map((entry) => ({ ...entry, isBusy: entry.busyMs >= this.#world.patienceMs }));
  }

  /** The same type, its handler watched. It runs in this thread, whatever its isolation. */
  watched(definition: AnyJobDefinition): AnyJobDefinition {
    const { run } = definition;
    if (run === undefined) return definition;
    return { ...definition, isolation: 'inline', run: (context) => this.#watch(context, () => run(context)) };
  }

  /** Something happened that may wake any handler: they are waited for anew. */
  stir(): void {
    for (const entry of this.#running) hope(entry);
  }

  /**
   * Waits until every handler has ended or is given up.
   * @param settle lets what is under way in this process come to rest
   */
  async rest(settle: () => Promise<void>): Promise<void> {
    const beganMs = systemClock.monotonicMs();
    for (;;) {
      await settle();
      const waited = [...this.#running].filter(({ givenUp }) => !givenUp);
      if (waited.length === 0) return;
      const fromMs = systemClock.monotonicMs();
      const busy = this.#isBusy();
      if (fromMs - beganMs < SPIN_MS) await new Promise<void>(nextTurn);
      else await sleep(systemClock, 1);
      const spentMs = systemClock.monotonicMs() - fromMs;
      for (const entry of waited) this.#spend(entry, busy, spentMs);
    }
  }

  #spend(entry: Entry, busy: boolean, spentMs: number): void {
    if (busy) entry.busyMs += spentMs;
    else entry.idleMs += spentMs;
    entry.givenUp = entry.idleMs >= IDLE_PATIENCE_MS || entry.busyMs >= this.#world.patienceMs;
  }

  async #watch(context: HandlerContext, run: () => unknown): Promise<unknown> {
    const { job, signal } = context;
    if (this.#running.size === 0) this.#before = underWay();
    const timeoutMs = this.#world.timeoutOf(job.id, job.run);
    const deadlineMs = timeoutMs === undefined ? undefined : this.#world.clock.monotonicMs() + timeoutMs;
    const { type, id, attempt } = job;
    const entry: Entry = { type, id, attempt, signal, deadlineMs, idleMs: 0, busyMs: 0, givenUp: false };
    this.#running.add(entry);
    const aborted = (): void => hope(entry);
    signal.addEventListener('abort', aborted);
    try {
      return await run();
    } finally {
      signal.removeEventListener('abort', aborted);
      this.#running.delete(entry);
      this.stir();
    }
  }

  /** Whether this process has more under way than before the handlers began: files, sockets, real timers, processes. */
  #isBusy(): boolean {
    for (const [kind, count] of underWay()) if (count > (this.#before.get(kind) ?? 0)) return true;
    return false;
  }
}

function hope(entry: Entry): void {
  entry.givenUp = false;
  entry.idleMs = 0;
  entry.busyMs = 0;
}

/** What keeps this process's event loop busy, counted by kind. Immediates are turns of the loop itself. */
function underWay(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    if (kind !== 'Immediate') counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}
