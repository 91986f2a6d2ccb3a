import { type JobFact, jobFact } from '../job/job-event.ts';
import type { Outcome } from '../job/outcome.ts';
import type { Settlement } from '../job/settlement.ts';
import type { AttemptRow } from './attempt-row.ts';

/** How and when a job's decision came about. */
export interface EndOptions {
  now: number;
  /** Takes the fact that this makes true, to be told after the commit. */
  tell: (fact: JobFact) => void;
  /** The outcome that the job's worker settled with; null when others decided (rescue, cancel): what it said stays. */
  as: Outcome['outcome'] | null;
  /** A cancel while it ran: whether its thread is to be killed. Left out: it was no such cancel. */
  terminate?: boolean;
}

/** Brings a row up to date with a settlement that is being written, and tells its fact. */
export function endRow(
  row: AttemptRow,
  settlement: Settlement,
  { now, as, tell }: Omit<EndOptions, 'terminate'>,
): void {
  const { state, attempt, scheduledAt, finishedAt, errors, result, fact } = settlement;
  row.state = state;
  row.attempt = attempt;
  row.scheduledAt = scheduledAt;
  row.finishedAt = finishedAt;
  row.errors = errors;
  row.result = result;
  row.missedAt = null;
  if (as !== null) {
    row.settledAs = as;
    row.settledRun = row.run;
  }
  tell(jobFact(fact.what, row, { ...fact.detail, at: now }));
}
