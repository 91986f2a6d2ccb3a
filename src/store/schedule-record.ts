import type { NewJob } from '../job/job.ts';
import type { ScheduleState } from '../scheduler/schedule-changes.ts';
import type { StoppedJob } from './change-verbs.ts';

/** Why a due tick made no job: by a policy (`overlap`, `maxRuns`, a misfire policy) or because its job is unique. */
export interface PassedTick {
  /** Its nominal time, in milliseconds since the epoch. */
  at: number;
  what: 'skipped' | 'missed';
  reason: string;
}

/** A schedule as the store keeps it. Times are milliseconds since the epoch. */
export interface ScheduleRecord extends ScheduleState {
  name: string;
  /** Rises over all schedules with each change that is no tick; what a change or a tick was decided on. */
  revision: number;
  /** The newest nominal time that made a job, and that job. */
  lastAt: number | null;
  lastJobId: string | null;
  /** The last job's state, read along; never written. */
  lastState: string | null;
  /** When it was last run by hand, and that job with its state. */
  ranAt: number | null;
  ranJobId: string | null;
  ranState: string | null;
  /** How many ticks made a job, were skipped, and were missed and not made up for. */
  runs: number;
  skipped: number;
  missed: number;
  /** The newest tick that made no job. */
  lastPassed: PassedTick | null;
}

/** One schedule as it shall be. */
export interface ScheduleChange {
  name: string;
  /** The revision that this was decided on; null: there was no such schedule. Another one makes the change stale. */
  revision: number | null;
  /** Null: it is removed. */
  state: ScheduleState | null;
}

/** What became of a change. A stale one changed nothing. */
export interface ScheduleChangeResult {
  stale: boolean;
  /** The schedule as it is now; null: there is none. */
  schedule: ScheduleRecord | null;
}

/** What was decided about the due ticks of one schedule; all of it is recorded, or nothing. */
export interface TickRecord {
  schedule: string;
  /** What this was decided on: the stored revision, runs and cursor. Others make the record stale. */
  revision: number;
  runs: number;
  cursorFrom: number;
  /** Where the cursor goes; never back. */
  cursorAt: number;
  /** The jobs of those ticks that fire, rising by their nominal time `schedule.at`. */
  jobs: readonly NewJob[];
  /** Cancel the schedule's last job before each of them. */
  cancelsRunning: boolean;
  /** How many ticks were skipped and missed. */
  skipped: number;
  missed: number;
  lastPassed: PassedTick | null;
}

/** What became of a {@link TickRecord}. */
export interface TickResult {
  /** The schedule has moved on, or is gone: nothing was recorded. */
  stale: boolean;
  /**
   * For each job: it is stored, its tick had one already, or another job with its unique key is there.
   */
  jobs: ('fired' | 'repeat' | 'unique')[];
  /** Running jobs that were cancelled for it, whose handlers must be told. */
  cancelled: StoppedJob[];
}
