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
}

/** The legal transitions, word for word the table of the design, section 5, without update and retry by hand. */
const LEGAL: Record<JobState, readonly JobState[]> = {
  scheduled: ['available', 'cancelled'],
  available: ['executing', 'cancelled'],
  executing: ['completed', 'retryable', 'discarded', 'scheduled', 'cancelled', 'available'],
  retryable: ['available', 'cancelled'],
  completed: [],
  cancelled: [],
  discarded: [],
};

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
  }

  claimable(limit: number): ModelJob[] {
    return [...this.jobs.values()]
      .filter(({ state }) => state === 'available')
      .sort((a, b) => a.priority - b.priority || a.scheduledAt - b.scheduledAt)
      .slice(0, limit);
  }

  claim(job: ModelJob, worker: string): void {
    this.move(job, 'executing');
    Object.assign(job, { attempt: job.attempt + 1, run: job.run + 1, worker, attemptedAt: this.now });
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
