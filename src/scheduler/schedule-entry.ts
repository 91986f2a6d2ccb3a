import type { AnyJobDefinition } from '../job/definition.ts';
import type { JobReference } from '../job/job.ts';
import type { Priority } from '../job/limits.ts';
import { type BackoffPolicy, backoffWire } from '../job/retry-policy.ts';
import type { Duration } from '../kernel/duration.ts';
import type { Json } from '../kernel/json.ts';
import type { DstPolicy, MisfirePolicy, ScheduleDeclaration } from './schedule.ts';

/**
 * A point in time as people write it in a config. Text is RFC 3339 in UTC, numbers are milliseconds since the epoch.
 */
export type TimeInput = Date | string | number;

/**
 * The third argument of {@link cron}, {@link every} and {@link at}: fields of the job, then policies of the schedule.
 */
export interface ScheduleOptions {
  /** An object or an array; default `{}`. */
  args?: object;
  /** Default: the type's own. */
  queue?: string;
  priority?: Priority;
  maxAttempts?: number;
  backoff?: BackoffPolicy;
  timeout?: Duration;
  /** Each tick's job waits this much longer. */
  scheduleIn?: Duration;
  tags?: readonly string[];
  meta?: Record<string, Json>;
  reference?: JobReference;
  /** As in section 2 of the wire contract; default: the type's own. */
  unique?: object;
  /** How long each tick's job may wait for its start. */
  deadline?: Duration;
  /** An IANA zone; default: the config's. */
  timezone?: string;
  /** Default `allow`. */
  overlap?: ScheduleDeclaration['overlap'];
  /** Default `latest`; `max` 100 for `all`, `grace` 5 s. */
  misfire?: MisfirePolicy['policy'] | { policy: MisfirePolicy['policy']; max?: number; grace?: Duration };
  /** Default gap `next`, repeat `first`. */
  dst?: Partial<DstPolicy>;
  /** Default `either`. */
  dayMatch?: ScheduleDeclaration['dayMatch'];
  /** Each tick fires up to this much later, the same for the same tick. Default 0. */
  jitter?: Duration;
  /** Included. An `every` counts from here. */
  startAt?: TimeInput;
  /** Included. */
  endAt?: TimeInput;
  /** How many ticks make a job, at most. */
  maxRuns?: number;
  /** Default true. */
  enabled?: boolean;
}

/** A schedule as a config states it: unchecked, until the config is read. */
export interface ScheduleEntry {
  readonly kind: 'schedule';
  readonly spec: { readonly cron: string } | { readonly every: Duration } | { readonly at: TimeInput };
  /** What it runs: a definition, or the name of a type that is defined elsewhere. */
  readonly job: AnyJobDefinition | string;
  readonly options: ScheduleOptions;
}

/** A schedule by a cron expression: `cron('30 7 * * MON-FRI', report)`. Checked when the config is read. */
export function cron(expression: string, job: AnyJobDefinition | string, options: ScheduleOptions = {}): ScheduleEntry {
  return { kind: 'schedule', spec: { cron: expression }, job, options };
}

/** A schedule with a fixed period of at least a second, counted from its creation or `startAt`: `every('5m', sync)`. */
export function every(period: Duration, job: AnyJobDefinition | string, options: ScheduleOptions = {}): ScheduleEntry {
  return { kind: 'schedule', spec: { every: period }, job, options };
}

/** A schedule that fires once: `at('2027-01-01T00:00:00Z', greet)`. */
export function at(time: TimeInput, job: AnyJobDefinition | string, options: ScheduleOptions = {}): ScheduleEntry {
  return { kind: 'schedule', spec: { at: time }, job, options };
}

/** Whether a value of a config is what {@link cron}, {@link every} and {@link at} make. */
export function isScheduleEntry(value: unknown): value is ScheduleEntry {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'schedule';
}

/** The options that belong to the schedule; all others belong to its job. */
const POLICY_KEYS = new Set<string>([
  'timezone',
  'overlap',
  'misfire',
  'dst',
  'dayMatch',
  'jitter',
  'startAt',
  'endAt',
  'maxRuns',
  'enabled',
] satisfies (keyof ScheduleOptions)[]);

/** An entry in the wire form of `put` without its name, as unchecked as it was; unknown options land with the job. */
export function entryWire(entry: ScheduleEntry): Record<string, unknown> {
  const given = Object.entries(entry.options).filter(([, value]) => value !== undefined);
  // Not by assignments, for one to `__proto__` would lose the option that is to be refused.
  const policies: Record<string, unknown> = Object.fromEntries(given.filter(([key]) => POLICY_KEYS.has(key)));
  const job: Record<string, unknown> = {
    ...(typeof entry.job === 'string' ? { type: entry.job } : { type: entry.job.type, queue: entry.job.queue }),
    ...Object.fromEntries(given.filter(([key]) => !POLICY_KEYS.has(key))),
  };
  for (const key of ['startAt', 'endAt']) if (key in policies) policies[key] = timeWire(policies[key]);
  if ('backoff' in job) job.backoff = backoffWire(job.backoff);
  const spec = 'at' in entry.spec ? { at: timeWire(entry.spec.at) } : entry.spec;
  return { spec, ...policies, job };
}

/** A time as wire text. What is no time stays as it is, for the check to refuse. */
function timeWire(value: unknown): unknown {
  const date = typeof value === 'number' ? new Date(value) : value;
  if (!(date instanceof Date)) return value;
  return Number.isNaN(date.getTime()) ? 'an invalid Date' : date.toISOString();
}
