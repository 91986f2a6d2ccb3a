import type { NewJob } from '../job/job.ts';
import type { ScheduleDeclaration } from '../scheduler/schedule.ts';

/** A schedule as the store keeps it. Times are milliseconds since the epoch. */
export interface ScheduleRecord {
  name: string;
  source: 'config' | 'runtime';
  /** Spec, zone, policies and the job it makes: everything that was declared, as checked. */
  declaration: ScheduleDeclaration;
  /** Text that differs when the declaration does; what a change in the config is recognised by. */
  fingerprint: string;
  /** Where `every` counts from. */
  anchorAt: number;
  /** The newest nominal time that was dealt with: ticks up to it are never looked at again. */
  cursorAt: number;
  /** The newest nominal time that made a job, and that job. */
  lastAt: number | null;
  lastJobId: string | null;
  /** The last job's state, read along; never written. */
  lastState: string | null;
  /** How many ticks made a job. */
  runs: number;
  pausedBy: 'config' | 'operator' | null;
}

/** One schedule's cursor moved to `cursorAt`; `job` is what the tick at `nominalAt` makes, if anything. */
export interface TickRecord {
  schedule: string;
  cursorAt: number;
  nominalAt: number;
  job: NewJob | null;
}
