import type { NewJob } from '../job/job.ts';
import type { InsertResult } from './job-store.ts';
import type {
  ScheduleChange,
  ScheduleChangeResult,
  ScheduleRecord,
  TickRecord,
  TickResult,
} from './schedule-record.ts';

/** The verbs about schedules and their ticks. */
export interface ScheduleVerbs {
  /** Schedules by name: those named, else a page of those after a name, of at most `bytesMax` of JSON (one always is). */
  schedules: {
    options: { names?: readonly string[]; after?: string; limit?: number; bytesMax?: number };
    answer: { schedules: ScheduleRecord[]; more: boolean };
  };
  /**
   * What changed after a revision (-1: everything), by revision. `count` is how many schedules there are, to notice
   * removed ones by; `syncedTerm` the last leader's term that laid its config beside them (0: none yet).
   */
  scheduleChanges: {
    options: { after: number; bytesMax?: number };
    answer: { changed: ScheduleRecord[]; more: boolean; revision: number; count: number; syncedTerm: number };
  };
  /**
   * Adds, changes and removes schedules, each only if it is still as it was decided on. With `term`, refused as
   * `conflict` when that is not the leader's; `synced` marks that all of its config is in.
   */
  changeSchedules: {
    options: { now: number; term?: number; synced?: boolean; changes: readonly ScheduleChange[] };
    answer: ScheduleChangeResult[];
  };
  /**
   * Records what was decided about due ticks: cursors, jobs and what was cancelled for them, in one transaction. A job
   * is unique on (schedule, nominal time). Refused as `conflict` when `term` is not the leader's.
   */
  tick: { options: { now: number; term: number; ticks: readonly TickRecord[] }; answer: TickResult[] };
  /**
   * Records the ticks that a program's start has, once per `instance`, whoever leads. `done` is false where one was
   * stale: ask again. Repeats record nothing.
   */
  reboot: {
    options: { now: number; instance: string; ticks: readonly TickRecord[] };
    answer: { done: boolean; results: TickResult[] };
  };
  /**
   * Stores jobs that schedules were asked for by hand; their nominal time is in `schedule`. A job that is there already,
   * by id, nominal time or unique key, answers that one as a conflict; null: there is no such schedule.
   */
  runSchedules: { options: { now: number; jobs: readonly NewJob[] }; answer: (InsertResult | null)[] };
}
