import { CronDate, CronPattern } from 'croner';
import type { DayPattern } from './cron-expression.ts';

/** The days, counted from 1970-01-01, on which a cron expression fires. */
export interface DayCalendar {
  /** The first matching day at or after `day`. */
  next(day: number): number | undefined;
  /** The last matching day at or before `day`. */
  previous(day: number): number | undefined;
}

const DAY_MS = 86_400_000;
/** The Gregorian calendar repeats after 400 years, weekdays included. */
const CYCLE_DAYS = 146_097;
const DAY_OF_2000 = 10_957;
const UTC = 0;
/** A year of each kind: common and leap, beginning on each of the seven weekdays. */
const YEAR_KINDS = [2000, 2001, 2002, 2003, 2004, 2005, 2006, 2008, 2009, 2010, 2012, 2016, 2020, 2024];

/**
 * The days of an expression, searched by croner in UTC as a bare calendar without zones.
 * Croner's own limits (no result from the year 3000 on) are met by searching within one 400-year cycle.
 * @returns undefined when no day ever matches
 */
export function dayCalendar(days: DayPattern, dayMatch: 'either' | 'both'): DayCalendar | undefined {
  if (days.daily) return { next: (day) => day, previous: (day) => day };
  const options = { domAndDow: dayMatch === 'both' || days.starred };
  const trial = patternOf(days, YEAR_KINDS.join(','));
  if (new CronDate(new Date(Date.UTC(1999, 11, 31)), UTC).increment(trial, options, false) === null) return undefined;
  const pattern = patternOf(days, '*');
  // Croner keeps a flag for each of 10,000 years, 80 KB, and does not read it when every year matches.
  pattern.year = [];
  const search = (day: number, step: 1 | -1): number | undefined => {
    const cycles = Math.floor((day - DAY_OF_2000) / CYCLE_DAYS) - (step > 0 ? 0 : 1);
    const inCycle = day - cycles * CYCLE_DAYS;
    const from = new CronDate(new Date(step > 0 ? inCycle * DAY_MS - 1_000 : (inCycle + 1) * DAY_MS), UTC);
    const found = step > 0 ? from.increment(pattern, options, false) : from.decrement(pattern, options, false);
    return found === null ? undefined : Math.floor(found.getTime() / DAY_MS) + cycles * CYCLE_DAYS;
  };
  return {
    next: remembering((day) => search(day, 1)),
    previous: remembering((day) => search(day, -1)),
  };
}

function patternOf(days: DayPattern, years: string): CronPattern {
  const text = `0 0 0 ${days.dayOfMonth} ${days.month} ${days.dayOfWeek} ${years}`;
  const pattern = new CronPattern(text, undefined, { mode: '7-part' });
  pattern.lastWeekday = days.lastWorkday;
  return pattern;
}

/** Keeps the last answer: it holds for every day between the one asked for and the one found. */
function remembering(search: (day: number) => number | undefined): (day: number) => number | undefined {
  let asked = Number.NaN;
  let found: number | undefined;
  return (day) => {
    if (found !== undefined && (day - asked) * (found - day) >= 0) return found;
    asked = day;
    found = search(day);
    return found;
  };
}
