import { queueName } from '../job/job-fields.ts';
import { jobRequest } from '../job/job-request.ts';
import {
  at,
  boolean,
  type Check,
  duration,
  type Issues,
  integer,
  isRecord,
  object,
  oneOf,
  optional,
  string,
  time,
} from '../kernel/check.ts';
import { timeText } from '../kernel/clock.ts';
import { isToken, TOKEN_RULE } from '../kernel/identity.ts';
import { cronSchedule } from './cron-schedule.ts';
import { DECISIONS_MAX } from './due-ticks.ts';
import { firesAtReboot, nextOccurrence } from './occurrences.ts';
import {
  type DstPolicy,
  type MisfirePolicy,
  SCHEDULE_DEFAULTS,
  type ScheduleDeclaration,
  type ScheduleSpec,
} from './schedule.ts';
import { timeZone, zonesLike } from './time-zone.ts';

/** What a check of schedules needs to know of its surroundings. */
export interface ScheduleCheckOptions {
  /** For schedules that name no zone; default UTC. */
  timezone?: string;
  /** Given: an `at` that is not after it is refused. `put` gives it, unless the stored schedule has the same `at`. */
  now?: number;
  /** Whether a job type is known; left out, every type is. */
  knownType?: (type: string) => boolean;
  /** The queue of a type, for jobs that name none; default `default`. */
  queueOf?: (type: string) => string | undefined;
}

const MISFIRES = ['latest', 'skip', 'all'] as const;
const MISFIRE = SCHEDULE_DEFAULTS.misfire;
const EVERY_MS_MIN = 1_000;
const COUNT_MAX = 1_000;
/** Where it is tried out whether an expression ever fires in its zone, when no `startAt` says. */
const TRIAL_FROM = Date.UTC(2026, 0, 1);

const scheduleName = string({
  max: 64,
  accept: isToken,
  what: `the name of a schedule: ${TOKEN_RULE}`,
});

const zoneName: Check<string> = (value, path, issues) => {
  if (typeof value !== 'string') return issues.add(path, 'must be a time zone like "Europe/Berlin" or "UTC"');
  if (timeZone(value) !== undefined) return value;
  const near = zonesLike(value).map((name) => `"${name}"`);
  const hint =
    near.length > 0 ? `did you mean ${near.join(' or ')}?` : 'use an IANA name like "Europe/Berlin" or "UTC"';
  return issues.add(path, `is not a time zone that this Node knows; ${hint}`);
};

const misfireFields = object({
  policy: oneOf(MISFIRES),
  max: optional(integer(1, DECISIONS_MAX)),
  grace: optional(duration),
});
const misfire: Check<MisfirePolicy> = (value, path, issues) => {
  if (isRecord(value)) {
    const read = misfireFields(value, path, issues);
    return read && { policy: read.policy, max: read.max ?? MISFIRE.max, graceMs: read.grace ?? MISFIRE.graceMs };
  }
  const policy = MISFIRES.find((word) => word === value);
  if (policy !== undefined) return { ...MISFIRE, policy };
  return issues.add(path, 'must be "latest", "skip" or "all", or an object with a policy and max or grace');
};

const dstFields = object({
  gap: optional(oneOf(['next', 'skip'])),
  repeat: optional(oneOf(['first', 'second', 'both'])),
});
const dst: Check<DstPolicy> = (value, path, issues) => {
  const read = dstFields(value, path, issues);
  return read && { ...SCHEDULE_DEFAULTS.dst, ...read };
};

const dayMatch = oneOf(['either', 'both']);

/** A spec, checked down to the days that its expression matches; the day rule stands beside it in the same object. */
function specCheck(beside: unknown): Check<ScheduleSpec> {
  const rule = isRecord(beside) && beside.dayMatch === 'both' ? 'both' : 'either';
  const cron: Check<string> = (value, path, issues) => {
    if (typeof value !== 'string') return issues.add(path, 'must be a cron expression like "*/15 * * * *"');
    const read = cronSchedule(value, rule, (fault) => issues.add(path, fault));
    return read && value.trim();
  };
  const every: Check<number> = (value, path, issues) => {
    const ms = duration(value, path, issues);
    if (ms === undefined || ms >= EVERY_MS_MIN) return ms;
    return issues.add(path, 'must be at least 1 s');
  };
  const one = object({ cron: optional(cron), every: optional(every), at: optional(time) });
  return (value, path, issues) => {
    const before = issues.list.length;
    const { cron, every, at } = one(value, path, issues) ?? {};
    if (issues.list.length > before) return undefined;
    const given = [cron, every, at].filter((entry) => entry !== undefined);
    if (given.length !== 1) {
      return issues.add(path, 'must be one of {"cron": "…"}, {"every": "5m"} and {"at": "2026-01-31T10:00:00Z"}');
    }
    if (cron !== undefined) return { cron };
    return every === undefined ? { at: at ?? 0 } : { every };
  };
}

function jobCheck(options: ScheduleCheckOptions): Check<ScheduleDeclaration['job']> {
  return (value, path, issues) => {
    if (!isRecord(value)) return issues.add(path, 'must be an object with the type of the job');
    const { queue, id, scheduledAt, ...rest } = value;
    const before = issues.list.length;
    if (id !== undefined && id !== null) issues.add(at(path, 'id'), 'cannot be given: every tick makes its own job');
    if (scheduledAt !== undefined && scheduledAt !== null) {
      issues.add(at(path, 'scheduledAt'), 'cannot be given: the schedule says when');
    }
    const named = queue === undefined || queue === null ? undefined : queueName(queue, at(path, 'queue'), issues);
    const read = jobRequest(rest, path, issues);
    if (read !== undefined && options.knownType?.(read.type) === false) {
      issues.add(at(path, 'type'), `"${read.type}" is not a job type that is known here`);
    }
    if (read === undefined || issues.list.length > before) return undefined;
    return { ...read, queue: named ?? options.queueOf?.(read.type) ?? 'default' };
  };
}

const declarationFields = (value: unknown, options: ScheduleCheckOptions) => ({
  spec: specCheck(value),
  timezone: optional(zoneName),
  job: jobCheck(options),
  overlap: optional(oneOf(['allow', 'skip', 'cancel_running'])),
  misfire: optional(misfire),
  dst: optional(dst),
  dayMatch: optional(dayMatch),
  jitter: optional(duration),
  startAt: optional(time),
  endAt: optional(time),
  maxRuns: optional(integer(1, Number.MAX_SAFE_INTEGER)),
  enabled: optional(boolean),
});

/**
 * Checks a schedule in the wire form of `put`, without its name, and fills in every default. Entries of a config are
 * brought into that form first ({@link entryWire}).
 */
export function scheduleDeclaration(options: ScheduleCheckOptions = {}): Check<ScheduleDeclaration> {
  return (value, path, issues) => {
    const read = object(declarationFields(value, options))(value, path, issues);
    if (read === undefined) return undefined;
    const { jitter, timezone = options.timezone, ...fields } = read;
    const declaration: ScheduleDeclaration = {
      ...SCHEDULE_DEFAULTS,
      ...fields,
      timezone: timezone ?? SCHEDULE_DEFAULTS.timezone,
      jitterMs: jitter ?? SCHEDULE_DEFAULTS.jitterMs,
    };
    return checkTimes(declaration, { path, issues, now: options.now }) ? declaration : undefined;
  };
}

/** What is wrong only with several fields together. */
function checkTimes(
  declaration: ScheduleDeclaration,
  { path, issues, now }: { path: string; issues: Issues; now: number | undefined },
): boolean {
  const { spec, startAt, endAt } = declaration;
  const before = issues.list.length;
  if (startAt !== null && endAt !== null && endAt <= startAt) issues.add(at(path, 'endAt'), 'must be after startAt');
  else if ('at' in spec) {
    const field = at(at(path, 'spec'), 'at');
    if (startAt !== null && spec.at < startAt) issues.add(field, `is before startAt, ${timeText(startAt)}`);
    else if (endAt !== null && spec.at > endAt) issues.add(field, `is after endAt, ${timeText(endAt)}`);
    else if (now !== undefined && spec.at <= now) issues.add(field, `is past: it is ${timeText(now)}`);
  } else if (!firesAtReboot(declaration)) {
    const anchorAt = startAt ?? TRIAL_FROM;
    const trial = { ...declaration, anchorAt, endAt: startAt === null ? null : endAt };
    if (nextOccurrence(trial, anchorAt - 1) === undefined) {
      const why = trial.endAt === null ? 'with this time zone and dst policy' : 'between startAt and endAt';
      issues.add(at(path, 'spec'), `never fires ${why}`);
    }
  }
  return issues.list.length === before;
}

/** What replies say of a schedule beyond the fields of `put`; a `put` takes and ignores it. */
export const SCHEDULE_REPORT_FIELDS = [
  'source',
  'pausedBy',
  'endedAt',
  'nextAt',
  'lastAt',
  'lastJobId',
  'lastState',
  'runs',
  'skipped',
  'missed',
  'lastPassed',
] as const;

/** Checks the body of `put`: a name, the schedule's fields, and what replies add, so that an answer can be put back. */
export function schedulePut(
  options: ScheduleCheckOptions = {},
): Check<{ name: string; declaration: ScheduleDeclaration }> {
  const check = scheduleDeclaration(options);
  const own = object({ name: scheduleName });
  return (value, path, issues) => {
    if (!isRecord(value)) return issues.add(path, 'must be an object');
    const { name, ...rest } = value;
    for (const key of SCHEDULE_REPORT_FIELDS) delete rest[key];
    const read = own(name === undefined ? {} : { name }, path, issues);
    const declaration = check(rest, path, issues);
    return read && declaration && { name: read.name, declaration };
  };
}

/** A checked request for a preview: what `preview` of occurrences takes. */
export type PreviewRequest = Pick<ScheduleDeclaration, 'spec' | 'timezone' | 'dst' | 'dayMatch'> & {
  /** Excluded. */
  from: number;
  count: number;
};

/**
 * Checks the body of `preview`.
 * @param options `timezone` as in {@link ScheduleCheckOptions}; `now` is the default of `from`
 */
export function previewRequest(options: { timezone?: string; now: number }): Check<PreviewRequest> {
  return (value, path, issues) => {
    const read = object({
      spec: specCheck(value),
      timezone: optional(zoneName),
      dst: optional(dst),
      dayMatch: optional(dayMatch),
      from: optional(time),
      count: optional(integer(1, COUNT_MAX)),
    })(value, path, issues);
    if (read === undefined) return undefined;
    return {
      spec: read.spec,
      timezone: read.timezone ?? options.timezone ?? SCHEDULE_DEFAULTS.timezone,
      dst: read.dst ?? SCHEDULE_DEFAULTS.dst,
      dayMatch: read.dayMatch ?? SCHEDULE_DEFAULTS.dayMatch,
      from: read.from ?? options.now,
      count: read.count ?? 10,
    };
  };
}
