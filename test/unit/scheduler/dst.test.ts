import { describe, expect, test } from 'vitest';
import {
  nextOccurrence,
  occurrencesBetween,
  previousOccurrence,
  type Timetable,
} from '../../../src/scheduler/occurrences.ts';
import type { DstPolicy } from '../../../src/scheduler/schedule.ts';
import { changesOf, expectedTicks, scanAround, wallReader } from './wall-scan.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** ROTA_ZONES=full looks at every change of every zone; without it at a sample that takes a few seconds. */
const FULL = process.env.ROTA_ZONES === 'full';
const ZONES = FULL
  ? Intl.supportedValuesOf('timeZone')
  : [
      'Africa/Cairo',
      'Africa/Casablanca',
      'America/New_York',
      'America/Sao_Paulo',
      'America/St_Johns',
      'Antarctica/Troll',
      'Asia/Kathmandu',
      'Asia/Pyongyang',
      'Australia/Lord_Howe',
      'Europe/Dublin',
      'Pacific/Apia',
      'Pacific/Norfolk',
    ];
const SAMPLE = FULL ? 1 : 9;

const POLICIES: DstPolicy[] = (['next', 'skip'] as const).flatMap((gap) =>
  (['first', 'second', 'both'] as const).map((repeat) => ({ gap, repeat })),
);

const minuteOf = (wallMs: number): number => new Date(wallMs).getUTCMinutes();
const hourOf = (wallMs: number): number => new Date(wallMs).getUTCHours();

/** Expressions beside what they mean; `wild`: the hour field has a wildcard or a step. */
const EXPRESSIONS: { cron: string; wild?: true; ticks: (wallMs: number) => boolean }[] = [
  { cron: '0 0 * * *', ticks: (w) => hourOf(w) === 0 && minuteOf(w) === 0 },
  { cron: '30 0,1,2,3 * * *', ticks: (w) => hourOf(w) <= 3 && minuteOf(w) === 30 },
  { cron: '*/7 2 * * *', ticks: (w) => hourOf(w) === 2 && minuteOf(w) % 7 === 0 },
  { cron: '* 1-3 * * *', ticks: (w) => hourOf(w) >= 1 && hourOf(w) <= 3 },
  { cron: '15,45 0-23 * * *', ticks: (w) => minuteOf(w) % 30 === 15 },
  { cron: '20 22-2 * * *', ticks: (w) => minuteOf(w) === 20 && (hourOf(w) >= 22 || hourOf(w) <= 2) },
  { cron: '0 3 * * SUN', ticks: (w) => hourOf(w) === 3 && minuteOf(w) === 0 && new Date(w).getUTCDay() === 0 },
  { cron: '30 12 30 12 *', ticks: (w) => new Date(w).toISOString().slice(5, 16) === '12-30T12:30' },
  { cron: '*/15 * * * *', wild: true, ticks: (w) => minuteOf(w) % 15 === 0 },
  { cron: '10 */2 * * *', wild: true, ticks: (w) => minuteOf(w) === 10 && hourOf(w) % 2 === 0 },
  { cron: '0 ? * * *', wild: true, ticks: (w) => minuteOf(w) === 0 },
];

const timetable = (cron: string, timezone: string, dst: DstPolicy): Timetable => ({
  spec: { cron },
  timezone,
  dst,
  dayMatch: 'either',
  startAt: null,
  endAt: null,
  anchorAt: 0,
});

const backwards = (plan: Timetable, { afterMs, untilMs }: { afterMs: number; untilMs: number }): number[] => {
  const found: number[] = [];
  for (let before = untilMs + 1; ; ) {
    const previous = previousOccurrence(plan, before);
    if (previous === undefined || previous <= afterMs) return found.reverse();
    found.push(previous);
    before = previous;
  }
};

describe('every change of the clocks from 2000 to 2040, against a scan of every minute', () => {
  test.each(ZONES)('%s', (zone) => {
    const changes = changesOf(zone, Date.UTC(2000, 0, 1), Date.UTC(2041, 0, 1));
    const chosen = changes.filter(
      ({ shiftMs }, index) => index % SAMPLE === 0 || index % SAMPLE === 4 || Math.abs(shiftMs) !== HOUR_MS,
    );
    for (const change of chosen.slice(0, FULL ? chosen.length : 40)) {
      const scan = scanAround(zone, change, 4 * HOUR_MS);
      // The edges of the scan cannot tell what repeats beyond them.
      const edge = Math.abs(change.shiftMs) + 2 * MINUTE_MS;
      const afterMs = scan.fromMs + edge;
      const untilMs = scan.fromMs + (scan.walls.length - 1) * MINUTE_MS - edge;
      for (const { cron, wild, ticks } of EXPRESSIONS) {
        for (const dst of POLICIES) {
          const expected = expectedTicks(scan, ticks, wild ? null : dst).filter(
            (instant) => instant > afterMs && instant <= untilMs,
          );
          const plan = timetable(cron, zone, dst);
          const where = `${cron} ${JSON.stringify(dst)} at ${new Date(change.at).toISOString()}`;
          expect(occurrencesBetween(plan, { afterMs, untilMs, limit: 10_000 }), where).toEqual(expected);
          expect(backwards(plan, { afterMs, untilMs }), where).toEqual(expected);
        }
      }
    }
  });
});

describe('changes that stand out', () => {
  const first: DstPolicy = { gap: 'next', repeat: 'first' };
  const texts = (plan: Timetable, from: string, count: number): string[] => {
    const found: string[] = [];
    let last = Date.parse(from);
    while (found.length < count) {
      const next = nextOccurrence(plan, last);
      if (next === undefined) break;
      found.push(new Date(next).toISOString().replace('.000Z', 'Z'));
      last = next;
    }
    return found;
  };

  test('the day that Samoa left out becomes one tick at its first valid instant', () => {
    const plan = timetable('0 6,12,18 * * *', 'Pacific/Apia', first);
    expect(texts(plan, '2011-12-30T00:00:00Z', 4)).toEqual([
      '2011-12-30T04:00:00Z', // 18:00 on the 29th
      '2011-12-30T10:00:00Z', // 00:00 on the 31st, for 6, 12 and 18 o'clock of the 30th
      '2011-12-30T16:00:00Z',
      '2011-12-30T22:00:00Z',
    ]);
    expect(
      texts(timetable('0 12 30 12 *', 'Pacific/Apia', { gap: 'skip', repeat: 'first' }), '2011-01-01T00:00:00Z', 1),
    ).toEqual(['2012-12-29T22:00:00Z']);
  });

  test('a tick in the gap and one at its end are one', () => {
    const plan = timetable('0,30 2,3 * * *', 'Europe/Berlin', first);
    expect(texts(plan, '2026-03-28T23:00:00Z', 3)).toEqual([
      '2026-03-29T01:00:00Z',
      '2026-03-29T01:30:00Z',
      '2026-03-30T00:00:00Z',
    ]);
  });

  test('midnight that does not exist, and midnight that comes twice', () => {
    const gap = timetable('0 0 * * *', 'America/Sao_Paulo', first);
    expect(texts(gap, '2018-11-03T12:00:00Z', 2)).toEqual(['2018-11-04T03:00:00Z', '2018-11-05T02:00:00Z']);
    const repeat = timetable('30 23 * * *', 'America/Sao_Paulo', { gap: 'next', repeat: 'both' });
    expect(texts(repeat, '2018-02-17T12:00:00Z', 3)).toEqual([
      '2018-02-18T01:30:00Z',
      '2018-02-18T02:30:00Z',
      '2018-02-19T02:30:00Z',
    ]);
  });

  test('seconds: each repeated second belongs to the pass that the policy says', () => {
    const plan = (repeat: DstPolicy['repeat']) =>
      timetable('*/20 59 1 * * *', 'America/New_York', { gap: 'next', repeat });
    const from = '2026-11-01T05:00:00Z';
    const one = ['05:59:00', '05:59:20', '05:59:40'].map((time) => `2026-11-01T${time}Z`);
    const two = one.map((text) => text.replace('05:59', '06:59'));
    expect(texts(plan('first'), from, 3)).toEqual(one);
    expect(texts(plan('second'), from, 3)).toEqual(two);
    expect(texts(plan('both'), from, 6)).toEqual([...one, ...two]);
  });

  test('a schedule whose ticks the policy always takes away ends the search at once', () => {
    const plan: Timetable = {
      ...timetable('30 2 * 3 0#2', 'America/New_York', { gap: 'skip', repeat: 'first' }),
      dayMatch: 'both',
    };
    const began = performance.now();
    expect(nextOccurrence(plan, Date.UTC(2026, 0, 1))).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(500);
  });

  test('historic rules, with seconds of local mean time', () => {
    const plan = timetable('0 12 * * *', 'Europe/Amsterdam', first);
    const wall = wallReader('Europe/Amsterdam');
    for (const year of [1850, 1900, 1925, 1938, 1945]) {
      const next = nextOccurrence(plan, Date.UTC(year, 5, 1)) ?? 0;
      expect(new Date(wall(next)).toISOString()).toBe(`${year}-06-01T12:00:00.000Z`);
    }
  });

  test('zones that never change and the ends of time', () => {
    expect(texts(timetable('0 9 * * *', 'Asia/Kathmandu', first), '2026-01-01T00:00:00Z', 1)).toEqual([
      '2026-01-01T03:15:00Z',
    ]);
    const plan = timetable('0 9 * * *', 'Europe/Berlin', first);
    expect(texts(plan, '9999-12-30T00:00:00Z', 5)).toEqual(['9999-12-30T08:00:00Z', '9999-12-31T08:00:00Z']);
    expect(nextOccurrence(plan, 8.64e15)).toBeUndefined();
    expect(previousOccurrence(plan, -8.64e15)).toBeUndefined();
    expect(previousOccurrence(plan, 8.64e15)).toBe(Date.parse('9999-12-31T08:00:00Z'));
    const century = { ...plan, spec: { every: 36_525 * 24 * HOUR_MS }, anchorAt: Date.UTC(2000, 0, 1) };
    expect(occurrencesBetween(century, { afterMs: 0, untilMs: 8.64e15, limit: 1_000 })).toHaveLength(80);
  });
});
