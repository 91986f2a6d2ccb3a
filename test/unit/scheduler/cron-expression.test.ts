import { describe, expect, test } from 'vitest';
import { type CronExpression, readCron } from '../../../src/scheduler/cron-expression.ts';
import { cronSchedule } from '../../../src/scheduler/cron-schedule.ts';

function read(text: string): CronExpression {
  const faults: string[] = [];
  const reading = readCron(text, (fault) => faults.push(fault));
  if (reading === undefined || reading === 'reboot') throw new Error(`${text}: ${faults.join('; ') || 'reboot'}`);
  return reading;
}

function faultsOf(text: string, rule: 'either' | 'both' = 'either'): string[] {
  const faults: string[] = [];
  const read = cronSchedule(text, rule, (fault) => faults.push(fault));
  expect(read === undefined, text).toBe(faults.length > 0);
  return faults;
}

/** The best of some tries, for the machine may be busy with something else. */
function fastestMs(act: () => void): number {
  const tries = Array.from({ length: 5 }, () => {
    const began = performance.now();
    act();
    return performance.now() - began;
  });
  return Math.min(...tries);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe('times of day', () => {
  test.each<[text: string, minutes: number[]]>([
    ['5 * * * *', [5]],
    ['05 * * * *', [5]],
    ['1,5,3,5 * * * *', [1, 3, 5]],
    ['10-13 * * * *', [10, 11, 12, 13]],
    ['7-7 * * * *', [7]],
    ['58-1 * * * *', [0, 1, 58, 59]],
    ['50-10/15 * * * *', [5, 50]],
    ['*/20 * * * *', [0, 20, 40]],
    ['*/60 * * * *', [0]],
    ['?/30 * * * *', [0, 30]],
    ['0-30/10,45 * * * *', [0, 10, 20, 30, 45]],
    ['*,5 * * * *', range(0, 59)],
    ['? * * * *', range(0, 59)],
  ])('minutes of %s', (text, minutes) => {
    expect(read(text).minutes).toEqual(minutes);
  });

  test('five fields have second 0, six begin with the second', () => {
    expect(read('1 2 * * *')).toMatchObject({ seconds: [0], minutes: [1], hours: [2] });
    expect(read('9 1 2 * * *')).toMatchObject({ seconds: [9], minutes: [1], hours: [2] });
    expect(read('  1\t2   * * * \n')).toMatchObject({ seconds: [0], minutes: [1], hours: [2] });
  });

  test.each<[text: string, hours: number[]]>([
    ['0 22-4 * * *', [0, 1, 2, 3, 4, 22, 23]],
    ['0 22-4/3 * * *', [1, 4, 22]],
    ['0 23-0 * * *', [0, 23]],
  ])('hours of %s', (text, hours) => {
    expect(read(text).hours).toEqual(hours);
  });

  test('an hour field with *, ? or / is wild, a full range is not', () => {
    for (const hour of ['*', '?', '*/2', '0-23/2', '1,*']) expect(read(`0 ${hour} * * *`).wildHours, hour).toBe(true);
    for (const hour of ['0-23', '5', '1,2', '22-4']) expect(read(`*/5 ${hour} * * *`).wildHours, hour).toBe(false);
  });
});

describe('days', () => {
  test.each<[text: string, month: string]>([
    ['0 0 1 JAN *', '1'],
    ['0 0 1 nov-Feb *', '1,2,11,12'],
    ['0 0 1 10-2/2 *', '2,10,12'],
    ['0 0 1 jan,3,DEC *', '1,3,12'],
    ['0 0 1 1-12 *', '*'],
  ])('months of %s', (text, month) => {
    expect(read(text).days.month).toBe(month);
  });

  test.each<[text: string, dayOfWeek: string]>([
    ['0 0 * * 0', '0'],
    ['0 0 * * 7', '0'],
    ['0 0 * * SUN,sat', '0,6'],
    ['0 0 * * 5-7', '0,5,6'],
    ['0 0 * * FRI-MON', '0,1,5,6'],
    ['0 0 * * SAT-SUN', '0,6'],
    ['0 0 * * SUN-TUE', '0,1,2'],
    ['0 0 * * 7-2', '0,1,2'],
    ['0 0 * * 6-0', '0,6'],
    ['0 0 * * 7-7', '0'],
    ['0 0 * * 1-7/2', '0,1,3,5'],
    ['0 0 * * FRI#2,1#1', '5#2,1#1'],
    ['0 0 * * 7#5', '0#5'],
    ['0 0 * * 5L,friL,SUNL', '5L,0L'],
    ['0 0 * * 0-6', '0,1,2,3,4,5,6'],
    ['0 0 1 * *', '*'],
  ])('weekdays of %s', (text, dayOfWeek) => {
    expect(read(text).days.dayOfWeek).toBe(dayOfWeek);
  });

  test.each<[text: string, dayOfMonth: string, lastWorkday: boolean]>([
    ['0 0 15W * *', '15W', false],
    ['0 0 1w,15W,l * *', '1W,15W,L', false],
    ['0 0 LW * *', 'LW', true],
    ['0 0 15,LW * *', '15', true],
    ['0 0 28-3 * *', '1,2,3,28,29,30,31', false],
    ['0 0 25-5/3 * *', '3,25,28,31', false],
  ])('days of %s', (text, dayOfMonth, lastWorkday) => {
    expect(read(text).days).toMatchObject({ dayOfMonth, lastWorkday });
  });

  test('which expressions fire every day, and which have a day field that begins with a star', () => {
    expect(read('0 0 * * *').days.daily).toBe(true);
    expect(read('0 0 1-31 JAN-DEC 0-6').days.daily).toBe(true);
    expect(read('0 0 */2 * *').days).toMatchObject({ daily: false, starred: true });
    expect(read('0 0 1 * ?').days).toMatchObject({ starred: true });
    expect(read('0 0 1-31 * 1').days).toMatchObject({ starred: false, dayOfMonth: range(1, 31).join(',') });
    expect(read('0 0 1,* * 1').days).toMatchObject({ starred: false });
  });
});

test('nicknames', () => {
  const plain: [string, string][] = [
    ['@hourly', '0 * * * *'],
    ['@daily', '0 0 * * *'],
    ['@midnight', '0 0 * * *'],
    ['@weekly', '0 0 * * 0'],
    ['@monthly', '0 0 1 * *'],
    ['@yearly', '0 0 1 1 *'],
    [' @Annually ', '0 0 1 1 *'],
  ];
  for (const [nickname, text] of plain) expect(read(nickname), nickname).toEqual(read(text));
  expect(readCron(' @Reboot', () => {})).toBe('reboot');
});

describe('refusals name the field, the character and what would be right', () => {
  test.each<[text: string, fault: string]>([
    ['60 * * * *', 'field 1 (minute), character 1: "60" must be from 0 to 59'],
    ['0 24 * * *', 'field 2 (hour), character 3: "24" must be from 0 to 23'],
    ['0 0 0 * *', 'field 3 (day-of-month), character 5: "0" must be from 1 to 31'],
    ['0 0 32 * *', 'field 3 (day-of-month), character 5: "32" must be from 1 to 31'],
    ['0 0 1 13 *', 'field 4 (month), character 7: "13" must be from 1 to 12 or JAN to DEC'],
    ['0 0 * * 8', 'field 5 (day-of-week), character 9: "8" must be from 0 to 7 or SUN to SAT'],
    ['0 0 * * MONDAY', 'field 5 (day-of-week), character 9: "MONDAY" must be from 0 to 7 or SUN to SAT: write MON'],
    ['0 0 1 JUNE *', 'field 4 (month), character 7: "JUNE" must be from 1 to 12 or JAN to DEC: write JUN'],
    ['0 0 * * JAN', 'field 5 (day-of-week), character 9: "JAN" must be from 0 to 7 or SUN to SAT'],
    ['99 0 0 * * *', 'field 1 (second), character 1: "99" must be from 0 to 59'],
    ['0 1,2,x * * *', 'field 2 (hour), character 7: "x" must be from 0 to 23'],
    ['0 1,,2 * * *', 'field 2 (hour), character 5: a value is missing'],
    ['0 1, * * *', 'field 2 (hour), character 5: a value is missing'],
    ['0 1-2-3 * * *', 'field 2 (hour), character 5: "2-3" must be from 0 to 23'],
    ['0 5- * * *', 'field 2 (hour), character 5: "" must be from 0 to 23'],
    ['-5 * * * *', 'field 1 (minute), character 1: "-5" must be from 0 to 59'],
    ['1.5 * * * *', 'field 1 (minute), character 1: "1.5" must be from 0 to 59'],
    ['*/0 * * * *', 'field 1 (minute), character 3: the step "0" must be a whole number from 1 to 60, as in "*/2"'],
    ['*/61 * * * *', 'field 1 (minute), character 3: the step "61" must be a whole number from 1 to 60, as in "*/2"'],
    ['*/ * * * *', 'field 1 (minute), character 3: the step "" must be a whole number from 1 to 60, as in "*/2"'],
    ['*/2/3 * * * *', 'field 1 (minute), character 3: the step "2/3" must be a whole number from 1 to 60, as in "*/2"'],
    ['/5 * * * *', 'field 1 (minute), character 1: what the step counts through is missing: "*/n"'],
    ['5/15 * * * *', 'field 1 (minute), character 1: "5/15" gives a step to a single value: write "5-59/15" or "*/15"'],
    ['** * * * *', 'field 1 (minute), character 1: "**" must be from 0 to 59'],
    [
      '0 0 L-3 * *',
      'field 3 (day-of-month), character 5: "L-3" is not supported: "L" stands alone for the last day, or as "LW"',
    ],
    ['0 0 WL * *', 'field 3 (day-of-month), character 5: the last working day of the month is written "LW"'],
    [
      '0 0 W * *',
      'field 3 (day-of-month), character 5: "W": the working day nearest to a day is written "15W", with a day from 1 to 31',
    ],
    [
      '0 0 1-5W * *',
      'field 3 (day-of-month), character 5: "1-5W": the working day nearest to a day is written "15W", with a day from 1 to 31',
    ],
    ['0 0 1#2 * *', 'field 3 (day-of-month), character 6: "#" belongs in the day-of-week only'],
    ['1#2 0 * * *', 'field 1 (minute), character 2: "#" belongs in the day-of-week only'],
    ['L * * * *', 'field 1 (minute), character 1: "L" must be from 0 to 59'],
    ['0 0 * * 5#6', 'field 5 (day-of-week), character 11: "5#6": after "#" stands which one of the month, 1 to 5'],
    ['0 0 * * 5#', 'field 5 (day-of-week), character 11: "5#": after "#" stands which one of the month, 1 to 5'],
    [
      '0 0 * * MON-FRI#2',
      'field 5 (day-of-week), character 9: "MON-FRI#2": before "#" stands one day, 0 to 7 or SUN to SAT, as in "FRI#2"',
    ],
    [
      '0 0 * * L',
      'field 5 (day-of-week), character 9: "L" needs a day here: "5L" or "FRIL" is the last Friday of the month, 6 is Saturday',
    ],
    ['0 0 * * 5W', 'field 5 (day-of-week), character 9: "5W" must be from 0 to 7 or SUN to SAT'],
    ['\u00a00 0 * * *', 'field 1 (minute), character 1: "\u00a00" must be from 0 to 59'],
    ['0 0 30 2 *', 'field 3 (day-of-month), character 5: "30" never occurs in month "2"; no day in 400 years matches'],
    [
      '0 0 31W 4,JUN *',
      'field 3 (day-of-month), character 5: "31W" never occurs in month "4,JUN"; no day in 400 years matches',
    ],
    [
      '0 0 30,31 FEB *',
      'field 3 (day-of-month), character 5: "30,31" never occurs in month "FEB"; no day in 400 years matches',
    ],
  ])('%s', (text, fault) => {
    expect(faultsOf(text)).toEqual([fault]);
  });

  test('all faults of an expression at once', () => {
    expect(faultsOf('60 24 0 13 8')).toHaveLength(5);
    expect(faultsOf('61,62 * * * *')).toHaveLength(2);
  });

  test.each(['', ' ', '*', '* * * *', '* * * * * * *', '0 0 1 1 * 2030 x'])(
    '"%s" has the wrong number of fields',
    (text) => {
      expect(faultsOf(text).join()).toMatch(/^must be 5 fields .* or 6 with the second first/);
    },
  );

  test('a seventh field would be a year', () => {
    expect(faultsOf('0 0 0 1 1 * 2030').join()).toContain('a field for the year is not supported');
  });

  test('unknown nicknames', () => {
    for (const text of ['@', '@dayly', '@every 5m', '@reboot now', '@constructor', '@__proto__']) {
      expect(faultsOf(text).join(), text).toMatch(/is no nickname that is known: @yearly .* @reboot$/);
    }
  });

  test('day fields that must both match and never do', () => {
    expect(faultsOf('0 0 1 * 1#2', 'both').join()).toBe(
      'field 5 (day-of-week), character 9: "1#2" never falls on day-of-month "1" in month "*"; no day in 400 years matches',
    );
    expect(faultsOf('0 0 15W * SUN', 'both')).toHaveLength(1);
    expect(faultsOf('0 0 LW * 6', 'both')).toHaveLength(1);
    expect(faultsOf('0 0 1 * 1#2', 'either')).toEqual([]);
    // 29 February is a fifth Monday some day.
    expect(faultsOf('0 0 29 2 1#5', 'both')).toEqual([]);
  });
});

describe('bounds', () => {
  test('256 characters are read, one more is refused', () => {
    const long = `${Array.from({ length: 82 }, () => '10').join(',')},5 * * * *`;
    expect(faultsOf(`${long}${' '.repeat(256 - long.length)}`)).toEqual([]);
    expect(faultsOf(`${long}${' '.repeat(257 - long.length)}`)).toEqual([
      'must have at most 256 characters, this has 257',
    ]);
  });

  test.each([
    ['spaces and stars', '* '.repeat(500_000)],
    ['one word', 'x'.repeat(1_000_000)],
    ['commas', ','.repeat(1_000_000)],
    ['an at sign', `@${'a'.repeat(1_000_000)}`],
    ['white space', ' '.repeat(1_000_000)],
  ])('a megabyte of %s is refused in under a millisecond', (_, text) => {
    expect(fastestMs(() => readCron(text, () => {}))).toBeLessThan(1);
    expect(fastestMs(() => cronSchedule(text, 'either', () => {}))).toBeLessThan(1);
  });

  test('impossible dates and hostile texts of legal length are refused fast', () => {
    const texts = [
      '0 0 30 2 *',
      '0 0 31 2,4,6,9,11 *',
      '0 0 31W 2 *',
      `0 0 31 ${'2,'.repeat(123)}2 *`,
      '1#5,'.repeat(64),
    ];
    for (const text of texts) {
      expect(faultsOf(text, 'both').length, text).toBeGreaterThan(0);
      expect(
        fastestMs(() => cronSchedule(text, 'both', () => {})),
        text,
      ).toBeLessThan(20);
    }
  });
});
