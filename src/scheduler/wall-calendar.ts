import type { CronExpression } from './cron-expression.ts';
import { dayCalendar } from './day-calendar.ts';

/**
 * The wall times at which an expression ticks, blind to zones: milliseconds as if the wall clock were UTC. Ticks stand
 * on whole seconds.
 */
export interface WallCalendar {
  /** The first tick at or after a wall time. */
  next(wallMs: number): number | undefined;
  /** The last tick at or before a wall time. */
  previous(wallMs: number): number | undefined;
}

const DAY_S = 86_400;

/**
 * Lays the times of day over the days.
 * @returns undefined when no day ever matches
 */
export function wallCalendar(expression: CronExpression, dayMatch: 'either' | 'both'): WallCalendar | undefined {
  const days = dayCalendar(expression.days, dayMatch);
  if (days === undefined) return undefined;
  const fields = [expression.hours, expression.minutes, expression.seconds];
  const firstS = secondOfDay(fields.map((values) => values[0] ?? 0));
  const lastS = secondOfDay(fields.map((values) => values.at(-1) ?? 0));
  return {
    next(wallMs) {
      const wallS = Math.ceil(wallMs / 1_000);
      const today = Math.floor(wallS / DAY_S);
      if (days.next(today) === today) {
        const timeS = timeAtOrAfter(wallS - today * DAY_S, fields);
        if (timeS !== undefined) return (today * DAY_S + timeS) * 1_000;
      }
      const day = days.next(today + 1);
      return day === undefined ? undefined : (day * DAY_S + firstS) * 1_000;
    },
    previous(wallMs) {
      const wallS = Math.floor(wallMs / 1_000);
      const today = Math.floor(wallS / DAY_S);
      if (days.previous(today) === today) {
        const timeS = timeAtOrBefore(wallS - today * DAY_S, fields);
        if (timeS !== undefined) return (today * DAY_S + timeS) * 1_000;
      }
      const day = days.previous(today - 1);
      return day === undefined ? undefined : (day * DAY_S + lastS) * 1_000;
    },
  };
}

type TimeFields = readonly (readonly number[])[];

const parts = (timeS: number): number[] => [Math.floor(timeS / 3_600), Math.floor(timeS / 60) % 60, timeS % 60];
const secondOfDay = ([hour = 0, minute = 0, second = 0]: number[]): number => hour * 3_600 + minute * 60 + second;

/**
 * The first time of day at or after one: the longest prefix that can stay, one field raised, the rest at their first.
 */
function timeAtOrAfter(timeS: number, fields: TimeFields): number | undefined {
  const given = parts(timeS);
  const kept = keptPrefix(given, fields);
  if (kept === fields.length) return timeS;
  for (let raised = kept; raised >= 0; raised -= 1) {
    const value = fields[raised]?.find((candidate) => candidate > (given[raised] ?? 0));
    if (value === undefined) continue;
    return secondOfDay(
      fields.map((values, index) => (index < raised ? given[index] : index === raised ? value : values[0]) ?? 0),
    );
  }
  return undefined;
}

/** The mirror of {@link timeAtOrAfter}. */
function timeAtOrBefore(timeS: number, fields: TimeFields): number | undefined {
  const given = parts(timeS);
  const kept = keptPrefix(given, fields);
  if (kept === fields.length) return timeS;
  for (let lowered = kept; lowered >= 0; lowered -= 1) {
    const value = fields[lowered]?.findLast((candidate) => candidate < (given[lowered] ?? 0));
    if (value === undefined) continue;
    return secondOfDay(
      fields.map((values, index) => (index < lowered ? given[index] : index === lowered ? value : values.at(-1)) ?? 0),
    );
  }
  return undefined;
}

/** How many fields, from the hour on, have the given value among theirs. */
function keptPrefix(given: readonly number[], fields: TimeFields): number {
  const missing = fields.findIndex((values, index) => !values.includes(given[index] ?? -1));
  return missing < 0 ? fields.length : missing;
}
