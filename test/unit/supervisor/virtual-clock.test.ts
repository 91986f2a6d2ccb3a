import { describe, expect, it } from 'vitest';
import { sleep } from '../../../src/kernel/clock.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

describe('the virtual clock', () => {
  it('fires timers in the order of their times, those of one time in the order they were made', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    for (const ms of [30, 10, 20, 10, 0, 30]) clock.setTimeout(() => fired.push(`${ms}@${clock.monotonicMs()}`), ms);
    await clock.advance(25);
    expect(fired).toEqual(['0@0', '10@10', '10@10', '20@20']);
    expect(clock.monotonicMs()).toBe(25);
    expect(clock.pending).toBe(2);
    expect(clock.nextDueMs).toBe(30);
  });

  it('sorts many timers as a plain sort does', async () => {
    const clock = new VirtualClock();
    const delays = Array.from({ length: 300 }, (_, n) => (n * 7919) % 101);
    const fired: number[] = [];
    const handles = delays.map((ms) => clock.setTimeout(() => fired.push(ms), ms));
    for (const handle of handles.slice(0, 50)) clock.clearTimeout(handle);
    expect(clock.pending).toBe(250);
    await clock.advance(1000);
    expect(fired).toEqual(delays.slice(50).toSorted((a, b) => a - b));
    expect(clock.pending).toBe(0);
  });

  it('lets what a timer sets off come to rest before the next one fires', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.setTimeout(async () => {
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
      seen.push('first is over');
      await sleep(clock, 5);
      seen.push(`first at ${clock.monotonicMs()}`);
    }, 10);
    clock.setTimeout(() => seen.push('second'), 11);
    await clock.advance(20);
    expect(seen).toEqual(['first is over', 'second', 'first at 15']);
  });

  it('ignores the clearing of a timer that has fired, was cleared, or never was', async () => {
    const clock = new VirtualClock();
    const handle = clock.setTimeout(() => {}, 1);
    await clock.advance(1);
    clock.clearTimeout(handle);
    clock.clearTimeout(undefined);
    const other = clock.setTimeout(() => {}, 1);
    clock.clearTimeout(other);
    clock.clearTimeout(other);
    expect(clock.pending).toBe(0);
    expect(clock.nextDueMs).toBeUndefined();
  });

  it('wall time passes with it, and jumps alone', async () => {
    const clock = new VirtualClock(1000);
    await clock.advance(5);
    expect(clock.now()).toBe(1005);
    clock.setWall(50);
    expect(clock.now()).toBe(50);
    await clock.advance(5);
    expect([clock.now(), clock.monotonicMs()]).toEqual([55, 10]);
  });
});
