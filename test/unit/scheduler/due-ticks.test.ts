import { describe, expect, test } from 'vitest';
import {
  cursorAfterChange,
  cursorAfterResume,
  DECISIONS_MAX,
  dueTicks,
  MISSED_LISTED_MAX,
  nextTick,
  rebootTick,
  sameTimes,
  type TickingSchedule,
} from '../../../src/scheduler/due-ticks.ts';
import { jitterOf } from '../../../src/scheduler/jitter.ts';
import { SCHEDULE_DEFAULTS, type ScheduleDeclaration } from '../../../src/scheduler/schedule.ts';

const at = (text: string): number => Date.parse(`2026-05-01T${text}Z`);

function declarationOf(fields: Partial<ScheduleDeclaration> = {}): ScheduleDeclaration {
  return {
    ...SCHEDULE_DEFAULTS,
    spec: { cron: '*/10 * * * *' },
    job: { type: 'report', queue: 'default' },
    ...fields,
  };
}

function scheduleOf(fields: Partial<ScheduleDeclaration> = {}, rest: Partial<TickingSchedule> = {}): TickingSchedule {
  return {
    name: 'report',
    declaration: declarationOf(fields),
    anchorAt: at('10:00:00'),
    cursorAt: at('10:00:00'),
    runs: 0,
    pausedBy: null,
    endedAt: null,
    lastState: null,
    ...rest,
  };
}

const fire = (text: string, late = false, cancelRunning = false) => ({
  nominalAt: at(text),
  verdict: 'fire',
  late,
  cancelRunning,
});
const misfire = (policy: 'latest' | 'skip' | 'all', max = 100, graceMs = 5_000) => ({
  misfire: { policy, max, graceMs },
});

describe('punctual ticks', () => {
  test('nothing is due before its time, to the millisecond', () => {
    const due = dueTicks(scheduleOf(), at('10:09:59.999'));
    expect(due).toEqual({
      decisions: [],
      missed: { count: 0, more: false },
      cursorAt: at('10:00:00'),
      nextAt: at('10:10:00'),
    });
  });

  test('a tick fires at its time and up to the end of its grace', () => {
    for (const now of ['10:10:00', '10:10:05']) {
      const due = dueTicks(scheduleOf(), at(now));
      expect(due.decisions, now).toEqual([fire('10:10:00')]);
      expect(due.cursorAt, now).toBe(at('10:10:00'));
      expect(due.nextAt, now).toBe(at('10:20:00'));
    }
    expect(dueTicks(scheduleOf(), at('10:10:05.001')).decisions).toEqual([fire('10:10:00', true)]);
  });

  test('several ticks within their grace all fire, in order', () => {
    const due = dueTicks(scheduleOf({ spec: { every: 1_000 } }), at('10:00:03'));
    expect(due.decisions).toEqual([fire('10:00:01'), fire('10:00:02'), fire('10:00:03')]);
  });

  test('the clock goes back: no tick is repeated and none comes early', () => {
    const schedule = scheduleOf({}, { cursorAt: at('10:10:00'), runs: 1 });
    const due = dueTicks(schedule, at('09:55:00'));
    expect(due).toMatchObject({ decisions: [], cursorAt: at('10:10:00'), nextAt: at('10:20:00') });
    expect(dueTicks(schedule, at('10:10:00')).decisions).toEqual([]);
    expect(dueTicks(schedule, at('10:20:00')).decisions).toEqual([fire('10:20:00')]);
  });

  test('more ticks than one call takes: the rest is due at once', () => {
    const schedule = scheduleOf({ spec: { every: 1_000 }, ...misfire('latest', 100, 3_600_000) });
    const due = dueTicks(schedule, at('10:30:00'));
    expect(due.decisions).toHaveLength(DECISIONS_MAX);
    expect(due.nextAt).toBe(at('10:30:00'));
    expect(dueTicks({ ...schedule, cursorAt: due.cursorAt }, at('10:30:00')).decisions).toHaveLength(800);
  });
});

describe('misfire', () => {
  const now = at('11:05:00'); // missed: 10:10, 10:20, … 11:00

  test('latest makes one job for the newest missed tick', () => {
    const due = dueTicks(scheduleOf(misfire('latest')), now);
    expect(due.decisions).toEqual([
      ...['10:10', '10:20', '10:30', '10:40', '10:50'].map((text) => ({
        nominalAt: at(`${text}:00`),
        verdict: 'missed',
        reason: 'latest',
      })),
      fire('11:00:00', true),
    ]);
    expect(due).toMatchObject({ missed: { count: 5, more: false }, cursorAt: at('11:00:00'), nextAt: at('11:10:00') });
  });

  test('skip makes none and records each', () => {
    const due = dueTicks(scheduleOf(misfire('skip')), now);
    expect(due.decisions.map(({ verdict }) => verdict)).toEqual(Array.from({ length: 6 }, () => 'missed'));
    expect(due.missed).toEqual({ count: 6, more: false });
    expect(due.cursorAt).toBe(at('11:00:00'));
  });

  test('all makes every one, or the newest max, oldest first', () => {
    expect(dueTicks(scheduleOf(misfire('all')), now).decisions).toHaveLength(6);
    const due = dueTicks(scheduleOf(misfire('all', 2)), now);
    expect(due.decisions.slice(-3)).toEqual([
      { nominalAt: at('10:40:00'), verdict: 'missed', reason: 'all' },
      fire('10:50:00', true),
      fire('11:00:00', true),
    ]);
    expect(due.missed).toEqual({ count: 4, more: false });
  });

  test('a punctual tick beside missed ones fires by itself', () => {
    const due = dueTicks(scheduleOf(misfire('latest')), at('10:30:02'));
    expect(due.decisions.slice(-2)).toEqual([fire('10:20:00', true), fire('10:30:00')]);
  });

  test('an at that was missed fires late, or not at all with skip', () => {
    const spec = { at: at('10:30:00') };
    expect(dueTicks(scheduleOf({ spec }), now)).toMatchObject({
      decisions: [fire('10:30:00', true)],
      nextAt: undefined,
    });
    expect(dueTicks(scheduleOf({ spec, ...misfire('skip') }), now).decisions[0]?.verdict).toBe('missed');
    expect(dueTicks(scheduleOf({ spec }, { cursorAt: at('10:30:00') }), now).decisions).toEqual([]);
  });

  test.each(['latest', 'skip', 'all'] as const)(
    'ten years without anybody cost no more than a moment: %s',
    (policy) => {
      const later = at('10:00:00') + 3_653 * 86_400_000;
      for (const spec of [{ cron: '* * * * *' }, { every: 1_000 }]) {
        const schedule = scheduleOf({ spec, ...misfire(policy, 50, 0) });
        const began = performance.now();
        const due = dueTicks(schedule, later);
        expect(performance.now() - began).toBeLessThan(200);
        expect(due.decisions.length).toBeLessThanOrEqual(MISSED_LISTED_MAX + 51);
        expect(due.cursorAt).toBe(later);
        const fired = { latest: 1, skip: 0, all: 50 }[policy];
        // Every second, without the tick of this very moment, which is punctual.
        if ('every' in spec) expect(due.missed).toEqual({ count: 3_653 * 86_400 - 1 - fired, more: false });
        else expect(due.missed).toEqual({ count: 1_000, more: true });
      }
    },
  );
});

describe('overlap', () => {
  const running = { lastState: 'executing' };

  test('allow does not look at the last job', () => {
    expect(dueTicks(scheduleOf({}, running), at('10:10:00')).decisions).toEqual([fire('10:10:00')]);
  });

  test.each(['scheduled', 'available', 'executing', 'retryable'])('skip while the last job is %s', (lastState) => {
    const due = dueTicks(scheduleOf({ overlap: 'skip' }, { lastState }), at('10:10:00'));
    expect(due.decisions).toEqual([{ nominalAt: at('10:10:00'), verdict: 'skipped', reason: 'overlap' }]);
    expect(due.cursorAt).toBe(at('10:10:00'));
  });

  test.each([null, 'completed', 'cancelled', 'discarded'])('skip lets it fire when the last job is %s', (lastState) => {
    const due = dueTicks(scheduleOf({ overlap: 'skip' }, { lastState }), at('10:10:00'));
    expect(due.decisions).toEqual([fire('10:10:00')]);
  });

  test('a job that this very call made counts as the last one', () => {
    const skip = dueTicks(scheduleOf({ overlap: 'skip', spec: { every: 1_000 } }), at('10:00:02'));
    expect(skip.decisions.map(({ verdict }) => verdict)).toEqual(['fire', 'skipped']);
    const cancel = dueTicks(scheduleOf({ overlap: 'cancel_running', spec: { every: 1_000 } }, running), at('10:00:02'));
    expect(cancel.decisions).toEqual([fire('10:00:01', false, true), fire('10:00:02', false, true)]);
    const fresh = dueTicks(scheduleOf({ overlap: 'cancel_running', spec: { every: 1_000 } }), at('10:00:02'));
    expect(fresh.decisions).toEqual([fire('10:00:01', false, false), fire('10:00:02', false, true)]);
  });
});

describe('limits of a schedule', () => {
  test('maxRuns: the last run fires, what is due beside it is skipped, then nothing', () => {
    const schedule = scheduleOf({ spec: { every: 1_000 }, maxRuns: 3 }, { runs: 1 });
    const due = dueTicks(schedule, at('10:00:03'));
    expect(due.decisions.map((tick) => (tick.verdict === 'skipped' ? tick.reason : tick.verdict))).toEqual([
      'fire',
      'fire',
      'maxRuns',
    ]);
    expect(due.nextAt).toBeUndefined();
    const spent = dueTicks({ ...schedule, runs: 3 }, at('10:00:09'));
    expect(spent).toMatchObject({ decisions: [], nextAt: undefined, cursorAt: schedule.cursorAt });
  });

  test('a skipped tick is no run', () => {
    const schedule = scheduleOf({ overlap: 'skip', maxRuns: 1 }, { lastState: 'executing' });
    expect(dueTicks(schedule, at('10:10:00'))).toMatchObject({ nextAt: at('10:20:00') });
  });

  test('endAt is the last time that counts, startAt the first', () => {
    const schedule = scheduleOf({ startAt: at('10:20:00'), endAt: at('10:30:00') });
    expect(dueTicks(schedule, at('10:10:01'))).toMatchObject({ decisions: [], nextAt: at('10:20:00') });
    expect(dueTicks(schedule, at('10:30:00')).decisions.at(-1)).toEqual(fire('10:30:00'));
    expect(dueTicks({ ...schedule, cursorAt: at('10:30:00') }, at('10:50:00'))).toMatchObject({
      decisions: [],
      nextAt: undefined,
    });
  });

  test('paused by anybody, or not enabled: nothing is due and the cursor stands', () => {
    const idle = { decisions: [], cursorAt: at('10:00:00'), nextAt: undefined };
    expect(dueTicks(scheduleOf({}, { pausedBy: 'operator' }), at('12:00:00'))).toMatchObject(idle);
    expect(dueTicks(scheduleOf({ enabled: false }), at('12:00:00'))).toMatchObject(idle);
  });
});

describe('jitter', () => {
  const schedule = scheduleOf({ jitterMs: 60_000 });
  const jitter = jitterOf('report', at('10:10:00'), 60_000);

  test('a tick fires at its nominal time plus its jitter, under its nominal time', () => {
    expect(jitter).toBeGreaterThan(0);
    const early = dueTicks(schedule, at('10:10:00') + jitter - 1);
    expect(early).toMatchObject({ decisions: [], cursorAt: at('10:00:00'), nextAt: at('10:10:00') + jitter });
    expect(dueTicks(schedule, at('10:10:00') + jitter).decisions).toEqual([fire('10:10:00')]);
  });

  test('it is missed only a grace after the end of its jitter', () => {
    expect(dueTicks(schedule, at('10:11:05')).decisions).toEqual([fire('10:10:00')]);
    expect(dueTicks(schedule, at('10:11:05.001')).decisions).toEqual([fire('10:10:00', true)]);
  });

  test('jitter longer than the period keeps the order and loses none', () => {
    const crowded = scheduleOf({ spec: { every: 1_000 }, jitterMs: 10_000 });
    let cursorAt = crowded.cursorAt;
    const fired: number[] = [];
    for (let now = cursorAt; now <= at('10:01:00'); now += 100) {
      const due = dueTicks({ ...crowded, cursorAt }, now);
      for (const { nominalAt, verdict } of due.decisions) {
        expect(verdict).toBe('fire');
        expect(now - nominalAt).toBeLessThanOrEqual(10_100);
        fired.push(nominalAt);
      }
      cursorAt = due.cursorAt;
    }
    expect(fired).toEqual(Array.from({ length: fired.length }, (_, index) => at('10:00:01') + index * 1_000));
    expect(fired.length).toBeGreaterThanOrEqual(50);
  });
});

describe('@reboot', () => {
  const reboot = (fields: Partial<ScheduleDeclaration> = {}, rest: Partial<TickingSchedule> = {}) =>
    rebootTick(scheduleOf({ spec: { cron: '@reboot' }, ...fields }, rest), at('12:00:00'));

  test('fires at a start and never by time', () => {
    expect(reboot()).toEqual(fire('12:00:00'));
    expect(rebootTick(scheduleOf(), at('12:00:00'))).toBeUndefined();
    expect(dueTicks(scheduleOf({ spec: { cron: '@reboot' } }), at('12:00:00'))).toMatchObject({
      decisions: [],
      nextAt: undefined,
    });
  });

  test('the policies hold for it', () => {
    expect(reboot({ overlap: 'skip' }, { lastState: 'executing' })).toMatchObject({ verdict: 'skipped' });
    expect(reboot({ enabled: false })).toBeUndefined();
    expect(reboot({}, { pausedBy: 'config' })).toBeUndefined();
    expect(reboot({ maxRuns: 1 }, { runs: 1 })).toBeUndefined();
    expect(reboot({ startAt: at('13:00:00') })).toBeUndefined();
    expect(reboot({ endAt: at('11:00:00') })).toBeUndefined();
  });
});

describe('the next tick, for lists', () => {
  test('after the cursor and not in the past', () => {
    expect(nextTick(scheduleOf(), at('10:34:00'))).toEqual({ nominalAt: at('10:40:00'), fireAt: at('10:40:00') });
    expect(nextTick(scheduleOf({}, { cursorAt: at('10:50:00') }), at('10:34:00'))?.nominalAt).toBe(at('11:00:00'));
    expect(nextTick(scheduleOf({ jitterMs: 60_000 }), at('10:10:00'))?.nominalAt).toBe(at('10:10:00'));
  });

  test('none when it is paused, spent, ended or fires at reboot', () => {
    expect(nextTick(scheduleOf({ enabled: false }), at('10:00:00'))).toBeUndefined();
    expect(nextTick(scheduleOf({ maxRuns: 2 }, { runs: 2 }), at('10:00:00'))).toBeUndefined();
    expect(nextTick(scheduleOf({ endAt: at('10:05:00') }), at('10:00:00'))).toBeUndefined();
    expect(nextTick(scheduleOf({ spec: { cron: '@reboot' } }), at('10:00:00'))).toBeUndefined();
  });
});

describe('the cursor after a change', () => {
  const before = { declaration: declarationOf(), cursorAt: at('09:00:00') };
  const now = at('10:00:00');

  test('new: now', () => {
    expect(cursorAfterChange(undefined, declarationOf(), now)).toBe(now);
  });

  test('the same times keep it, other times begin now', () => {
    const otherJob = declarationOf({ job: { type: 'other', queue: 'default' }, overlap: 'skip' });
    expect(sameTimes(before.declaration, otherJob)).toBe(true);
    expect(cursorAfterChange(before, otherJob, now)).toBe(at('09:00:00'));
    for (const change of [
      { spec: { cron: '*/5 * * * *' } },
      { spec: { every: 600_000 } },
      { timezone: 'Europe/Berlin' },
      { startAt: now },
      { dayMatch: 'both' as const },
    ]) {
      expect(cursorAfterChange(before, declarationOf(change), now), JSON.stringify(change)).toBe(now);
    }
  });

  test('one that was not enabled, or is resumed, never backfills', () => {
    const disabled = { ...before, declaration: declarationOf({ enabled: false }) };
    expect(cursorAfterChange(disabled, declarationOf(), now)).toBe(now);
    expect(cursorAfterResume(at('09:00:00'), now)).toBe(now);
    expect(cursorAfterResume(at('11:00:00'), now)).toBe(at('11:00:00'));
  });
});
