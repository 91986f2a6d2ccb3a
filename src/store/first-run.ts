import type { ClaimedJob, JobSchedule } from '../job/job.ts';
import { isBareCompletion } from '../job/outcome.ts';
import type { OutcomeReport } from './job-store.ts';

/** A job in its first run and attempt, as the claim left it; less than its row, for there may be thousands. */
export interface FirstRun {
  id: string;
  /** Its place, which no later job with its id has. */
  seq: number;
  type: string;
  queue: string;
  maxAttempts: number;
  /** Times are milliseconds since the epoch. */
  attemptedAt: number;
  insertedAt: number;
  schedule: JobSchedule | null;
}

/** What is kept of a job that was claimed for the first time. */
export function firstRun(job: ClaimedJob, { seq, attemptedAt }: Pick<FirstRun, 'seq' | 'attemptedAt'>): FirstRun {
  const { id, type, queue, maxAttempts, insertedAt, schedule } = job;
  return { id, seq, type, queue, maxAttempts, attemptedAt, insertedAt, schedule };
}

/** Whether a report is that a first run has completed, and nothing else. */
export const isPlainFirstRun = (report: OutcomeReport): boolean =>
  report.run === 1 && report.attempt === 1 && isBareCompletion(report);
