import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readCron } from '../../../src/scheduler/cron-expression.ts';
import { type DayCalendar, dayCalendar } from '../../../src/scheduler/day-calendar.ts';

const DAY_MS = 86_400_000;
const dayOf = (text: string): number => Date.parse(`${text}T00:00:00Z`) / DAY_MS;
const textOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);

function calendarOf(text: string, rule: 'either' | 'both'): DayCalendar | undefined {
  const read = readCron(text, (fault) => {
    throw new Error(`${text}: ${fault}`);
  });
  if (read === undefined || read === 'reboot') throw new Error(text);
  return dayCalendar(read.days, rule);
}

type DayTest = (date: { day: number; last: number; weekday: number; weekdayOfFirst: number }) => boolean;

/** A working day of Monday to Friday nearest to `day`, within its month; told by trying the neighbours. */
function nearestWorkday(day: number, last: number, weekdayOfFirst: number): number {
  const isWorkday = (candidate: number): boolean => {
    const weekday = (weekdayOfFirst + candidate - 1) % 7;
    return candidate >= 1 && candidate <= last && weekday >= 1 && weekday <= 5;
  };
  const tried = [0, -1, 1, -2, 2].map((step) => day + step).find(isWorkday);
  return tried ?? 0;
}

const monthDayPart = fc.oneof(
  fc.integer({ min: 1, max: 31 }).map((n) => ({ text: `${n}`, test: (({ day }) => day === n) as DayTest })),
  fc.tuple(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 1, max: 31 })).map(([from, to]) => ({
    text: `${from}-${to}`,
    test: (({ day }) => (from <= to ? day >= from && day <= to : day >= from || day <= to)) as DayTest,
  })),
  fc.integer({ min: 1, max: 31 }).map((n) => ({
    text: `${n}W`,
    test: (({ day, last, weekdayOfFirst }) => n <= last && day === nearestWorkday(n, last, weekdayOfFirst)) as DayTest,
  })),
  fc.constant({ text: 'L', test: (({ day, last }) => day === last) as DayTest }),
  fc.constant({
    text: 'LW',
    test: (({ day, last, weekdayOfFirst }) => day === nearestWorkday(last, last, weekdayOfFirst)) as DayTest,
  }),
);
const weekdayPart = fc.oneof(
  fc.integer({ min: 0, max: 7 }).map((n) => ({ text: `${n}`, test: (({ weekday }) => weekday === n % 7) as DayTest })),
  fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 1, max: 5 })).map(([n, nth]) => ({
    text: `${n}#${nth}`,
    test: (({ day, weekday }) => weekday === n % 7 && Math.ceil(day / 7) === nth) as DayTest,
  })),
  fc.integer({ min: 0, max: 7 }).map((n) => ({
    text: `${n}L`,
    test: (({ day, last, weekday }) => weekday === n % 7 && day + 7 > last) as DayTest,
  })),
);

interface Field {
  text: string;
  test: DayTest;
}
const listOf = (part: fc.Arbitrary<Field>): fc.Arbitrary<Field> =>
  fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ({
    text: parts.map(({ text }) => text).join(','),
    test: (date) => parts.some(({ test }) => test(date)),
  }));
const star: Field = { text: '*', test: () => true };
const dayField = (part: fc.Arbitrary<Field>, stepped: DayTest): fc.Arbitrary<Field> =>
  fc.oneof(
    { weight: 4, arbitrary: listOf(part) },
    { weight: 1, arbitrary: fc.constant(star) },
    { weight: 1, arbitrary: fc.constant({ text: '*/2', test: stepped }) },
  );
const months = fc.oneof(
  fc.constant<number[]>([]),
  fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
);

const plan = fc.record({
  monthDay: dayField(monthDayPart, ({ day }) => day % 2 === 1),
  weekday: dayField(weekdayPart, ({ weekday }) => weekday % 2 === 0),
  months,
  rule: fc.constantFrom<'either' | 'both'>('either', 'both'),
});

type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never;

function matches({ monthDay, weekday, months, rule }: Plan, day: number): boolean {
  const date = new Date(day * DAY_MS);
  const first = new Date(Date.UTC(2000, date.getUTCMonth(), 1));
  first.setUTCFullYear(date.getUTCFullYear());
  const facts = {
    day: date.getUTCDate(),
    last: new Date(
      first.getTime() + 31 * DAY_MS - DAY_MS * new Date(first.getTime() + 31 * DAY_MS).getUTCDate(),
    ).getUTCDate(),
    weekday: date.getUTCDay(),
    weekdayOfFirst: first.getUTCDay(),
  };
  if (months.length > 0 && !months.includes(date.getUTCMonth() + 1)) return false;
  const both = rule === 'both' || monthDay.text.startsWith('*') || weekday.text.startsWith('*');
  return both ? monthDay.test(facts) && weekday.test(facts) : monthDay.test(facts) || weekday.test(facts);
}

describe('days against a plain walk through the calendar', () => {
  test('next and previous, in any year', () => {
    fc.assert(
      fc.property(plan, fc.integer({ min: dayOf('1600-01-01'), max: dayOf('9990-01-01') }), (drawn, from) => {
        const text = `0 0 ${drawn.monthDay.text} ${drawn.months.join(',') || '*'} ${drawn.weekday.text}`;
        const calendar = calendarOf(text, drawn.rule);
        const found: number[] = [];
        for (let day = from; day < from + 500; day += 1) if (matches(drawn, day)) found.push(day);
        if (calendar === undefined) {
          expect(found, text).toEqual([]);
          return;
        }
        const where = `${text} ${drawn.rule} from ${textOf(from)}`;
        const next = calendar.next(from);
        if (found.length > 0) expect(textOf(next ?? 0), where).toBe(textOf(found[0] ?? 0));
        else expect(next, where).toBeGreaterThanOrEqual(from + 500);
        const before = calendar.previous(from + 499);
        if (found.length > 0) expect(textOf(before ?? 0), where).toBe(textOf(found.at(-1) ?? 0));
        else expect(before, where).toBeLessThan(from);
        for (const day of found.slice(0, 40)) {
          expect(calendar.next(day), where).toBe(day);
          expect(calendar.previous(day), where).toBe(day);
        }
      }),
      { numRuns: Number(process.env.ROTA_RUNS ?? 300) },
    );
  });
});

describe('days that stand out', () => {
  const list = (
    text: string,
    from: string,
    { rule = 'either', count = 3 }: { rule?: 'either' | 'both'; count?: number } = {},
  ): string[] => {
    const calendar = calendarOf(text, rule);
    const found: string[] = [];
    for (let day = dayOf(from); found.length < count; day += 1) {
      const next = calendar?.next(day);
      if (next === undefined) break;
      found.push(textOf(next));
      day = next;
    }
    return found;
  };

  test('29 February, over a century that is no leap year', () => {
    expect(list('0 0 29 2 *', '2093-01-01')).toEqual(['2096-02-29', '2104-02-29', '2108-02-29']);
    expect(list('0 0 29 2 1', '2073-01-01', { rule: 'both', count: 2 })).toEqual(['2112-02-29', '2140-02-29']);
  });

  test('the 31st and 31W are only in months with 31 days; L in every month', () => {
    expect(list('0 0 31 * *', '2026-01-01')).toEqual(['2026-01-31', '2026-03-31', '2026-05-31']);
    expect(list('0 0 31W * *', '2026-01-01')).toEqual(['2026-01-30', '2026-03-31', '2026-05-29']);
    expect(list('0 0 L * *', '2028-01-01')).toEqual(['2028-01-31', '2028-02-29', '2028-03-31']);
    expect(list('0 0 30W 2 1', '2026-01-01', { count: 2 })).toEqual(['2026-02-02', '2026-02-09']);
  });

  test('1W of a month that begins on a Saturday is Monday the 3rd, not the month before', () => {
    expect(list('0 0 1W 8 *', '2026-01-01', { count: 1 })).toEqual(['2026-08-03']);
  });

  test('either and both, and the star that makes either into both', () => {
    expect(list('0 0 13 * FRI', '2026-02-01')).toEqual(['2026-02-06', '2026-02-13', '2026-02-20']);
    expect(list('0 0 13 * FRI', '2026-02-01', { rule: 'both' })).toEqual(['2026-02-13', '2026-03-13', '2026-11-13']);
    expect(list('0 0 */2 * MON', '2026-06-01')).toEqual(['2026-06-01', '2026-06-15', '2026-06-29']);
    expect(list('0 0 1-31 * MON', '2026-06-01')).toEqual(['2026-06-01', '2026-06-02', '2026-06-03']);
    expect(list('0 0 1-31 * MON', '2026-06-01', { rule: 'both' })).toEqual(['2026-06-01', '2026-06-08', '2026-06-15']);
  });

  test('years from 3000 on, where croner itself stops', () => {
    expect(list('0 0 29 2 *', '2999-01-01', { count: 2 })).toEqual(['3004-02-29', '3008-02-29']);
  });
});
