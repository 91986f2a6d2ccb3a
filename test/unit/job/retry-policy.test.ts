import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BackoffPolicy,
  constant,
  DELAY_MS_MAX,
  exponential,
  linear,
  retryDelayMs,
} from '../../../src/job/retry-policy.ts';

const none = () => 0;
const delays = (policy: BackoffPolicy | null, attempts: number[]) =>
  attempts.map((attempt) => retryDelayMs(policy, attempt, none));

describe('the delay after a failure', () => {
  it('is 15 s + 2^attempt s by default, with the exponent at most 20', () => {
    expect(delays(null, [1, 2, 3, 10])).toEqual([17_000, 19_000, 23_000, 1_039_000]);
    expect(delays(null, [20, 21, 1_000])).toEqual(Array(3).fill(15_000 + 2 ** 20 * 1_000));
  });

  it('doubles, grows or stays by its policy, up to its maximum', () => {
    expect(delays(exponential({ base: '2s' }), [1, 2, 3, 4])).toEqual([2_000, 4_000, 8_000, 16_000]);
    expect(delays(linear({ base: '2s' }), [1, 2, 3])).toEqual([2_000, 4_000, 6_000]);
    expect(delays(constant({ base: 250 }), [1, 99])).toEqual([250, 250]);
    expect(delays(exponential({ base: '1m', max: '5m' }), [1, 3, 4, 1_000])).toEqual([
      60_000, 240_000, 300_000, 300_000,
    ]);
  });

  it('is never over 365 days, with any policy, attempt and jitter', () => {
    expect(delays(exponential({ base: '1d' }), [1_000])).toEqual([DELAY_MS_MAX]);
    const policies = fc.record({
      kind: fc.constantFrom<BackoffPolicy['kind']>('exponential', 'linear', 'constant'),
      baseMs: fc.nat(36_525 * 86_400_000),
      jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(
        policies,
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (policy, attempt, drawn) => {
          const plain = retryDelayMs({ ...policy, jitter: 0 }, attempt, none);
          const delay = retryDelayMs(policy, attempt, () => drawn);
          expect(Number.isSafeInteger(delay)).toBe(true);
          expect(delay).toBeLessThanOrEqual(DELAY_MS_MAX);
          expect(delay).toBeGreaterThanOrEqual(plain);
          expect(delay).toBeLessThanOrEqual(Math.round(plain * (1 + policy.jitter)) + 1);
        },
      ),
    );
  });

  it('adds up to a tenth at random, or what the policy says, after the maximum', () => {
    const most = () => 0.999_999;
    expect(retryDelayMs(null, 1, most)).toBe(18_700);
    expect(retryDelayMs(constant({ base: '10s', jitter: 0 }), 1, most)).toBe(10_000);
    expect(retryDelayMs(constant({ base: '20s', max: '10s', jitter: 1 }), 1, most)).toBe(20_000);
  });

  it('stays a number however often a job was retried by hand', () => {
    for (const base of [0, 1, '1s'] as const) {
      for (const make of [exponential, linear, constant]) {
        const delay = retryDelayMs(make({ base, jitter: 0 }), 5_000, none);
        expect([Number.isSafeInteger(delay), delay <= DELAY_MS_MAX]).toEqual([true, true]);
      }
    }
  });

  it('refuses bad durations and jitters when it is declared', () => {
    for (const make of [exponential, linear, constant]) {
      // Callers without types may pass anything.
      for (const options of [{ base: '5' }, { max: '-1s' }, { jitter: 1.1 }, { jitter: Number.NaN }] as object[]) {
        expect(() => make(options)).toThrow(expect.objectContaining({ code: 'invalid_config' }));
      }
    }
  });
});
