import type { Job, NewJob } from '../../src/job/job.ts';
import type { JobFact, JobFactName } from '../../src/job/job-event.ts';
import { type LifeEvent, nextState } from '../../src/job/life.ts';
import { isTerminal, type JobState } from '../../src/job/state.ts';
import type { Json } from '../../src/kernel/json.ts';
import type { StoreRequest } from '../../src/store/job-store.ts';
import { MAX_WAIT_MS, UNIQUE_TYPES } from './sim-jobs.ts';

/** What is known of one job by the facts that were committed. */
export interface KnownJob {
  id: string;
  type: string;
  queue: string;
  state: JobState;
  attempt: number;
  run: number;
  /** Tells it from a job with its id that was deleted. */
  insertedAt: number;
  maxAttempts: number;
  scheduledAt: number;
  schedule: string | null;
  /** Who claimed the last run. */
  worker: string | undefined;
  tenant: string | undefined;
  uniqueKey: string | undefined;
  /** After which it must not be started. */
  deadlineAt: number | undefined;
  /** The nominal time of the tick that it is of. */
  tickAt: number | undefined;
  /** How the attempts of each worker ended that were accepted, as `run worker outcome`. */
  accepted: Set<string>;
  deleted: boolean;
}

/** The life events that a fact may stand for. `inserted` and `deleted` are none. */
const EVENTS: Partial<Record<JobFactName, readonly LifeEvent[]>> = {
  started: ['claim'],
  completed: ['complete'],
  retryable: ['fail'],
  snoozed: ['snooze'],
  cancelled: ['cancel', 'expire'],
  discarded: ['fail', 'discard', 'rescue'],
  released: ['release'],
  rescued: ['rescue'],
  retried: ['retry'],
};

/** Facts that end a run. */
const ENDS: ReadonlySet<JobFactName> = new Set([
  'completed',
  'retryable',
  'snoozed',
  'discarded',
  'released',
  'rescued',
  'cancelled',
]);

/** Says what is wrong, in words, with the id of the job. */
export type Complain = (rule: string, about: string, words: string) => void;

/** Folds the facts in the order of their commits and checks that each follows from those before it. */
export class JobHistory {
  readonly jobs = new Map<string, KnownJob>();
  /** Facts that are ways into a terminal state, as `id run what`, in the order of their commits. */
  readonly ends = new Set<string>();
  readonly #complain: Complain;
  /** Which job each nominal time of a schedule made, and whether somebody asked for it by hand. */
  readonly #ticks = new Map<string, { id: string; byHand: boolean }>();
  readonly #keys = new Map<string, Set<string>>();
  readonly #executing = new Map<string, number>();
  #stagedUntil = Number.NEGATIVE_INFINITY;

  constructor(complain: Complain) {
    this.#complain = complain;
  }

  /** How many jobs execute, of a queue (`queue`) or of one tenant in it (`queue/tenant`). */
  executing(key: string): number {
    return this.#executing.get(key) ?? 0;
  }

  /** Jobs were made available that were due at this time. */
  staged(now: number): void {
    this.#stagedUntil = Math.max(this.#stagedUntil, now);
  }

  /** Takes one fact that a request made true. `wanted` is what the request wanted to insert, by id. */
  take(fact: JobFact, request: StoreRequest, wanted: ReadonlyMap<string, NewJob>): void {
    const job = this.jobs.get(fact.id);
    if (fact.what === 'inserted') this.#inserted(fact, request, wanted.get(fact.id));
    else if (job === undefined || job.deleted) {
      this.#complain('unknown job', fact.id, `"${fact.what}" of a job that is not there`);
    } else this.#goesOn(job, fact, request);
  }

  #goesOn(job: KnownJob, fact: JobFact, request: StoreRequest): void {
    if (fact.what === 'deleted') {
      if (job.state === 'executing') this.#complain('legal transitions', job.id, 'was deleted while it executed');
      job.deleted = true;
      return;
    }
    if (fact.what === 'progress' || fact.what === 'scheduled' || fact.what === 'updated') {
      // The rows are compared when the group is over; one group may move a job, stage it and give it to a claim.
      job.scheduledAt = fact.nextAt ?? job.scheduledAt;
      this.#move(job, fact.state);
      return;
    }
    this.#checkMove(job, fact);
    if (fact.what === 'retried' && (job.deadlineAt ?? 0) <= fact.at) job.deadlineAt = undefined;
    if (fact.what === 'started') this.#started(job, fact, request);
    else if (ENDS.has(fact.what) && job.state === 'executing') this.#ended(job, fact, request);
    job.attempt = fact.attempt;
    job.maxAttempts = fact.maxAttempts;
    this.#move(job, fact.state);
    if (isTerminal(fact.state)) this.ends.add(`${fact.id} ${fact.run} ${fact.what}`);
  }

  /** Compares the rows that were just written with what the facts say of them. */
  compare(rows: readonly Job[]): void {
    for (const row of rows) {
      const job = this.jobs.get(row.id);
      if (job === undefined || job.deleted) {
        this.#complain('none unexpected', row.id, 'is stored and no fact told of it');
        continue;
      }
      const silently = row.state === 'available' && (job.state === 'scheduled' || job.state === 'retryable');
      const [is, told] = [`${row.state} ${row.attempt} ${row.run}`, `${job.state} ${job.attempt} ${job.run}`];
      if (silently) this.#move(job, 'available');
      else if (is !== told) this.#complain('facts tell the truth', row.id, `is "${is}" and was told to be "${told}"`);
      job.scheduledAt = row.scheduledAt;
      if (row.type === 'settling' && row.state === 'scheduled') this.#checkWait(row);
    }
  }

  /** A job that is moved again and again waits no longer than it may. */
  #checkWait({ id, scheduledAt, insertedAt }: Job): void {
    const beyondMs = scheduledAt - insertedAt - MAX_WAIT_MS;
    if (beyondMs > 0) this.#complain('debounced until maxWait', id, `is due ${beyondMs} ms beyond its longest wait`);
  }

  #inserted(fact: JobFact, request: StoreRequest, wanted: NewJob | undefined): void {
    const { id } = fact;
    const before = this.jobs.get(id);
    if (before !== undefined && !before.deleted) this.#complain('one row per id', id, 'was inserted twice');
    const tick = fact.schedule && `${fact.schedule.name} at ${fact.schedule.at}`;
    if (tick !== undefined) this.#checkTick(id, tick, request.verb === 'runSchedules');
    const key = wanted && uniqueKeyOf(wanted);
    if (key !== undefined) this.#checkKey(id, key);
    this.jobs.set(id, {
      ...{ id, type: fact.type, queue: fact.queue, state: fact.state, attempt: 0, run: fact.run },
      ...{ maxAttempts: fact.maxAttempts, scheduledAt: fact.nextAt ?? fact.at, schedule: fact.schedule?.name ?? null },
      insertedAt: fact.at,
      ...{ worker: undefined, tenant: wanted && textArg(wanted.args, 'tenant'), uniqueKey: key },
      ...{ deadlineAt: wanted?.deadlineAt ?? undefined, tickAt: fact.schedule?.at },
      ...{ accepted: new Set<string>(), deleted: false },
    });
  }

  /** A tick makes one job ever. Who runs a schedule by hand in the same millisecond as before gets another one once that is deleted. */
  #checkTick(id: string, tick: string, byHand: boolean): void {
    const other = this.#ticks.get(tick);
    const isFree = other !== undefined && (byHand || other.byHand) && this.jobs.get(other.id)?.deleted === true;
    if (other !== undefined && other.id !== id && !isFree)
      this.#complain('one job per tick', id, `${tick} made ${other.id} before`);
    this.#ticks.set(tick, { id, byHand });
  }

  #checkKey(id: string, key: string): void {
    const holders = this.#keys.get(key) ?? new Set();
    this.#keys.set(key, holders.add(id));
    for (const other of holders) {
      const job = this.jobs.get(other);
      if (other !== id && job !== undefined && !job.deleted && !isTerminal(job.state)) {
        this.#complain('unique keys', id, `was inserted while ${other} (${job.state}) had the key ${key}`);
      }
    }
  }

  #checkMove(job: KnownJob, fact: JobFact): void {
    let from = job.state;
    // Time makes jobs available without a word; the row says so, or at the latest the claim.
    const waits = from === 'scheduled' || from === 'retryable';
    if (fact.what === 'started' && waits && job.scheduledAt <= this.#stagedUntil) from = 'available';
    const attemptsLeft = fact.attempt < fact.maxAttempts;
    const events = EVENTS[fact.what] ?? [];
    const legal = events.some((event) => nextState(from, event, attemptsLeft) === fact.state);
    if (!legal) this.#complain('legal transitions', job.id, `"${fact.what}" led from ${job.state} to ${fact.state}`);
  }

  #started(job: KnownJob, fact: JobFact, request: StoreRequest): void {
    if (fact.run !== job.run + 1) this.#complain('runs rise', job.id, `run ${fact.run} came after run ${job.run}`);
    if (fact.attempt !== job.attempt + 1) {
      this.#complain('attempts rise by one', job.id, `attempt ${fact.attempt} came after attempt ${job.attempt}`);
    }
    if (job.deadlineAt !== undefined && job.deadlineAt <= fact.at)
      this.#complain('not after its deadline', job.id, `was started ${fact.at - job.deadlineAt} ms after its deadline`);
    job.run = fact.run;
    job.worker = 'worker' in request ? request.worker : undefined;
  }

  #ended(job: KnownJob, fact: JobFact, request: StoreRequest): void {
    if (fact.run !== job.run)
      this.#complain('settled by its owner', job.id, `run ${fact.run} ended while ${job.run} ran`);
    if (request.verb === 'beat') {
      if (request.worker === job.worker) job.accepted.add(`${job.run} ${request.worker} release`);
      else this.#complain('settled by its owner', job.id, `a beat of ${request.worker} ended the run of ${job.worker}`);
    }
    if (request.verb !== 'settle') return;
    const report = request.outcomes.find(
      ({ id, run = job.run, insertedAt = job.insertedAt }) =>
        id === job.id && run === job.run && insertedAt === job.insertedAt,
    );
    if (request.worker !== job.worker || report === undefined) {
      this.#complain('settled by its owner', job.id, `${request.worker} settled run ${job.run} of ${job.worker}`);
    } else job.accepted.add(`${job.run} ${request.worker} ${report.outcome}`);
  }

  #move(job: KnownJob, to: JobState): void {
    const step = (by: number): void => {
      const keys = job.tenant === undefined ? [job.queue] : [job.queue, `${job.queue}/${job.tenant}`];
      for (const key of keys) this.#executing.set(key, this.executing(key) + by);
    };
    if (job.state !== 'executing' && to === 'executing') step(1);
    if (job.state === 'executing' && to !== 'executing') step(-1);
    job.state = to;
  }
}

/** The key under which the jobs of a unique type here are the same. */
function uniqueKeyOf({ type, queue, args }: NewJob): string | undefined {
  return UNIQUE_TYPES.includes(type) ? `${type}/${queue}/${textArg(args, 'key')}` : undefined;
}

function textArg(args: Json, name: string): string | undefined {
  const value = typeof args === 'object' && args !== null && !Array.isArray(args) ? args[name] : undefined;
  return typeof value === 'string' ? value : undefined;
}
