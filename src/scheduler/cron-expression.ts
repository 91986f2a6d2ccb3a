import { LIMITS } from '../job/limits.ts';
import { CRON_FIELDS, type CronField, type CronPart, fieldPart, fieldValue } from './cron-field.ts';

/**
 * The day part of an expression, in the plain words that croner understands: lists of numbers, `n#k`, `nL`, `nW`, `L`.
 */
export interface DayPattern {
  dayOfMonth: string;
  month: string;
  dayOfWeek: string;
  /** `LW`, the last working day of the month, stands in the day-of-month; croner knows it only alone. */
  lastWorkday: boolean;
  /** One of the two day fields begins with `*` (or `?`): then both must match. Source: the rule of Vixie cron. */
  starred: boolean;
  /** Every day matches: nothing to search. */
  daily: boolean;
}

/** A cron expression, read. Numbers are sorted and without repeats. */
export interface CronExpression {
  seconds: readonly number[];
  minutes: readonly number[];
  hours: readonly number[];
  days: DayPattern;
  /** The day fields as they were written, with their places, for messages. */
  written: Record<'dayOfMonth' | 'month' | 'dayOfWeek', { text: string; place: string }>;
  /** The hour field contains `*`, `?` or `/`: the schedule follows real intervals and ignores the DST policy. */
  wildHours: boolean;
}

/** `@reboot` fires when a program starts, never by time. */
export type CronReading = CronExpression | 'reboot';

const NICKNAMES: Record<string, string> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const FIELD_ORDER = ['second', 'minute', 'hour', 'dayOfMonth', 'month', 'dayOfWeek'] as const;
type FieldName = (typeof FIELD_ORDER)[number];
const LAYOUT =
  '5 fields (minute hour day-of-month month day-of-week) or 6 with the second first, or a nickname like @daily';

/** A text between white space with the place of its first character, from 0. */
interface Placed {
  text: string;
  at: number;
}
interface PlacedField extends Placed {
  /** From 1, as people count. */
  number: number;
}

/**
 * Reads a cron expression: 5 or 6 fields with names, lists, ranges (wrap-around too), steps, `L`, `nW`, `LW`, `n#k`,
 * `nL`; or a nickname. Whether it matches any day is not decided here.
 * @param report is told each fault with the field and the character (both from 1)
 * @returns undefined when a fault was reported
 */
export function readCron(text: string, report: (fault: string) => void): CronReading | undefined {
  if (text.length > LIMITS.cronLengthMax) {
    report(`must have at most ${LIMITS.cronLengthMax} characters, this has ${text.length}`);
    return undefined;
  }
  const words: Placed[] = Array.from(text.matchAll(/[^ \t\r\n]+/g), (match) => ({ text: match[0], at: match.index }));
  if (words[0]?.text.startsWith('@')) return nickname(text, words, report);
  if (words.length !== 5 && words.length !== 6) {
    const why = words.length === 7 ? '; a field for the year is not supported' : '';
    report(`must be ${LAYOUT}; this has ${words.length} field${words.length === 1 ? '' : 's'}${why}`);
    return undefined;
  }
  const placed = words.map((word, index) => ({ ...word, number: index + 1 }));
  return readFields(placed, report);
}

function nickname(text: string, words: Placed[], report: (fault: string) => void): CronReading | undefined {
  const name = text.trim().toLowerCase();
  if (words.length === 1 && name === '@reboot') return 'reboot';
  const expanded = Object.hasOwn(NICKNAMES, name) ? NICKNAMES[name] : undefined;
  if (expanded !== undefined) return readCron(expanded, report);
  report(`is no nickname that is known: ${[...Object.keys(NICKNAMES), '@reboot'].join(' ')}`);
  return undefined;
}

function readFields(placed: PlacedField[], report: (fault: string) => void): CronExpression | undefined {
  const offset = FIELD_ORDER.length - placed.length;
  const fieldOf = (name: FieldName): PlacedField =>
    placed[FIELD_ORDER.indexOf(name) - offset] ?? { text: '0', at: 0, number: 0 };
  let faults = 0;
  const count = (fault: string): void => {
    faults += 1;
    report(fault);
  };
  const read = (name: FieldName) => readField(fieldOf(name), { field: CRON_FIELDS[name], report: count });
  const [second, minute, hour] = [read('second'), read('minute'), read('hour')];
  const [dayOfMonth, month, dayOfWeek] = [read('dayOfMonth'), read('month'), read('dayOfWeek')];
  if (faults > 0) return undefined;
  return {
    seconds: second.values,
    minutes: minute.values,
    hours: hour.values,
    wildHours: /[*?/]/.test(fieldOf('hour').text),
    written: {
      dayOfMonth: writtenAs(fieldOf('dayOfMonth'), CRON_FIELDS.dayOfMonth),
      month: writtenAs(fieldOf('month'), CRON_FIELDS.month),
      dayOfWeek: writtenAs(fieldOf('dayOfWeek'), CRON_FIELDS.dayOfWeek),
    },
    days: {
      dayOfMonth: cronerText(dayOfMonth, CRON_FIELDS.dayOfMonth),
      month: cronerText(month, CRON_FIELDS.month),
      dayOfWeek: cronerText(dayOfWeek, CRON_FIELDS.dayOfWeek),
      lastWorkday: dayOfMonth.lastWorkday,
      starred: [dayOfMonth, dayOfWeek].some(({ starred }) => starred),
      daily: [dayOfMonth, month, dayOfWeek].every(({ all }) => all),
    },
  };
}

const writtenAs = ({ text, at, number }: PlacedField, { name }: CronField): { text: string; place: string } => ({
  text,
  place: placeText({ name, number, at }),
});

const placeText = ({ name, number, at }: { name: string; number: number; at: number }): string =>
  `field ${number} (${name}), character ${at + 1}`;

/** One field, read: its plain values, and what only a calendar can tell (`L`, `15W`, `5#2`, `5L`). */
interface FieldReading {
  values: number[];
  specials: string[];
  lastWorkday: boolean;
  starred: boolean;
  all: boolean;
}

function cronerText({ values, specials, all, starred, lastWorkday }: FieldReading, field: CronField): string {
  // To croner a bare `*` is more than the list of all values: it decides how the two day fields are joined.
  if (all && (starred || field === CRON_FIELDS.month)) return '*';
  const listed = [...values, ...specials].join(',');
  return listed === '' && lastWorkday && field === CRON_FIELDS.dayOfMonth ? 'LW' : listed;
}

function readField(
  placed: PlacedField,
  { field, report }: { field: CronField; report: (fault: string) => void },
): FieldReading {
  const values = new Set<number>();
  const specials = new Set<string>();
  let lastWorkday = false;
  let at = placed.at;
  for (const part of placed.text.split(',')) {
    const special = specialPart(part, field);
    if (special === 'LW') lastWorkday = true;
    else if (typeof special === 'string') specials.add(special);
    else {
      const read = special ?? fieldPart(part, field);
      if ('fault' in read) {
        report(`${placeText({ name: field.name, number: placed.number, at: at + read.offset })}: ${read.fault}`);
      } else {
        for (const value of read.values) values.add(value);
      }
    }
    at += part.length + 1;
  }
  return {
    values: [...values].sort((a, b) => a - b),
    specials: [...specials],
    lastWorkday,
    starred: /^[*?]/.test(placed.text),
    all: values.size === field.cycle,
  };
}

/** A part that only day fields have, in croner's words; undefined: not a special, read it as a plain one. */
function specialPart(part: string, field: CronField): string | CronPart | undefined {
  if (field === CRON_FIELDS.dayOfMonth) return monthDaySpecial(part.toUpperCase());
  if (field === CRON_FIELDS.dayOfWeek) return weekdaySpecial(part.toUpperCase());
  if (part.includes('#')) return { fault: '"#" belongs in the day-of-week only', offset: part.indexOf('#') };
  return undefined;
}

function monthDaySpecial(part: string): string | CronPart | undefined {
  if (part === 'L' || part === 'LW') return part;
  if (part.includes('#')) return { fault: '"#" belongs in the day-of-week only', offset: part.indexOf('#') };
  if (part === 'WL') return { fault: 'the last working day of the month is written "LW"', offset: 0 };
  if (part.startsWith('L')) {
    return { fault: `"${part}" is not supported: "L" stands alone for the last day, or as "LW"`, offset: 0 };
  }
  if (!part.includes('W')) return undefined;
  const day = part.endsWith('W') ? fieldValue(part.slice(0, -1), CRON_FIELDS.dayOfMonth) : undefined;
  if (day === undefined) {
    return {
      fault: `"${part}": the working day nearest to a day is written "15W", with a day from 1 to 31`,
      offset: 0,
    };
  }
  return `${day}W`;
}

function weekdaySpecial(part: string): string | CronPart | undefined {
  const hash = part.indexOf('#');
  if (hash >= 0) {
    const day = fieldValue(part.slice(0, hash), CRON_FIELDS.dayOfWeek);
    const nth = part.slice(hash + 1);
    if (day === undefined) {
      return { fault: `"${part}": before "#" stands one day, 0 to 7 or SUN to SAT, as in "FRI#2"`, offset: 0 };
    }
    if (!/^[1-5]$/.test(nth)) {
      return { fault: `"${part}": after "#" stands which one of the month, 1 to 5`, offset: hash + 1 };
    }
    return `${day % 7}#${nth}`;
  }
  if (part === 'L') {
    return { fault: '"L" needs a day here: "5L" or "FRIL" is the last Friday of the month, 6 is Saturday', offset: 0 };
  }
  if (!part.endsWith('L')) return undefined;
  const day = fieldValue(part.slice(0, -1), CRON_FIELDS.dayOfWeek);
  if (day === undefined) {
    return { fault: `"${part}": before "L" stands one day, 0 to 7 or SUN to SAT, as in "FRIL"`, offset: 0 };
  }
  return `${day % 7}L`;
}
