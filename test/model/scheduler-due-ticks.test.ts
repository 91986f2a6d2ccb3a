import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DECISIONS_MAX,
  type DueTicks,
  dueTicks,
  MISSED_LISTED_MAX,
  nextTick,
  type TickingSchedule,
} from '../../src/scheduler/due-ticks.ts';
import { jitterOf } from '../../src/scheduler/jitter.ts';
import { occurrencesBetween, timetableOf } from '../../src/scheduler/occurrences.ts';
import { SCHEDULE_DEFAULTS, type ScheduleDeclaration } from '../../src/scheduler/schedule.ts';

const RUNS = { numRuns: Number(process.env.ROTA_RUNS ?? 400) };
const BORN = Date.UTC(2026, 2, 28, 12, 0, 0);
const MINUTE_MS = 60_000;

const declaration = fc.record({
  spec: fc.constantFrom<ScheduleDeclaration['spec']>(
    { cron: '* * * * *' },
    { cron: '*/7 * * * *' },
    { cron: '0 3 * * *' },
    { cron: '30 0-5 * * *' },
    { every: 1_000 },
    { every: 90_000 },
    { at: BORN + 5 * MINUTE_MS },
  ),
  timezone: fc.constantFrom('UTC', 'Europe/Berlin'),
  overlap: fc.constantFrom<ScheduleDeclaration['overlap']>('allow', 'skip', 'cancel_running'),
  misfire: fc.record({
    policy: fc.constantFrom<'latest' | 'skip' | 'all'>('latest', 'skip', 'all'),
    max: fc.constantFrom(1, 3, 100),
    graceMs: fc.constantFrom(0, 5_000, 10 * MINUTE_MS),
  }),
  jitterMs: fc.constantFrom(0, 0, 700, 20_000, 10 * MINUTE_MS),
  maxRuns: fc.constantFrom(null, null, 1, 5),
  startAt: fc.constantFrom(null, null, BORN + 3 * MINUTE_MS),
  endAt: fc.constantFrom(null, null, BORN + 600 * MINUTE_MS),
});

type Drawn = typeof declaration extends fc.Arbitrary<infer T> ? T : never;

function scheduleOf(drawn: Drawn): TickingSchedule {
  const whole: ScheduleDeclaration = { ...SCHEDULE_DEFAULTS, ...drawn, job: { type: 'x', queue: 'default' } };
  return {
    name: 'subject',
    declaration: whole,
    anchorAt: drawn.startAt ?? BORN,
    cursorAt: BORN,
    runs: 0,
    pausedBy: null,
    endedAt: null,
    lastState: null,
  };
}

/** What the store would hold after the decisions. */
function obey(schedule: TickingSchedule, due: DueTicks): TickingSchedule {
  const fired = due.decisions.filter(({ verdict }) => verdict === 'fire').length;
  return {
    ...schedule,
    cursorAt: due.cursorAt,
    runs: schedule.runs + fired,
    lastState: fired > 0 ? 'executing' : schedule.lastState,
  };
}

/** Steps of a clock: mostly on, sometimes far ahead, sometimes back; and whether the last job has ended by then. */
const hostileClock = fc.array(
  fc.record({
    stepMs: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 * MINUTE_MS }) },
      { weight: 1, arbitrary: fc.integer({ min: -2 * 3_600_000, max: 0 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 * 3_600_000 }) },
    ),
    ended: fc.boolean(),
  }),
  { minLength: 1, maxLength: 40 },
);

describe('under a hostile clock', () => {
  test('each tick is dealt with once, in order, never early; the cursor never goes back', () => {
    fc.assert(
      fc.property(declaration, hostileClock, (drawn, steps) => {
        let schedule = scheduleOf(drawn);
        let now = BORN;
        const seen = new Set<number>();
        for (const { stepMs, ended } of steps) {
          now += stepMs;
          if (ended && schedule.lastState !== null) schedule = { ...schedule, lastState: 'completed' };
          const due = dueTicks(schedule, now);
          expect(due.cursorAt).toBeGreaterThanOrEqual(schedule.cursorAt);
          let last = schedule.cursorAt;
          for (const { nominalAt } of due.decisions) {
            expect(nominalAt).toBeGreaterThan(last);
            expect(seen.has(nominalAt)).toBe(false);
            expect(nominalAt + jitterOf('subject', nominalAt, drawn.jitterMs)).toBeLessThanOrEqual(now);
            seen.add(nominalAt);
            last = nominalAt;
          }
          expect(due.cursorAt).toBe(last);
          schedule = obey(schedule, due);
          if (drawn.maxRuns !== null) expect(schedule.runs).toBeLessThanOrEqual(drawn.maxRuns);
          if (due.nextAt !== undefined && due.decisions.length < DECISIONS_MAX) expect(due.nextAt).toBeGreaterThan(now);
        }
      }),
      RUNS,
    );
  });

  test('every tick is fired, skipped or missed: none is forgotten', () => {
    fc.assert(
      fc.property(
        declaration,
        fc.array(fc.integer({ min: 0, max: 10 * 3_600_000 }), { maxLength: 12 }),
        (drawn, steps) => {
          let schedule = scheduleOf({ ...drawn, maxRuns: null });
          let now = BORN;
          for (const stepMs of steps) {
            now += stepMs;
            for (let round = 0; round < 1_000; round += 1) {
              const due = dueTicks(schedule, now);
              const window = { afterMs: schedule.cursorAt, untilMs: due.cursorAt, limit: 100_000 };
              const ticks = occurrencesBetween(timetableOf(schedule), window);
              const listedMissed = due.decisions.filter(({ verdict }) => verdict === 'missed').length;
              const dealt = due.decisions.length - listedMissed + due.missed.count;
              if (due.missed.more) expect(dealt).toBeLessThanOrEqual(ticks.length);
              else expect(dealt).toBe(ticks.length);
              expect(listedMissed).toBe(Math.min(due.missed.count, MISSED_LISTED_MAX));
              schedule = obey(schedule, due);
              if (due.nextAt === undefined || due.nextAt > now) break;
            }
          }
        },
      ),
      RUNS,
    );
  });

  test('the misfire policies: at most one late job, none, or at most max; a punctual tick is never missed', () => {
    fc.assert(
      fc.property(declaration, hostileClock, (drawn, steps) => {
        let schedule = scheduleOf(drawn);
        let now = BORN;
        const { policy, max, graceMs } = drawn.misfire;
        for (const { stepMs } of steps) {
          now += stepMs;
          const due = dueTicks(schedule, now);
          const late = due.decisions.filter((tick) => tick.verdict === 'fire' && tick.late);
          expect(late.length).toBeLessThanOrEqual({ latest: 1, skip: 0, all: max }[policy]);
          const missed = due.decisions.filter(({ verdict }) => verdict === 'missed');
          for (const { nominalAt } of [...late, ...missed]) {
            expect(now - nominalAt).toBeGreaterThan(graceMs + drawn.jitterMs);
          }
          const newestMissed = missed.at(-1)?.nominalAt ?? Number.NEGATIVE_INFINITY;
          for (const { nominalAt } of late) expect(nominalAt).toBeGreaterThan(newestMissed);
          schedule = obey(schedule, due);
        }
      }),
      RUNS,
    );
  });

  test('overlap: skip never starts a second job, cancel_running says which start cancels', () => {
    fc.assert(
      fc.property(declaration, hostileClock, (drawn, steps) => {
        let schedule = scheduleOf(drawn);
        let now = BORN;
        for (const { stepMs, ended } of steps) {
          now += stepMs;
          if (ended && schedule.lastState !== null) schedule = { ...schedule, lastState: 'completed' };
          let running = schedule.lastState === 'executing';
          for (const tick of dueTicks(schedule, now).decisions) {
            if (tick.verdict !== 'fire') continue;
            if (drawn.overlap === 'skip') expect(running).toBe(false);
            expect(tick.cancelRunning).toBe(running && drawn.overlap === 'cancel_running');
            running = true;
          }
          schedule = obey(schedule, dueTicks(schedule, now));
        }
      }),
      RUNS,
    );
  });

  test('what the list says comes next is what fires next', () => {
    fc.assert(
      fc.property(declaration, fc.integer({ min: 0, max: 20 * 3_600_000 }), (drawn, aheadMs) => {
        const now = BORN + aheadMs;
        let schedule = scheduleOf({ ...drawn, overlap: 'allow' });
        for (;;) {
          const due = dueTicks(schedule, now);
          schedule = obey(schedule, due);
          if (due.nextAt === undefined || due.nextAt > now) break;
        }
        const next = nextTick(schedule, now);
        const due = dueTicks(schedule, now);
        // Jitter may let an earlier tick of the queue wait for one before it.
        if (drawn.jitterMs === 0) expect(next?.fireAt).toBe(due.nextAt);
        else expect(next === undefined).toBe(due.nextAt === undefined);
      }),
      RUNS,
    );
  });
});
