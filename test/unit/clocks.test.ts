import { expect, test } from 'vitest';
import { FOLLOW_DOUBT_MS, followingClock, untilSharedBeat } from '../../src/kernel/clock.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

const START = Date.parse('2026-03-01T00:00:00Z');

test('follows another clock where they differ by more than the doubt, and only its wall time', () => {
  const own = new VirtualClock(START);
  const clock = followingClock(own);
  const monotonic = clock.monotonicMs();
  clock.follow(START + FOLLOW_DOUBT_MS, 0);
  expect(clock.offsetMs).toBe(0);
  clock.follow(START + 3_600_000, 400);
  expect(clock.now()).toBe(START + 3_600_000);
  clock.follow(START + 3_600_300, 400);
  expect(clock.offsetMs).toBe(3_600_000);
  clock.follow(START - 3_600_000, 400);
  expect(clock.now()).toBe(START - 3_600_000);
  expect(clock.monotonicMs()).toBe(monotonic);
});

test('parts with one period come together, each between half a period and one and a half from now', async () => {
  const clock = new VirtualClock(START);
  const beats: number[] = [];
  for (const at of [0, 700, 2_400, 2_600, 4_999]) {
    await clock.advance(at - clock.monotonicMs());
    const leftMs = untilSharedBeat(clock, 5_000);
    expect(leftMs).toBeGreaterThanOrEqual(2_500);
    expect(leftMs).toBeLessThan(7_500);
    beats.push((clock.monotonicMs() + leftMs) % 5_000);
  }
  expect(beats).toEqual([0, 0, 0, 0, 0]);
});
