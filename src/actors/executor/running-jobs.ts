import type { AnyJobDefinition, EnqueueFunction, Services } from '../../job/definition.ts';
import type { Outcome } from '../../job/outcome.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Json } from '../../kernel/json.ts';
import type { Logger } from '../../kernel/log.ts';
import type { OutcomeReport, RunRef } from '../../store/job-store.ts';
import type { AttemptHosts, RunningAttempt } from './attempt.ts';
import { handlerJob, msOf } from './handler-job.ts';
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
  /** The job's, in milliseconds: an id may have been another job's before. */
  insertedAt: number;
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
      if (!entry.reported || entry.skippedOnce) listed.push(refOf(entry.work));
      else entry.skippedOnce = true;
    }
    return listed;
  }

  /**
   * Starts a claimed job. One that runs already, the same (id, run), is not started again. A run before it that is
   * still open here was taken from us without our hearing of it; so was one of a job with its id that was deleted.
   */
  start(work: ClaimedWork): void {
    const insertedAt = msOf(work.insertedAt);
    if (this.#entryOf(work.id, work.run, insertedAt) !== undefined) return;
    const earlier = this.#lastRuns.get(work.id);
    if (earlier !== undefined) this.#overtake(earlier);
    const { definitions, hosts, clock } = this.#world;
    const definition = definitions.get(work.type);
    const entry: Entry = {
      work,
      insertedAt,
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
    const { attempt, timeout: timeoutMs } = work;
    const onTimeout = timeoutMs === null ? NEVER : timeOut(entry);
    const context = this.#context(entry);
    this.#follow(entry, hosts[definition.isolation].run({ definition, context, attempt, timeoutMs, clock, onTimeout }));
  }

  #follow(entry: Entry, running: RunningAttempt): void {
    const { outcome, ended } = running;
    entry.running = running;
    if (ended === outcome) {
      outcome.then((how) => {
        this.#ended(entry, how);
        this.#returned(entry);
      });
    } else {
      outcome.then((how) => this.#ended(entry, how));
      ended.then(() => this.#returned(entry));
    }
  }

  #ended(entry: Entry, how: Outcome): void {
    this.#report(entry, isGivenUp(entry, how) ? { outcome: 'release' } : how);
  }

  #returned(entry: Entry): void {
    entry.returned = true;
    this.#freeIfDone(entry);
  }

  /** The store has dealt with these outcomes. */
  confirm(reports: readonly OutcomeReport[]): void {
    for (const { id, run, insertedAt, outcome } of reports) {
      const entry = this.#entryOf(id, run, insertedAt);
      if (entry === undefined) continue;
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
    for (const { id, run, insertedAt } of reports) {
      if (this.#entryOf(id, run, insertedAt)?.returned === true) freed += 1;
    }
    return freed;
  }

  /** The job is not ours any more: its handler's signal aborts and what it returns is dropped. */
  disown(ref: Omit<RunRef, 'attempt'>, reason: Extract<AbortReason, 'cancelled' | 'lost'>): void {
    this.#disown(this.#entryOf(ref.id, ref.run, ref.insertedAt), reason);
  }

  #disown(entry: Entry | undefined, reason: AbortReason): void {
    if (entry === undefined || entry.disowned || entry.reported) return;
    entry.disowned = true;
    entry.abort.abort(reason);
    this.#closed();
    this.#freeIfDone(entry);
  }

  /** A cancelled job whose handler is not given the time to return, where it runs in a thread or process. */
  terminate(ref: Omit<RunRef, 'attempt'>): void {
    this.disown(ref, 'cancelled');
    this.#entryOf(ref.id, ref.run, ref.insertedAt)?.running?.terminate?.();
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
  #entryOf(id: string, run: number | undefined, insertedAt: number | undefined): Entry | undefined {
    const last = this.#lastRuns.get(id);
    if (last !== undefined && isRun(last, run, insertedAt)) return last;
    for (const entry of this.#earlierRuns) if (entry.work.id === id && isRun(entry, run, insertedAt)) return entry;
    return undefined;
  }

  /** A later run of its job has come: this one was taken from us. It stays until it is done. */
  #overtake(entry: Entry): void {
    this.#disown(entry, 'lost');
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
    const { id, type, attempt, run, schedule } = entry.work;
    // Periodic jobs are few and nobody waits for their answer, so the log tells how they ended.
    if (schedule !== null)
      this.#world.log.info({ job: id, type, schedule: schedule.name, outcome: outcome.outcome }, 'job ended');
    this.#world.onOutcome({ ...outcome, id, attempt, run, insertedAt: entry.insertedAt });
  }

  #freeIfDone(entry: Entry): void {
    if (!entry.returned || !(entry.settled || entry.disowned)) return;
    const { id } = entry.work;
    const isHere = this.#lastRuns.get(id) === entry ? this.#lastRuns.delete(id) : this.#earlierRuns.delete(entry);
    if (isHere) this.#world.onFree();
  }

  #context(entry: Entry) {
    const { services, enqueue, log } = this.#world;
    const { work } = entry;
    return {
      args: work.args,
      job: handlerJob(work),
      signal: entry.abort.signal,
      log: new LazyLogger(log, work),
      progress: (value: Json) => {
        if (!entry.disowned && !entry.reported) this.#world.onProgress(refOf(work), value);
      },
      services,
      enqueue,
    };
  }
}

/** Which attempt a claim has brought. */
export const refOf = ({ id, attempt, run, insertedAt }: ClaimedWork): Required<RunRef> => {
  return { id, attempt, run, insertedAt: msOf(insertedAt) };
};

const NEVER = (): void => {};
const timeOut = (entry: Entry) => (): void => entry.abort.abort('timeout' satisfies AbortReason);

const isRun = (entry: Entry, run: number | undefined, insertedAt: number | undefined): boolean =>
  entry.work.run === run && (insertedAt === undefined || entry.insertedAt === insertedAt);

/** A handler that throws because the stop aborted it has not failed: its attempt is handed back. */
const isGivenUp = ({ abort }: Entry, how: Outcome): boolean =>
  abort.signal.reason === ('stopping' satisfies AbortReason) && how.outcome === 'fail' && how.error.kind === 'error';
