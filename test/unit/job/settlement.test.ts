import { describe, expect, it } from 'vitest';
import type { JobErrorEntry } from '../../../src/job/job.ts';
import { LIMITS } from '../../../src/job/limits.ts';
import type { Outcome } from '../../../src/job/outcome.ts';
import { DELAY_MS_MAX } from '../../../src/job/retry-policy.ts';
import { cancelFromOutside, type ExecutingJob, rescue, settle } from '../../../src/job/settlement.ts';
import { JOB_STATES } from '../../../src/job/state.ts';

const NOW = 1_000_000;
const world = { now: NOW, random: () => 0 };
const job = (part: Partial<ExecutingJob> = {}): ExecutingJob => ({
  state: 'executing',
  attempt: 2,
  maxAttempts: 5,
  backoff: null,
  errors: [],
  attemptedAt: NOW - 300,
  scheduledAt: NOW - 500,
  finishedAt: null,
  result: null,
  ...part,
});
const fail: Outcome = { outcome: 'fail', error: { kind: 'timeout', message: 'too slow' } };

describe('settling', () => {
  it('completes with the result', () => {
    expect(settle(job(), { outcome: 'complete', result: { a: 1 } }, world)).toEqual({
      state: 'completed',
      attempt: 2,
      scheduledAt: NOW - 500,
      finishedAt: NOW,
      result: { a: 1 },
      errors: [],
      fact: { what: 'completed', detail: { durationMs: 300, result: { a: 1 } } },
    });
  });

  it('keeps a result up to the limit and says why a larger one is missing', () => {
    const largest = 'x'.repeat(LIMITS.resultBytesMax - 2);
    expect(settle(job(), { outcome: 'complete', result: largest }, world)?.result).toBe(largest);
    const over = settle(job(), { outcome: 'complete', result: `${largest}x` }, world);
    expect(over).toMatchObject({ state: 'completed', result: null, errors: [{ at: NOW, attempt: 2, kind: 'result' }] });
    expect(over?.errors[0]?.message).toContain(String(LIMITS.resultBytesMax + 1));
    const told = settle(job(), { outcome: 'complete', result: null, resultFault: 'is no JSON' }, world);
    expect(told?.errors).toEqual([{ at: NOW, attempt: 2, kind: 'result', message: 'is no JSON' }]);
  });

  it('retries a failure by the policy, by the default, or when the handler says', () => {
    const entry: JobErrorEntry = { at: NOW, attempt: 2, kind: 'timeout', message: 'too slow' };
    const nextAt = NOW + 19_000;
    expect(settle(job(), fail, world)).toMatchObject({
      state: 'retryable',
      attempt: 2,
      scheduledAt: nextAt,
      finishedAt: null,
      errors: [entry],
      fact: { what: 'retryable', detail: { nextAt, durationMs: 300, error: { kind: 'timeout', message: 'too slow' } } },
    });
    const backoff = { kind: 'constant', baseMs: 70 } as const;
    expect(settle(job({ backoff }), fail, world)?.scheduledAt).toBe(NOW + 70);
    expect(settle(job({ backoff }), { ...fail, retryInMs: 5 }, world)?.scheduledAt).toBe(NOW + 5);
    expect(settle(job(), { ...fail, retryInMs: DELAY_MS_MAX * 9 }, world)?.scheduledAt).toBe(NOW + DELAY_MS_MAX);
  });

  it('discards a failure of the last attempt', () => {
    const settled = settle(job({ attempt: 5 }), fail, world);
    expect(settled).toMatchObject({ state: 'discarded', finishedAt: NOW, scheduledAt: NOW - 500 });
    expect(settled?.fact).toMatchObject({ what: 'discarded', detail: { error: { kind: 'timeout' } } });
    expect(settled?.fact.detail).not.toHaveProperty('nextAt');
  });

  it('hands the attempt back without an entry: snooze to its time, release to where it was', () => {
    expect(settle(job(), { outcome: 'snooze', forMs: 60 }, world)).toMatchObject({
      state: 'scheduled',
      attempt: 1,
      scheduledAt: NOW + 60,
      errors: [],
      fact: { what: 'snoozed', detail: { nextAt: NOW + 60 } },
    });
    expect(settle(job(), { outcome: 'release' }, world)).toMatchObject({
      state: 'available',
      attempt: 1,
      scheduledAt: NOW - 500,
      errors: [],
      fact: { what: 'released' },
    });
  });

  it("ends by the handler's word whatever attempts are left", () => {
    const cancelled = settle(job(), { outcome: 'cancel', reason: 'gone' }, world);
    expect(cancelled).toMatchObject({
      state: 'cancelled',
      finishedAt: NOW,
      errors: [{ kind: 'cancelled', message: 'gone' }],
    });
    const discarded = settle(job(), { outcome: 'discard', reason: 'bad' }, world);
    expect(discarded).toMatchObject({
      state: 'discarded',
      finishedAt: NOW,
      errors: [{ kind: 'discarded', message: 'bad' }],
    });
  });

  it('refuses a job that is not executing', () => {
    const outcomes: Outcome[] = [
      { outcome: 'complete', result: null },
      fail,
      { outcome: 'snooze', forMs: 1 },
      { outcome: 'discard', reason: 'r' },
      { outcome: 'release' },
    ];
    for (const state of JOB_STATES.filter((name) => name !== 'executing')) {
      for (const outcome of outcomes) expect(settle(job({ state }), outcome, world)).toBeUndefined();
      expect(rescue(job({ state }), NOW)).toBeUndefined();
    }
  });

  it('keeps the newest 20 errors', () => {
    const errors = Array.from(
      { length: 20 },
      (_, at): JobErrorEntry => ({ at, attempt: at, kind: 'error', message: 'x' }),
    );
    const settled = settle(job({ errors, attempt: 1 }), fail, world);
    expect(settled?.errors).toHaveLength(20);
    expect(settled?.errors[0]?.at).toBe(1);
    expect(settled?.errors.at(-1)?.kind).toBe('timeout');
    expect(errors).toHaveLength(20);
  });
});

describe('rescue', () => {
  it('counts the attempt and makes the job available at once, or discards it at its limit', () => {
    expect(rescue(job(), NOW)).toMatchObject({
      state: 'available',
      attempt: 2,
      scheduledAt: NOW,
      errors: [{ kind: 'orphaned', attempt: 2 }],
      fact: { what: 'rescued', detail: { error: { kind: 'orphaned' } } },
    });
    expect(rescue(job({ attempt: 5 }), NOW)).toMatchObject({
      state: 'discarded',
      finishedAt: NOW,
      fact: { what: 'discarded' },
    });
  });
});

describe('cancel from outside', () => {
  it('leaves an entry only where an attempt was running', () => {
    expect(cancelFromOutside(job(), NOW)).toMatchObject({ state: 'cancelled', errors: [{ kind: 'cancelled' }] });
    for (const state of ['scheduled', 'available', 'retryable'] as const) {
      const cancelled = cancelFromOutside(job({ state }), NOW);
      expect(cancelled).toMatchObject({ state: 'cancelled', finishedAt: NOW, errors: [], fact: { what: 'cancelled' } });
    }
    for (const state of ['completed', 'cancelled', 'discarded'] as const) {
      expect(cancelFromOutside(job({ state }), NOW)).toBeUndefined();
    }
  });
});
