import { describe, expect, it } from 'vitest';
import { addRestart, type RestartTimes } from '../../../src/supervisor/restart-window.ts';
import { child, gated, World } from './harness.ts';

// The arithmetic is that of add_restart/1 in OTP 25's supervisor.erl.

describe('the restart window', () => {
  const verdicts = (atMs: number[], intensity: number, periodSeconds: number): boolean[] => {
    let times: RestartTimes = [];
    return atMs.map((ms) => {
      const answer = addRestart(times, ms, { intensity, periodSeconds });
      times = answer.times;
      return answer.exceeded;
    });
  };

  it('is exceeded by one more than the intensity', () => {
    expect(verdicts([0, 0, 0], 2, 5)).toEqual([false, false, true]);
    expect(verdicts([0], 0, 5)).toEqual([true]);
  });

  it('still counts a restart that is exactly the period old, in whole seconds', () => {
    expect(verdicts([0, 5000], 1, 5)).toEqual([false, true]);
    expect(verdicts([0, 5999], 1, 5)).toEqual([false, true]);
    expect(verdicts([0, 6000], 1, 5)).toEqual([false, false]);
    expect(verdicts([999, 6000], 1, 5)).toEqual([false, false]);
    expect(verdicts([999, 5999], 1, 5)).toEqual([false, true]);
  });

  it('rounds monotonic time down, also below zero', () => {
    expect(verdicts([-1, 4000], 1, 5)).toEqual([false, true]);
    expect(verdicts([-1001, 4000], 1, 5)).toEqual([false, false]);
  });

  it('holds one entry per second, however large the intensity', () => {
    let times: RestartTimes = [];
    for (let n = 0; n < 10_000; n++) times = addRestart(times, n, { intensity: 1e9, periodSeconds: 5 }).times;
    expect(times.length).toBe(6);
  });
});

describe('a supervisor that restarts too often', () => {
  it('stops the rest in reverse and ends with shutdown; reports in order', async () => {
    const world = new World();
    await world.start({ intensity: 1, children: [child('a'), child('b'), child('c')] });
    await world.tell('b', 'crash');
    world.lines();
    await world.tell('b', 'crash');
    expect(world.lines()).toEqual([
      'child-exited b#2 boom',
      'gave-up b#2 reached_max_restart_intensity',
      'child-exited c#1 shutdown',
      'child-exited a#1 shutdown',
    ]);
    expect(await world.sup.exited).toBe('shutdown');
    expect(await world.sup.stop()).toBe('shutdown');
  });

  it('is measured on monotonic time, whatever the wall clock does', async () => {
    const world = new World();
    await world.start({ intensity: 1, periodSeconds: 5, children: [child('a')] });
    await world.tell('a', 'crash');
    world.clock.setWall(world.clock.now() + 3_600_000);
    await world.clock.advance(5_000);
    await world.tell('a', 'crash');
    expect(world.sup.countChildren().specs).toBe(0);
  });

  it('forgets restarts older than the period', async () => {
    const world = new World();
    await world.start({ intensity: 1, periodSeconds: 5, children: [child('a')] });
    for (let round = 0; round < 5; round++) {
      await world.tell('a', 'crash');
      await world.clock.advance(6_000);
    }
    expect(world.state()).toBe('a:running');
  });

  it('one restart of many children is one entry; each failed attempt is one', async () => {
    const world = new World();
    const { gate, spec } = gated('b');
    await world.start({ strategy: 'one_for_all', intensity: 3, children: [child('a'), spec, child('c')] });
    await world.tell('a', 'crash'); // 1
    expect(world.state()).toBe('a:running b:running c:running');
    gate.failing = true;
    world.lines();
    await world.tell('c', 'crash'); // 2, and two retries: 3 and 4
    expect(world.lines().filter((line) => /failed|gave/.test(line))).toEqual([
      'start-failed b#3 boom',
      'start-failed b#4 boom',
      'gave-up b#4 reached_max_restart_intensity',
    ]);
    expect(await world.sup.exited).toBe('shutdown');
  });

  it('explicit calls cost nothing', async () => {
    const world = new World();
    await world.start({ intensity: 0, children: [child('a')] });
    for (let round = 0; round < 5; round++) {
      await world.sup.terminateChild('a');
      await world.sup.restartChild('a');
    }
    expect(world.state()).toBe('a:running');
  });

  it('a child that ends in its own start, for ever, is bounded and leaves the event loop free', async () => {
    const { createMachine } = await import('xstate');
    const world = new World();
    const done = () => createMachine({ initial: 'a', states: { a: { type: 'final' } } });
    await world.start({ intensity: 100_000, children: [] });
    await world.sup.startChild({ id: 'a', start: done });
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate); // would never come back otherwise
    expect(world.sup.countChildren().specs).toBe(1);
    await world.sup.terminateChild('a');
    await world.clock.settle();
    expect(world.state()).toBe('a:-');
  });
});
