import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cronSchedule } from '../../src/scheduler/cron-schedule.ts';
import { jitterOf } from '../../src/scheduler/jitter.ts';
import {
  nextOccurrence,
  occurrencesBetween,
  preview,
  previousOccurrence,
  type Timetable,
} from '../../src/scheduler/occurrences.ts';

const RUNS = { numRuns: Number(process.env.ROTA_RUNS ?? 400) };
const DAY_MS = 86_400_000;

const list = (min: number, max: number): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant('*'),
    fc.integer({ min: 2, max: 20 }).map((step) => `*/${Math.min(step, max)}`),
    fc.array(fc.integer({ min, max }), { minLength: 1, maxLength: 3 }).map((values) => values.join(',')),
    fc.tuple(fc.integer({ min, max }), fc.integer({ min, max })).map(([from, to]) => `${from}-${to}`),
  );
const cron = fc
  .tuple(
    fc.option(list(0, 59)),
    list(0, 59),
    list(0, 23),
    fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, list(1, 28), fc.constantFrom('L', 'LW', '15W,1W')),
    fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, list(1, 12)),
    fc.oneof({ weight: 3, arbitrary: fc.constant('*') }, list(0, 7), fc.constantFrom('FRI#2', '0L', 'MON-FRI')),
  )
  .map(([second, ...rest]) => ({ cron: [...(second === null ? [] : [second]), ...rest].join(' ') }))
  .filter((spec) => cronSchedule(spec.cron, 'either', () => {}) !== undefined);
const time = fc.integer({ min: Date.UTC(1995, 0, 1), max: Date.UTC(2045, 0, 1) });
const zone = fc.constantFrom(
  'UTC',
  'America/New_York',
  'America/St_Johns',
  'Antarctica/Troll',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'Europe/Dublin',
  'Pacific/Apia',
);
const plan = fc
  .record({
    spec: fc.oneof(
      { weight: 6, arbitrary: cron },
      { weight: 2, arbitrary: fc.integer({ min: 1_000, max: 40 * DAY_MS }).map((every) => ({ every })) },
      { weight: 1, arbitrary: time.map((at) => ({ at })) },
    ),
    timezone: zone,
    dst: fc.record({
      gap: fc.constantFrom<'next' | 'skip'>('next', 'skip'),
      repeat: fc.constantFrom<'first' | 'second' | 'both'>('first', 'second', 'both'),
    }),
    dayMatch: fc.constant<'either' | 'both'>('either'),
    startAt: fc.option(time, { freq: 3 }),
    endAt: fc.option(time, { freq: 3 }),
    anchorAt: time,
  })
  .map((drawn): Timetable => ({ ...drawn, anchorAt: drawn.startAt ?? drawn.anchorAt }));

describe('next and previous', () => {
  test('each undoes the other, and nothing lies between', () => {
    fc.assert(
      fc.property(plan, time, (timetable, from) => {
        const next = nextOccurrence(timetable, from);
        const before = previousOccurrence(timetable, from);
        if (next !== undefined) {
          expect(next).toBeGreaterThan(from);
          expect(nextOccurrence(timetable, next - 1)).toBe(next);
          expect(previousOccurrence(timetable, next + 1)).toBe(next);
          const onIt = nextOccurrence(timetable, from - 1) === from ? from : before;
          expect(previousOccurrence(timetable, next)).toBe(onIt);
        }
        if (before !== undefined) {
          expect(before).toBeLessThan(from);
          expect(nextOccurrence(timetable, before - 1)).toBe(before);
          const onIt = previousOccurrence(timetable, from + 1) === from ? from : next;
          expect(nextOccurrence(timetable, before)).toBe(onIt);
        }
      }),
      RUNS,
    );
  });

  test('times rise strictly and are the same backwards', () => {
    fc.assert(
      fc.property(plan, time, (timetable, from) => {
        const ahead = occurrencesBetween(timetable, { afterMs: from, untilMs: from + 400 * DAY_MS, limit: 60 });
        for (let index = 1; index < ahead.length; index += 1) {
          expect(ahead[index]).toBeGreaterThan(ahead[index - 1] ?? Number.NaN);
        }
        const back: number[] = [];
        for (let before = ahead.at(-1) ?? from; back.length < ahead.length - 1; ) {
          before = previousOccurrence(timetable, before) ?? Number.NaN;
          back.push(before);
        }
        expect(back.reverse()).toEqual(ahead.slice(0, -1));
      }),
      RUNS,
    );
  });

  test('whole milliseconds between two ticks all answer the later one', () => {
    fc.assert(
      fc.property(plan, time, fc.double({ min: 0, max: 1, noNaN: true }), (timetable, from, part) => {
        const first = nextOccurrence(timetable, from);
        const second = first === undefined ? undefined : nextOccurrence(timetable, first);
        if (first === undefined || second === undefined) return;
        const between = Math.floor(first + part * (second - 1 - first));
        expect(nextOccurrence(timetable, between)).toBe(second);
        expect(previousOccurrence(timetable, between + 1)).toBe(first);
      }),
      RUNS,
    );
  });

  test('startAt and endAt cut the ticks that there would be, both included', () => {
    fc.assert(
      fc.property(plan, time, (timetable, from) => {
        const open = { ...timetable, startAt: null, endAt: null };
        const window = { afterMs: from, untilMs: from + 900 * DAY_MS, limit: 50 };
        const all = occurrencesBetween(open, window);
        const startAt = all[10] ?? from;
        const endAt = all[30] ?? from + 900 * DAY_MS;
        const cut = occurrencesBetween({ ...open, startAt, endAt }, window);
        expect(cut).toEqual(all.filter((at) => at >= startAt && at <= endAt));
      }),
      RUNS,
    );
  });
});

describe('every', () => {
  test('stands on anchor + k periods, wherever one looks from', () => {
    const everyPlan = fc.tuple(fc.integer({ min: 1_000, max: 400 * DAY_MS }), time, time);
    fc.assert(
      fc.property(everyPlan, ([every, anchorAt, from]) => {
        const timetable: Timetable = {
          spec: { every },
          timezone: 'UTC',
          dst: { gap: 'next', repeat: 'first' },
          dayMatch: 'either',
          startAt: null,
          endAt: null,
          anchorAt,
        };
        const next = nextOccurrence(timetable, from) ?? Number.NaN;
        expect((next - anchorAt) % every).toBe(0);
        expect(next).toBeGreaterThanOrEqual(anchorAt);
        if (from >= anchorAt) expect(next - from).toBeLessThanOrEqual(every);
        else expect(next).toBe(anchorAt);
      }),
      RUNS,
    );
  });
});

test('jitter stays within its bounds, is stable, and spreads', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 64 }), time, fc.integer({ min: 0, max: 400 * DAY_MS }), (name, at, jitterMs) => {
      const jitter = jitterOf(name, at, jitterMs);
      expect(Number.isInteger(jitter) && jitter >= 0 && jitter <= jitterMs).toBe(true);
      expect(jitterOf(name, at, jitterMs)).toBe(jitter);
    }),
    RUNS,
  );
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let minute = 0; minute < 10_000; minute += 1) {
    const tenth = Math.floor(jitterOf('report', Date.UTC(2026, 0, 1) + minute * 60_000, 999) / 100);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) expect(count).toBeGreaterThan(850);
  for (const count of tenths) expect(count).toBeLessThan(1_150);
});

test('a year of previews takes milliseconds', () => {
  const plan = { timezone: 'Europe/Berlin', dst: { gap: 'next', repeat: 'first' }, dayMatch: 'either' } as const;
  const from = Date.UTC(2026, 0, 1);
  preview({ ...plan, spec: { cron: '0 9 * * *' } }, { from, count: 10 });
  const measure = (text: string, count: number): number => {
    const began = performance.now();
    expect(preview({ ...plan, spec: { cron: text } }, { from, count })).toHaveLength(count);
    return performance.now() - began;
  };
  expect(measure('0 9 * * *', 365)).toBeLessThan(100);
  expect(measure('0 * * * *', 8_760)).toBeLessThan(500);
});
