import { expect } from 'vitest';
import type { JobState } from '../../src/job/state.ts';
import { assert } from '../../src/kernel/error.ts';
import { T0 } from '../conformance/store/store-driver.ts';

export const BEAT_MS = 5_000;
export const LEASE_MS = 30_000;

/** How an attempt may end in the model. */
export type ModelOutcome = 'complete' | 'fail' | 'snooze' | 'cancel' | 'discard' | 'release';

/** One claim of one job: what a worker keeps and settles with, also when it is long stale. */
export interface ModelRun {
  id: string;
  worker: string;
  run: number;
  attempt: number;
  /** The outcome that was accepted. */
  settledAs?: ModelOutcome;
}

/** What the rules say about one job; much smaller than a row. */
export interface ModelJob {
  id: string;
  state: JobState;
  attempt: number;
  maxAttempts: number;
  run: number;
  priority: number;
  scheduledAt: number;
  worker: string | null;
  attemptedAt: number;
  missedAt: number | null;
  /** Set when it was cancelled while it ran. */
  terminate: boolean | null;
  errors: number;
  insertedAt: number;
  deadlineAt: number | null;
  /** The unique key it was inserted with. */
  key: string | null;
}

/** The legal transitions, word for word the table of the design, section 5. */
const LEGAL: Record<JobState, readonly JobState[]> = {
  scheduled: ['available', 'cancelled', 'scheduled'],
  available: ['executing', 'cancelled', 'scheduled'],
  executing: ['completed', 'retryable', 'discarded', 'scheduled', 'cancelled', 'available'],
  retryable: ['available', 'cancelled', 'scheduled'],
  completed: ['available'],
  cancelled: ['available'],
  discarded: ['available'],
};

const TERMINAL: readonly JobState[] = ['completed', 'cancelled', 'discarded'];

/** Where each outcome leads while attempts are left. */
const ENDS: Record<ModelOutcome, JobState> = {
  complete: 'completed',
  fail: 'retryable',
  snooze: 'scheduled',
  cancel: 'cancelled',
  discard: 'discarded',
  release: 'available',
};

/** The life of jobs by the rules alone: what the store must agree with after every command. */
export class LifeModel {
  now = T0;
  /** In order of insertion. */
  readonly jobs = new Map<string, ModelJob>();
  readonly runs: ModelRun[] = [];
  readonly seenAt = new Map<string, number>();
  /** Every end of a job, which must be told, also when the job is retried or deleted later. */
  readonly ends: string[] = [];

  job(id: string): ModelJob {
    const job = this.jobs.get(id);
    assert(job !== undefined, `the model knows ${id}`);
    return job;
  }

  /** Moves a job; an illegal move is a fault of the model or of the rules. */
  move(job: ModelJob, to: JobState): void {
    expect(LEGAL[job.state], `${job.state} to ${to}`).toContain(to);
    job.state = to;
    job.missedAt = null;
    if (TERMINAL.includes(to)) this.ends.push(`${job.id} ${to}`);
  }

  /** The newest living job with a unique key; of each state only the newest is asked for its age. */
  holder(key: string, withinMs: number): ModelJob | undefined {
    const holders = [...this.jobs.values()].filter((job) => job.key === key && !TERMINAL.includes(job.state));
    const newest = holders.filter((job) => holders.findLast(({ state }) => state === job.state) === job);
    return newest.findLast(({ insertedAt }) => this.now - insertedAt < withinMs);
  }

  /** Gives a waiting job a time. */
  moveTo(job: ModelJob, scheduledAt: number): void {
    const later = scheduledAt > this.now;
    if (later || job.state !== 'available') this.move(job, later ? 'scheduled' : 'available');
    job.scheduledAt = scheduledAt;
  }

  /** What can be said of a job by hand, while nobody runs it. */
  waits({ state }: ModelJob): boolean {
    return state !== 'executing' && !TERMINAL.includes(state);
  }

  retry(job: ModelJob): boolean {
    if (job.state === 'available' || job.state === 'executing') return false;
    this.move(job, 'available');
    job.scheduledAt = this.now;
    job.maxAttempts = Math.max(job.maxAttempts, job.attempt + 1);
    if (job.deadlineAt !== null && job.deadlineAt <= this.now) job.deadlineAt = null;
    return true;
  }

  /** A deleted job is gone, and so is every run of it. */
  forget(job: ModelJob): void {
    this.jobs.delete(job.id);
    for (let at = this.runs.length - 1; at >= 0; at--) if (this.runs[at]?.id === job.id) this.runs.splice(at, 1);
  }

  /** Does to a job what a verb on many does; false when its state does not allow it. */
  sweep(job: ModelJob, action: 'cancel' | 'retry' | 'delete'): boolean {
    if (action === 'retry') return this.retry(job);
    if (action === 'delete') {
      if (job.state === 'executing') return false;
      this.forget(job);
      return true;
    }
    if (TERMINAL.includes(job.state)) return false;
    if (job.state === 'executing') Object.assign(job, { errors: job.errors + 1, terminate: false });
    this.move(job, 'cancelled');
    return true;
  }

  claimable(limit: number): ModelJob[] {
    return [...this.jobs.values()]
      .filter(({ state, deadlineAt }) => state === 'available' && (deadlineAt === null || deadlineAt > this.now))
      .sort((a, b) => a.priority - b.priority || a.scheduledAt - b.scheduledAt)
      .slice(0, limit);
  }

  claim(job: ModelJob, worker: string): void {
    this.move(job, 'executing');
    Object.assign(job, { attempt: job.attempt + 1, run: job.run + 1, worker, attemptedAt: this.now, terminate: null });
    this.runs.push({ id: job.id, worker, run: job.run, attempt: job.attempt });
  }

  /** The run that a job's row speaks of; there is one once it was claimed. */
  lastRun(job: ModelJob): ModelRun | undefined {
    return this.runs.find(({ id, run }) => id === job.id && run === job.run);
  }

  /** Whether a worker still owns a run. */
  owns(ref: ModelRun, worker: string): boolean {
    const job = this.job(ref.id);
    return job.state === 'executing' && job.worker === worker && job.run === ref.run;
  }

  end(job: ModelJob, outcome: ModelOutcome): void {
    const run = this.lastRun(job);
    assert(run !== undefined && run.settledAs === undefined, 'a run is settled at most once');
    run.settledAs = outcome;
    const counted = outcome !== 'complete' && outcome !== 'snooze' && outcome !== 'release';
    if (counted) job.errors++;
    if (outcome === 'snooze' || outcome === 'release') job.attempt--;
    if (outcome === 'snooze') job.scheduledAt = this.now + 2_000;
    const next = outcome === 'fail' && job.attempt >= job.maxAttempts ? 'discarded' : ENDS[outcome];
    if (next === 'retryable') job.scheduledAt = this.now + 1_000;
    this.move(job, next);
  }

  rescue(job: ModelJob): void {
    job.errors++;
    const spent = job.attempt >= job.maxAttempts;
    if (!spent) job.scheduledAt = this.now;
    this.move(job, spent ? 'discarded' : 'available');
  }
}
