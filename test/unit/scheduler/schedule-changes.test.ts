import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fingerprint } from '../../../src/scheduler/declaration-view.ts';
import { dueTicks } from '../../../src/scheduler/due-ticks.ts';
import { SCHEDULE_DEFAULTS, type ScheduleDeclaration } from '../../../src/scheduler/schedule.ts';
import {
  afterPause,
  afterPut,
  afterResume,
  afterSync,
  type ScheduleState,
  type StandingSchedule,
} from '../../../src/scheduler/schedule-changes.ts';

const T0 = Date.UTC(2026, 0, 5, 10, 0, 0);

const declaration: fc.Arbitrary<ScheduleDeclaration> = fc
  .record({
    spec: fc.constantFrom<ScheduleDeclaration['spec']>({ every: 1_000 }, { cron: '* * * * *' }, { at: T0 + 50_000 }),
    overlap: fc.constantFrom<ScheduleDeclaration['overlap']>('allow', 'skip'),
    startAt: fc.constantFrom(null, T0 + 20_000),
    enabled: fc.boolean(),
  })
  .map((part) => ({
    ...SCHEDULE_DEFAULTS,
    job: { type: 'a', queue: 'default' },
    misfire: { policy: 'all', max: 1_000, graceMs: 0 },
    ...part,
  }));

type Step = { afterMs: number } & (
  | { what: 'put' | 'sync'; declaration: ScheduleDeclaration }
  | { what: 'pause' | 'resume' | 'end' }
);
const afterMs = fc.integer({ min: 1, max: 90_000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ what: fc.constantFrom('put', 'sync'), declaration, afterMs }),
  fc.record({ what: fc.constantFrom('pause', 'resume', 'end'), afterMs }),
);

function take(before: StandingSchedule | undefined, step: Step, now: number): ScheduleState | undefined {
  if (step.what === 'put') return afterPut(before, step.declaration, now);
  if (step.what === 'sync') return afterSync(before, step.declaration, now);
  if (before === undefined) return undefined;
  if (step.what === 'pause') return afterPause(before);
  return step.what === 'resume' ? afterResume(before, now) : { ...before, endedAt: now };
}

const rests = (state: StandingSchedule | undefined): boolean =>
  state === undefined || state.pausedBy !== null || state.endedAt !== null;

test('a schedule that was out of runs and gets more makes up for nothing', () => {
  const declaration = {
    ...SCHEDULE_DEFAULTS,
    spec: { every: 1_000 },
    job: { type: 'a', queue: 'default' },
    maxRuns: 2,
  };
  const spent = { ...afterPut(undefined, declaration, T0), cursorAt: T0 + 2_000, runs: 2 };
  expect(afterPut(spent, { ...declaration, maxRuns: 9 }, T0 + 9_500).cursorAt).toBe(T0 + 9_500);
  expect(afterPut({ ...spent, runs: 1 }, { ...declaration, maxRuns: 9 }, T0 + 9_500).cursorAt).toBe(T0 + 2_000);
});

describe('a schedule through any changes', () => {
  test('makes up for nothing of the time when it was not, rested, or had another timetable', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        let now = T0;
        let state: StandingSchedule | undefined;
        for (const next of steps) {
          now += next.afterMs;
          const before = state;
          const taken = take(before, next, now);
          if (taken === undefined) continue;
          const after: StandingSchedule = { ...taken, runs: before?.runs ?? 0 };
          state = after;
          expect(after.pausedBy === null && !after.declaration.enabled, 'what is not enabled is paused').toBe(false);
          expect(after.cursorAt, 'no cursor goes back').toBeGreaterThanOrEqual(before?.cursorAt ?? 0);
          const sameSpec = JSON.stringify(before?.declaration.spec) === JSON.stringify(after.declaration.spec);
          if (!rests(before) && sameSpec) continue;
          const due = dueTicks({ ...after, name: 'a', runs: 0, lastState: null }, now);
          expect([due.decisions, due.missed.count], 'nothing is due at once').toEqual([[], 0]);
        }
      }),
    );
  });

  test('stays what it is when nothing is said anew', () => {
    fc.assert(
      fc.property(declaration, declaration, fc.boolean(), (first, second, fromConfig) => {
        const fresh = fromConfig ? afterSync(undefined, first, T0) : afterPut(undefined, first, T0);
        const made = { ...fresh, runs: 0 };
        expect(afterPut(made, structuredClone(first), T0 + 1)).toBe(made);
        expect(afterSync(made, structuredClone(first), T0 + 1)).toBe(made);
        const paused = { ...made, ...afterPause(made) };
        expect(paused.pausedBy).toBe('operator');
        expect(afterPause(paused)).toBe(paused);
        const going = { ...made, ...afterResume(paused, T0 + 1) };
        expect(going).toMatchObject({ pausedBy: null, endedAt: null, declaration: { enabled: true } });
        expect(afterResume(going, T0 + 2)).toBe(going);
        const changed = { ...made, ...afterPut(made, second, T0 + 1) };
        expect(changed.source).toBe(made.source);
        // A config entry remembers its own text, so that what a person changed holds until that changes.
        expect(changed.fingerprint).toBe(fingerprint(fromConfig ? first : second));
        expect(afterSync(changed, first, T0 + 2)).toBe(changed);
      }),
    );
  });
});
