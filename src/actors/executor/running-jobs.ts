import type { AnyJobDefinition, EnqueueFunction, HandlerJob, Services } from '../../job/definition.ts';
import type { Outcome } from '../../job/outcome.ts';
import { type Clock, parseTime } from '../../kernel/clock.ts';
import type { Json } from '../../kernel/json.ts';
import type { Logger } from '../../kernel/log.ts';
import type { OutcomeReport, RunRef } from '../../store/job-store.ts';
import type { AttemptHosts, RunningAttempt } from './attempt.ts';
import { LazyLogger } from './lazy-logger.ts';
import type { ClaimedWork } from './messages.ts';

/** What the abort signal of a handler carries as its reason. */
export type AbortReason = 'cancelled' | 'lost' | 'timeout' | 'stopping';

/** What running jobs need, and who is told of them. */
export interface RunningJobsWorld {
  clock: Clock;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  services: Services;
  enqueue: EnqueueFunction;
  log: Logger;
  /** Where handlers run, by what their types ask for. */
  hosts: AttemptHosts;
  /** An attempt has ended and its job is still ours: settle it. */
  onOutcome(report: OutcomeReport): void;
  /** Sends a job's progress on its way. */
  onProgress(ref: Required<RunRef>, progress: Json): void;
  /** A slot became free. */
  onFree(): void;
}

interface Entry {
  work: ClaimedWork;
  ref: Required<RunRef>;
  abort: AbortController;
  /** Undefined: there is no handler for it. */
  running: RunningAttempt | undefined;
  /** The job is not ours any more: what the handler returns is of no interest. */
  disowned: boolean;
  /** Its outcome is on the way to the store. */
  reported: boolean;
  /** The store has confirmed or refused the outcome. */
  settled: boolean;
  /** A beat has left it out because its outcome was on the way. */
  skippedOnce: boolean;
  /** The handler has really returned. */
  returned: boolean;
}

/**
 * The attempts that run in this process. A slot is taken until the handler has really returned and its outcome is
 * settled, so that neither a deaf handler nor a store that is away lets more run than the limit.
 */
export class RunningJobs {
  readonly #world: RunningJobsWorld;
  /** The last run of each job that is here, by the job's id: only it can still be open. */
  readonly #lastRuns = new Map<string, Entry>();
  /** Earlier runs of jobs that are here again: a deaf handler, or an outcome on its way, is another attempt. */
  readonly #earlierRuns = new Set<Entry>();
  /** Those who wait until no attempt is open. */
  #quieted: (() => void)[] = [];

  constructor(world: RunningJobsWorld) {
    this.#world = world;
  }

  /** Slots that are taken. */
  get busy(): number {
    return this.#lastRuns.size + this.#earlierRuns.size;
  }

  /**
   * What a beat lists: every attempt that is ours and not settled. One whose outcome went out since the beat before is
   * left out once, for it is most likely settled by now; a store that is slow is told of it by the next beat.
   */
  refs(): Required<RunRef>[] {
    const listed: Required<RunRef>[] = [];
    for (const entry of this.#all()) {
      if (entry.disowned || entry.settled) continue;
      if (!entry.reported || entry.skippedOnce) listed.push(entry.ref);
      else entry.skippedOnce = true;
    }
    return listed;
  }

  /**
   * Starts a claimed job. One that runs already, the same (id, run), is not started again. A run before it that is
   * still open here was taken from us without our hearing of it; so was one of a job with its id that was deleted.
   */
  start(work: ClaimedWork): void {
    const ref = refOf(work);
    if (this.#entryOf(ref) !== undefined) return;
    const earlier = this.#lastRuns.get(work.id);
    if (earlier !== undefined) this.#overtake(earlier);
    const definition = this.#world.definitions.get(work.type);
    const entry: Entry = {
      work,
      ref,
      abort: new AbortController(),
      running: undefined,
      disowned: false,
      reported: false,
      settled: false,
      skippedOnce: false,
      returned: false,
    };
    this.#lastRuns.set(work.id, entry);
    if (definition?.run === undefined) {
      entry.returned = true;
      this.#report(entry, { outcome: 'release' });
      return;
    }
    entry.running = this.#world.hosts[definition.isolation].run({
      definition,
      context: this.#context(entry),
      attempt: work.attempt,
      timeoutMs: work.timeout,
      clock: this.#world.clock,
      onTimeout: () => entry.abort.abort('timeout' satisfies AbortReason),
    });
    const { outcome, ended } = entry.running;
    const report = (how: Outcome): void => this.#report(entry, isGivenUp(entry, how) ? { outcome: 'release' } : how);
    const returned = (): void => {
      entry.returned = true;
      this.#freeIfDone(entry);
    };
    if (ended === outcome) {
      outcome.then((how) => {
        report(how);
        returned();
      });
    } else {
      outcome.then(report);
      ended.then(returned);
    }
  }

  /** The store has dealt with these outcomes. */
  confirm(reports: readonly OutcomeReport[]): void {
    for (const report of reports) {
      const entry = this.#entryOf(report);
      if (entry === undefined) continue;
      const { id, outcome } = report;
      entry.settled = true;
      if (!entry.returned && entry.running?.terminate === undefined && outcome !== 'release') {
        const { type } = entry.work;
        this.#world.log.warn({ job: id, type }, 'the handler is deaf to its signal: it runs on and keeps its slot');
      }
      this.#freeIfDone(entry);
    }
  }

  /** How many slots are free once the store has dealt with these outcomes. */
  freedBy(reports: readonly OutcomeReport[]): number {
    let freed = 0;
    for (const report of reports) if (this.#entryOf(report)?.returned === true) freed += 1;
    return freed;
  }

  /** The job is not ours any more: its handler's signal aborts and what it returns is dropped. */
  disown(ref: Omit<RunRef, 'attempt'>, reason: Extract<AbortReason, 'cancelled' | 'lost'>): void {
    const entry = this.#entryOf(ref);
    if (entry === undefined || entry.disowned || entry.reported) return;
    entry.disowned = true;
    entry.abort.abort(reason);
    this.#closed();
    this.#freeIfDone(entry);
  }

  /** A cancelled job whose handler is not given the time to return, where it runs in a thread or process. */
  terminate(ref: Omit<RunRef, 'attempt'>): void {
    this.disown(ref, 'cancelled');
    this.#entryOf(ref)?.running?.terminate?.();
  }

  /** Aborts every signal; what the handlers return still counts. */
  abortAll(): void {
    for (const { abort } of this.#all()) abort.abort('stopping' satisfies AbortReason);
  }

  /** Resolves when no attempt is open, that is without an outcome. */
  async quiet(): Promise<void> {
    if (this.#open().length > 0) await new Promise<void>((resolve) => this.#quieted.push(resolve));
  }

  /** Hands back what is still open, deaf handlers at a stop, and ends those by force that can be. */
  releaseOpen(): void {
    for (const entry of this.#open()) {
      const end = entry.running?.terminate;
      const fate = end === undefined ? 'is left behind' : 'is ended by force';
      this.#world.log.warn(
        { job: entry.work.id, type: entry.work.type },
        `a deaf handler ${fate}; its job is released`,
      );
      this.#report(entry, { outcome: 'release' });
      end?.();
    }
  }

  /** Aborts everything, by force where that can be, and forgets it: nothing more is reported. */
  abandon(): void {
    for (const entry of this.#all()) entry.disowned = true;
    this.abortAll();
    for (const { running } of this.#all()) running?.terminate?.();
    this.#lastRuns.clear();
    this.#earlierRuns.clear();
    this.#closed();
  }

  #all(): Entry[] {
    return [...this.#earlierRuns, ...this.#lastRuns.values()];
  }

  /** By (id, run), and by the time of insertion where that is said: the id may have been another job's. */
  #entryOf({ id, run, insertedAt }: Omit<RunRef, 'attempt'>): Entry | undefined {
    const fits = ({ ref }: Entry): boolean =>
      ref.id === id && ref.run === run && (insertedAt === undefined || ref.insertedAt === insertedAt);
    const last = this.#lastRuns.get(id);
    if (last !== undefined && fits(last)) return last;
    return this.#earlierRuns.size === 0 ? undefined : [...this.#earlierRuns].find(fits);
  }

  /** A later run of its job has come: this one was taken from us. It stays until it is done. */
  #overtake(entry: Entry): void {
    this.disown(entry.ref, 'lost');
    if (this.#lastRuns.get(entry.work.id) === entry) this.#earlierRuns.add(entry);
  }

  #open(): Entry[] {
    return this.#all().filter(({ disowned, reported }) => !disowned && !reported);
  }

  /** An attempt is not open any more: those who wait until none is are told. */
  #closed(): void {
    if (this.#quieted.length === 0 || this.#open().length > 0) return;
    for (const resolve of this.#quieted.splice(0)) resolve();
  }

  #report(entry: Entry, outcome: Outcome): void {
    if (entry.disowned || entry.reported) return;
    entry.reported = true;
    this.#closed();
    const { id, type, schedule } = entry.work;
    // Periodic jobs are few and nobody waits for their answer, so the log tells how they ended.
    if (schedule !== null)
      this.#world.log.info({ job: id, type, schedule: schedule.name, outcome: outcome.outcome }, 'job ended');
    this.#world.onOutcome({ ...entry.ref, ...outcome });
  }

  #freeIfDone(entry: Entry): void {
    if (!entry.returned || !(entry.settled || entry.disowned)) return;
    const { id } = entry.work;
    const isHere = this.#lastRuns.get(id) === entry ? this.#lastRuns.delete(id) : this.#earlierRuns.delete(entry);
    if (isHere) this.#world.onFree();
  }

  #context(entry: Entry) {
    const { services, enqueue, log } = this.#world;
    const { work, ref } = entry;
    return {
      args: work.args,
      job: handlerJob(work),
      signal: entry.abort.signal,
      log: new LazyLogger(log, { job: work.id, type: work.type, attempt: work.attempt }),
      progress: (value: Json) => {
        if (!entry.disowned && !entry.reported) this.#world.onProgress(ref, value);
      },
      services,
      enqueue,
    };
  }
}

/** Which attempt a claim has brought. */
export const refOf = ({ id, attempt, run, insertedAt }: ClaimedWork): Required<RunRef> => ({
  ...{ id, attempt, run },
  insertedAt: msOf(insertedAt),
});

/** A handler that throws because the stop aborted it has not failed: its attempt is handed back. */
const isGivenUp = ({ abort }: Entry, how: Outcome): boolean =>
  abort.signal.reason === ('stopping' satisfies AbortReason) && how.outcome === 'fail' && how.error.kind === 'error';

/** Jobs that came together have their times in common. */
let lastRead = { text: '', ms: 0 };

function msOf(text: string): number {
  if (text !== lastRead.text) lastRead = { text, ms: parseTime(text) ?? 0 };
  return lastRead.ms;
}

function handlerJob(work: ClaimedWork): HandlerJob {
  const { id, type, queue, attempt, maxAttempts, run, priority, tags, meta, reference, schedule, traceparent } = work;
  return {
    ...{ id, type, queue, attempt, maxAttempts, run, priority, tags, meta, reference, traceparent },
    scheduledAt: msOf(work.scheduledAt),
    insertedAt: msOf(work.insertedAt),
    schedule: schedule && { ...schedule, at: msOf(schedule.at) },
  };
}
