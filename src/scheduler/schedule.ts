import type { JobRequest } from '../job/job-request.ts';

/** When a schedule fires. Durations and times are milliseconds. */
export type ScheduleSpec = { cron: string } | { every: number } | { at: number };

/** What happens to ticks that were missed while nobody ran. `grace` in milliseconds: later than that is missed. */
export interface MisfirePolicy {
  policy: 'latest' | 'skip' | 'all';
  /** `all` takes at most this many, the newest. */
  max: number;
  graceMs: number;
}

/** What happens to wall times that a change of the clocks skips (gap) or has twice (repeat). */
export interface DstPolicy {
  gap: 'next' | 'skip';
  repeat: 'first' | 'second' | 'both';
}

/** A whole schedule as declared: checked, with every default filled in. */
export interface ScheduleDeclaration {
  spec: ScheduleSpec;
  /** An IANA zone. */
  timezone: string;
  job: JobRequest & { queue: string };
  overlap: 'allow' | 'skip' | 'cancel_running';
  misfire: MisfirePolicy;
  dst: DstPolicy;
  dayMatch: 'either' | 'both';
  jitterMs: number;
  startAt: number | null;
  endAt: number | null;
  maxRuns: number | null;
  enabled: boolean;
}

/** The policies of a schedule that says nothing of its own. */
export const SCHEDULE_DEFAULTS = {
  timezone: 'UTC',
  overlap: 'allow',
  misfire: { policy: 'latest', max: 100, graceMs: 5_000 },
  dst: { gap: 'next', repeat: 'first' },
  dayMatch: 'either',
  jitterMs: 0,
  startAt: null,
  endAt: null,
  maxRuns: null,
  enabled: true,
} as const satisfies Omit<ScheduleDeclaration, 'spec' | 'job'>;

/** A schedule as a config declares it. */
export interface DeclaredSchedule {
  name: string;
  declaration: ScheduleDeclaration;
}
