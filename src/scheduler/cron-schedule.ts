import { LIMITS } from '../job/limits.ts';
import { type CronExpression, readCron } from './cron-expression.ts';
import { dayCalendar } from './day-calendar.ts';
import { type WallCalendar, wallCalendar } from './wall-calendar.ts';

/** A cron text made ready to search; `calendar` is undefined for `@reboot`, which never fires by time. */
export interface CronSchedule {
  calendar: WallCalendar | undefined;
  /** The hour field has a wildcard or a step: real intervals, no DST policy. */
  wildHours: boolean;
}

/** At 4 KB each. Reading one anew takes 0.1 ms. */
const CACHE_MAX = 10_240;
const cache = new Map<string, CronSchedule>();

/**
 * Reads a cron text with its day rule. Answers are kept, for schedules are read back from the store as new objects.
 * @param report is told each fault
 * @returns undefined when a fault was reported: bad syntax, or no day in 400 years matches
 */
export function cronSchedule(
  text: string,
  dayMatch: 'either' | 'both',
  report: (fault: string) => void,
): CronSchedule | undefined {
  const key = `${dayMatch} ${text}`;
  // A text that is too long is refused before it is even hashed.
  const known = text.length > LIMITS.cronLengthMax ? undefined : cache.get(key);
  if (known !== undefined) return known;
  const reading = readCron(text, report);
  if (reading === undefined) return undefined;
  const made: CronSchedule = { calendar: undefined, wildHours: false };
  if (reading !== 'reboot') {
    made.calendar = wallCalendar(reading, dayMatch);
    made.wildHours = reading.wildHours;
    if (made.calendar === undefined) {
      report(whyNever(reading));
      return undefined;
    }
  }
  if (cache.size >= CACHE_MAX) cache.delete(cache.keys().next().value ?? '');
  cache.set(key, made);
  return made;
}

const NO_DAY = 'no day in 400 years matches';

/** Which of the day fields can never meet, when no day in 400 years matches. */
function whyNever({ days, written: { dayOfMonth, month, dayOfWeek } }: CronExpression): string {
  const ofMonth = dayCalendar({ ...days, dayOfWeek: '*', starred: true }, 'both');
  if (ofMonth === undefined) {
    return `${dayOfMonth.place}: "${dayOfMonth.text}" never occurs in month "${month.text}"; ${NO_DAY}`;
  }
  const where = `day-of-month "${dayOfMonth.text}" in month "${month.text}"`;
  return `${dayOfWeek.place}: "${dayOfWeek.text}" never falls on ${where}; ${NO_DAY}`;
}
