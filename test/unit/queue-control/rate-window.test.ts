import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateWindow, type StartBucket } from '../../../src/job/rate-window.ts';

describe('the window of a rate', () => {
  it('never lets more start in any stretch of the period, and as many as that allows', () => {
    const steps = fc.array(fc.tuple(fc.nat(400), fc.nat(8)), { maxLength: 200 });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 1_000 }),
        steps,
        (limit, periodMs, asked) => {
          const window = new RateWindow({ limit, periodMs });
          const starts: number[] = [];
          let now = 0;
          for (const [waitMs, wanted] of asked) {
            now += waitMs;
            const inPeriod = starts.filter((at) => at > now - periodMs).length;
            expect(window.room(now)).toBe(limit - inPeriod);
            const nextAt = window.nextAt(now);
            expect(nextAt).toBe(inPeriod < limit ? null : (starts.at(-limit) ?? 0) + periodMs);
            const jobs = Math.min(wanted, window.room(now));
            if (jobs > 0) window.note(now, jobs);
            starts.push(...Array.from({ length: jobs }, () => now));
          }
        },
      ),
    );
  });

  it('is the same when it is made anew from the buckets that were kept, also after steps back of the clock', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: -300, max: 400 }), fc.nat(8)), { maxLength: 100 });
    fc.assert(
      fc.property(steps, (asked) => {
        const rate = { limit: 10, periodMs: 500 };
        const kept = new Map<number, StartBucket>();
        const window = new RateWindow(rate);
        let now = 1_000_000;
        for (const [waitMs, wanted] of asked) {
          now += waitMs;
          const jobs = Math.min(wanted, window.room(now));
          if (jobs > 0) {
            const { write, from } = window.note(now, jobs);
            for (const since of kept.keys()) if (since < from) kept.delete(since);
            for (const bucket of write) kept.set(bucket.since, bucket);
          }
          const anew = new RateWindow(
            rate,
            [...kept.values()].sort((a, b) => a.since - b.since),
          );
          // Until something starts again, a step back of the clock is only known to the window that saw it.
          if (jobs > 0) expect([anew.room(now), anew.nextAt(now)]).toEqual([window.room(now), window.nextAt(now)]);
          else expect(anew.room(now)).toBeLessThanOrEqual(window.room(now));
        }
      }),
    );
  });

  it('counts many starts of a long period together, late by a thousandth of it at most, in few buckets', () => {
    const rate = { limit: 100_000, periodMs: 1_000_000 };
    const window = new RateWindow(rate);
    const buckets = new Set<number>();
    let started = 0;
    for (let now = 0; now < rate.periodMs; now += 5) {
      const jobs = Math.min(1, window.room(now));
      started += jobs;
      if (jobs > 0) buckets.add(window.note(now, jobs).write.at(-1)?.since ?? 0);
    }
    expect(started).toBe(100_000);
    expect(buckets.size).toBeLessThanOrEqual(2_001);
    const nextAt = window.nextAt(rate.periodMs - 1) ?? 0;
    expect(nextAt).toBeGreaterThanOrEqual(rate.periodMs);
    expect(nextAt).toBeLessThanOrEqual(rate.periodMs * 1.001);
  });

  it('counts a start that was stamped before others as of theirs: a claim may wait, and another come first', () => {
    const window = new RateWindow({ limit: 2, periodMs: 1_000 });
    window.note(5_150, 1);
    expect(window.room(5_100)).toBe(1);
    expect(window.note(5_100, 1).write).toEqual([{ since: 5_150, at: 5_150, starts: 2 }]);
    expect(window.room(6_120)).toBe(0);
    expect(window.room(6_150)).toBe(2);
  });

  it('lets none start by the passing of time where the limit is none', () => {
    expect(new RateWindow({ limit: 0, periodMs: 1 }).nextAt(5)).toBe(Number.POSITIVE_INFINITY);
  });
});
