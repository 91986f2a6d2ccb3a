import type { ClaimedJob } from '../../job/job.ts';
import type { AttemptRow } from '../attempt-row.ts';
import type { FirstRun } from '../first-run.ts';
import type { OutcomeReport } from '../job-store.ts';
import { EXECUTING } from './run-states.ts';

/** Beyond this many running jobs the rest is read from the table when it is settled. */
const KEPT_MAX = 20_000;

/** What jobs have in common that were stored alike and claimed together. */
export interface ClaimedAlike extends Omit<FirstRun, 'id' | 'seq'> {
  scheduledAt: number;
  worker: string;
}

/** What jobs like this one have in common, once a worker has claimed them. */
export function claimedAlike(job: ClaimedJob, { now, worker }: { now: number; worker: string }): ClaimedAlike {
  const { type, queue, maxAttempts, scheduledAt, insertedAt, schedule } = job;
  return { type, queue, maxAttempts, attemptedAt: now, insertedAt, schedule, scheduledAt, worker };
}

/** A job in its first run: its place, which no later job with its id has, and what it is. */
export interface KeptRun {
  readonly seq: number;
  readonly alike: ClaimedAlike;
}

/**
 * Jobs in their first run, as the claim left them, so that a settlement need not read them (2.5 µs of a job's 20). That is
 * sound because this process owns the store alone and every way out of `executing` goes through `AttemptEnd`, which forgets
 * them here; what else is written while a job runs (progress, a missed beat) decides nothing.
 */
export class FirstRuns {
  readonly #runs = new Map<string, KeptRun>();

  /** Notes where a job is that was just claimed, and to which nothing had happened before. */
  keep(id: string, seq: number, alike: ClaimedAlike): void {
    if (this.#runs.size < KEPT_MAX) this.#runs.set(id, { seq, alike });
  }

  has(id: string): boolean {
    return this.#runs.has(id);
  }

  /**
   * The job that a report of its worker's is about; undefined: it is not known, or another one is meant. Whether the report is
   * of the first run is for the caller to know.
   */
  of({ id, insertedAt }: OutcomeReport, worker: string): KeptRun | undefined {
    const run = this.#runs.get(id);
    const isIts = run?.alike.worker === worker && (insertedAt === undefined || insertedAt === run.alike.insertedAt);
    return isIts ? run : undefined;
  }

  /** The row of a job in its first run. */
  rowOf(id: string): AttemptRow | undefined {
    const kept = this.#runs.get(id);
    if (kept === undefined) return undefined;
    return {
      ...kept.alike,
      seq: kept.seq,
      id,
      state: EXECUTING,
      attempt: 1,
      run: 1,
      finishedAt: null,
      backoff: null,
      errors: [],
      result: null,
      settledRun: null,
      settledAs: null,
      missedAt: null,
      terminate: null,
    };
  }

  forget(id: string): void {
    this.#runs.delete(id);
  }

  /** The group was rolled back: what was claimed in it runs no more, and what ended in it runs on. */
  drop(): void {
    this.#runs.clear();
  }
}
