import type { ClaimedJob } from '../../job/job.ts';
import type { AttemptRow } from '../attempt-row.ts';
import type { FirstRun } from '../first-run.ts';
import type { OutcomeReport } from '../job-store.ts';

/** Beyond this many running jobs the rest is read from the table when it is settled. */
const KEPT_MAX = 20_000;

/** A first run with what else its row says. */
interface KeptRun extends FirstRun {
  scheduledAt: number;
  worker: string;
}

/**
 * Jobs in their first run, as the claim left them, so that a settlement need not read them (2.5 µs of a job's 20). That is
 * sound because this process owns the store alone and every way out of `executing` goes through `AttemptEnd`, which forgets
 * them here; what else is written while a job runs (progress, a missed beat) decides nothing.
 */
export class FirstRuns {
  readonly #runs = new Map<string, KeptRun>();

  /** Notes what a claim left of a job to which nothing had happened before. */
  keep(job: ClaimedJob, claimed: Pick<KeptRun, 'seq' | 'attemptedAt' | 'worker'>): void {
    if (this.#runs.size >= KEPT_MAX) return;
    const { id, type, queue, maxAttempts, scheduledAt, insertedAt, schedule } = job;
    const { seq, attemptedAt, worker } = claimed;
    const run = { id, seq, type, queue, maxAttempts, attemptedAt, insertedAt, schedule, scheduledAt, worker };
    this.#runs.set(id, run);
  }

  has(id: string): boolean {
    return this.#runs.has(id);
  }

  /** The run that a report of its worker's is about; undefined: it is not known, or another one is meant. */
  of({ id, insertedAt }: OutcomeReport, worker: string): FirstRun | undefined {
    const run = this.#runs.get(id);
    const isIts = run?.worker === worker && (insertedAt === undefined || insertedAt === run.insertedAt);
    return isIts ? run : undefined;
  }

  /** The row of a job in its first run. */
  rowOf(id: string): AttemptRow | undefined {
    const kept = this.#runs.get(id);
    if (kept === undefined) return undefined;
    const { seq, type, queue, maxAttempts, attemptedAt, insertedAt, schedule, scheduledAt, worker } = kept;
    return {
      ...{ seq, id, queue, type, state: 'executing', attempt: 1, maxAttempts, run: 1, scheduledAt, insertedAt },
      ...{ attemptedAt, finishedAt: null, worker, schedule, backoff: null, errors: [], result: null },
      ...{ settledRun: null, settledAs: null, missedAt: null, terminate: null },
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
