import { cronSchedule } from './cron-schedule.ts';
import type { ScheduleDeclaration } from './schedule.ts';
import { timeZone } from './time-zone.ts';
import { INSTANT_MS_MAX, INSTANT_MS_MIN, nextZonedTick, previousZonedTick, type ZonedCalendar } from './zoned-ticks.ts';

/** What decides when a schedule ticks. Checked: an expression or zone that is wrong throws. */
export type Timetable = Pick<ScheduleDeclaration, 'spec' | 'timezone' | 'dst' | 'dayMatch' | 'startAt' | 'endAt'> & {
  /** Where `every` counts from: its first possible tick. See {@link anchorOf}. */
  anchorAt: number;
};

/**
 * Where an `every` counts from: its `startAt`, else its creation. Kept with the schedule, so that restarts do not
 * shift it.
 */
export function anchorOf({ startAt }: Pick<ScheduleDeclaration, 'startAt'>, createdAt: number): number {
  return startAt ?? createdAt;
}

/** The timetable of a schedule as it is kept. */
export function timetableOf(schedule: { declaration: ScheduleDeclaration; anchorAt: number }): Timetable {
  return { ...schedule.declaration, anchorAt: schedule.anchorAt };
}

/** Whether a schedule fires at the start of a program instead of by time. */
export function firesAtReboot({ spec }: Pick<ScheduleDeclaration, 'spec'>): boolean {
  return 'cron' in spec && spec.cron.trim().toLowerCase() === '@reboot';
}

/**
 * The first nominal time after `afterMs`, which is excluded; `startAt` and `endAt` are included.
 * @returns undefined when there is none: ended, `@reboot`, an `at` that is past
 */
export function nextOccurrence(timetable: Timetable, afterMs: number): number | undefined {
  const { startAt, endAt } = timetable;
  const next = ticksOf(timetable).next(Math.max(afterMs, (startAt ?? INSTANT_MS_MIN) - 1));
  return next === undefined || next > (endAt ?? INSTANT_MS_MAX) ? undefined : next;
}

/** The last nominal time before `beforeMs`, which is excluded; the mirror of {@link nextOccurrence}. */
export function previousOccurrence(timetable: Timetable, beforeMs: number): number | undefined {
  const { startAt, endAt } = timetable;
  const previous = ticksOf(timetable).previous(Math.min(beforeMs, (endAt ?? INSTANT_MS_MAX) + 1));
  return previous === undefined || previous < (startAt ?? INSTANT_MS_MIN) ? undefined : previous;
}

/** Rising nominal times in (`afterMs`, `untilMs`], at most `limit`. */
export function occurrencesBetween(
  timetable: Timetable,
  { afterMs, untilMs, limit }: { afterMs: number; untilMs: number; limit: number },
): number[] {
  const found: number[] = [];
  for (let last = afterMs; found.length < limit; ) {
    const next = nextOccurrence(timetable, last);
    if (next === undefined || next > untilMs) break;
    found.push(next);
    last = next;
  }
  return found;
}

/** The next `count` nominal times after `from`, which is excluded; an `every` counts from there. */
export function preview(
  plan: Pick<ScheduleDeclaration, 'spec' | 'timezone' | 'dst' | 'dayMatch'>,
  { from, count }: { from: number; count: number },
): number[] {
  const timetable = { ...plan, startAt: null, endAt: null, anchorAt: from };
  return occurrencesBetween(timetable, { afterMs: from, untilMs: Number.POSITIVE_INFINITY, limit: count });
}

/** Strictly after and strictly before, without a window. */
interface Ticks {
  next(afterMs: number): number | undefined;
  previous(beforeMs: number): number | undefined;
}

const NEVER: Ticks = { next: () => undefined, previous: () => undefined };

function ticksOf(timetable: Timetable): Ticks {
  const { spec } = timetable;
  if ('every' in spec) return everyTicks(spec.every, timetable.anchorAt);
  if ('at' in spec) {
    return {
      next: (after) => (spec.at > after ? spec.at : undefined),
      previous: (before) => (spec.at < before ? spec.at : undefined),
    };
  }
  const zoned = zonedCalendar(spec.cron, timetable);
  if (zoned === undefined) return NEVER;
  return {
    next: (after) => nextZonedTick(zoned, after),
    previous: (before) => previousZonedTick(zoned, before),
  };
}

function zonedCalendar(cron: string, timetable: Timetable): ZonedCalendar | undefined {
  const { timezone, dst, dayMatch } = timetable;
  const schedule = cronSchedule(cron, dayMatch, (fault) => {
    throw new Error(`the cron expression "${cron.slice(0, 256)}" ${fault}`);
  });
  if (schedule?.calendar === undefined) return undefined;
  const zone = timeZone(timezone);
  if (zone === undefined) throw new Error(`the time zone "${timezone.slice(0, 64)}" is not known`);
  return { calendar: schedule.calendar, zone, dst: schedule.wildHours ? null : dst };
}

/** anchor + k · period for k = 0, 1, 2, … */
function everyTicks(periodMs: number, anchorAt: number): Ticks {
  return {
    next: (after) => anchorAt + Math.max(0, Math.floor((after - anchorAt) / periodMs) + 1) * periodMs,
    previous: (before) => {
      const k = Math.ceil((before - anchorAt) / periodMs) - 1;
      return k < 0 ? undefined : anchorAt + k * periodMs;
    },
  };
}
