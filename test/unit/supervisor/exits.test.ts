import { describe, expect, it } from 'vitest';
import { createMachine, fromCallback, fromPromise, fromTransition } from 'xstate';
import { BOOM, child, World, worker } from './harness.ts';

describe('how a child ends by itself', () => {
  // Compared with OTP 25 as strategies.test.ts says.
  const cases: [string, string, string, string][] = [
    ['permanent', 'finish', 'normal', 'a:running'],
    ['permanent', 'crash', 'boom', 'a:running'],
    ['transient', 'finish', 'normal', 'a:-'],
    ['transient', 'crash', 'boom', 'a:running'],
    ['temporary', 'finish', 'normal', ''],
    ['temporary', 'crash', 'boom', ''],
  ];
  for (const [restart, how, reason, state] of cases) {
    it(`${restart} ${how}: exit ${reason}, then "${state}"`, async () => {
      const world = new World();
      await world.start({ children: [child('a', { restart: restart as 'permanent' })] });
      world.lines();
      await world.tell('a', how);
      const restarted = state === 'a:running' ? [`child-restarted a#2 ${reason}`] : [];
      expect(world.lines()).toEqual([`child-exited a#1 ${reason}`, ...restarted]);
      expect(world.state()).toBe(state);
    });
  }

  it('a report carries what was thrown', async () => {
    const world = new World();
    await world.start({ children: [child('a')] });
    await world.tell('a', 'crash');
    expect(world.reports[1]).toMatchObject({ type: 'child-exited', supervisor: 'root', id: 'a', incarnation: 1 });
    expect(world.reports[1]?.reason).toBe(BOOM);
  });

  it('a promise that rejects is abnormal, one that resolves is normal', async () => {
    const world = new World();
    await world.start({
      children: [
        { id: 'bad', restart: 'temporary', start: () => fromPromise(() => Promise.reject(BOOM)) },
        { id: 'good', restart: 'temporary', start: () => fromPromise(async () => 1) },
      ],
    });
    await world.clock.settle();
    expect(world.lines().slice(2)).toEqual(['child-exited bad#1 boom', 'child-exited good#1 normal']);
  });

  it('a thrown string or nothing is never taken for one of the words', async () => {
    const world = new World();
    await world.start({
      children: [
        { id: 'a', restart: 'temporary', start: () => fromPromise(() => Promise.reject('normal')) },
        { id: 'b', restart: 'temporary', start: () => fromPromise(() => Promise.reject(undefined)) },
      ],
    });
    await world.clock.settle();
    expect(world.lines().slice(2)).toEqual([
      'child-exited a#1 ended abnormally: normal',
      'child-exited b#1 ended abnormally: undefined',
    ]);
  });

  it('one that somebody else stops was killed, which is abnormal', async () => {
    const world = new World();
    await world.start({ children: [child('a', { restart: 'transient' })] });
    world.sup.child('a')?.stop();
    await world.clock.settle();
    expect(world.lines().slice(1)).toEqual(['child-exited a#1 killed', 'child-restarted a#2 killed']);
  });
});

describe('how a child ends when it is asked to', () => {
  const stop = async (spec: Parameters<typeof child>[1], advanceMs = 0): Promise<string[]> => {
    const world = new World();
    await world.start({ children: [child('a', spec)] });
    world.lines();
    const done = world.sup.terminateChild('a');
    await world.clock.advance(advanceMs);
    await done;
    expect(world.state()).toBe('a:-');
    expect(world.clock.pending).toBe(0);
    return world.lines();
  };

  it('a machine that ends on shutdown', async () => {
    expect(await stop({ shutdown: 'end' })).toEqual(['child-exited a#1 shutdown']);
  });

  it('a machine that takes its time, within its time', async () => {
    expect(await stop({ shutdown: 'after 100' }, 100)).toEqual(['child-exited a#1 shutdown']);
  });

  it('a machine that hears and does nothing is killed when its 5 seconds are over', async () => {
    const world = new World();
    await world.start({ children: [child('a', { shutdown: 'deaf' })] });
    const actor = world.sup.child('a');
    const done = world.sup.terminateChild('a');
    await world.clock.advance(4999);
    expect(world.state()).toBe('a:running');
    await world.clock.advance(1);
    await done;
    expect(world.lines().at(-1)).toBe('child-exited a#1 killed');
    expect(actor?.getSnapshot().status).toBe('stopped');
  });

  it('a machine without a transition for shutdown is stopped at once, and that is shutdown', async () => {
    expect(await stop({ shutdown: 'none' })).toEqual(['child-exited a#1 shutdown']);
  });

  it('a wildcard is no transition for shutdown', async () => {
    const logic = () => createMachine({ on: { '*': { actions: () => {} } } });
    expect(await stop({ start: logic })).toEqual(['child-exited a#1 shutdown']);
  });

  it('a transition in another state counts: the machine has its time', async () => {
    const start = () =>
      createMachine({
        initial: 'cleaning',
        states: { idle: { on: { shutdown: 'done' } }, cleaning: { after: { 50: 'done' } }, done: { type: 'final' } },
      });
    const world = new World();
    await world.start({ children: [{ id: 'a', start }] });
    const done = world.sup.terminateChild('a');
    await world.clock.advance(50);
    await done;
    expect(world.lines().at(-1)).toBe('child-exited a#1 shutdown');
  });

  it('brutal_kill asks nobody', async () => {
    expect(await stop({ shutdown: 'brutal_kill' })).toEqual(['child-exited a#1 killed']);
  });

  it('a shutdown of 0 ms', async () => {
    expect(await stop({ start: () => worker({ shutdown: 'deaf' }), shutdown: 0 })).toEqual(['child-exited a#1 killed']);
  });

  it('infinity waits as long as it takes', async () => {
    const start = () =>
      createMachine({
        initial: 'on',
        states: { on: { on: { shutdown: 'off' } }, off: { after: { 3000000000: 'end' } }, end: { type: 'final' } },
      });
    expect(await stop({ start, shutdown: 'infinity' }, 3_000_000_000)).toEqual(['child-exited a#1 shutdown']);
  });

  it('an error while it is asked is abnormal and restarts nothing', async () => {
    expect(await stop({ shutdown: 'fail' })).toEqual(['child-exited a#1 boom']);
  });

  it('callback and transition logic are stopped at once; a callback that fails in its cleanup is abnormal', async () => {
    let disposed = 0;
    expect(await stop({ start: () => fromCallback(() => () => void disposed++) })).toEqual([
      'child-exited a#1 shutdown',
    ]);
    expect(disposed).toBe(1);
    expect(await stop({ start: () => fromTransition((n: number) => n + 1, 0) })).toEqual(['child-exited a#1 shutdown']);
    const failing = () =>
      fromCallback(() => () => {
        throw BOOM;
      });
    expect(await stop({ start: failing })).toEqual(['child-exited a#1 boom']);
  });

  it('a promise that is on its way cannot be stopped: leaked, and told so', async () => {
    let aborted = false;
    const start = () =>
      fromPromise(({ signal }) => new Promise(() => signal.addEventListener('abort', () => (aborted = true))));
    expect(await stop({ start })).toEqual(['child-exited a#1 shutdown leaked']);
    expect(aborted).toBe(true);
  });

  it('nothing else is served while a child is being stopped', async () => {
    const world = new World();
    await world.start({ children: [child('a', { shutdown: 'after 100' }), child('b')] });
    world.lines();
    const stopping = world.sup.terminateChild('a');
    const starting = world.sup.startChild(child('c'));
    await world.tell('b', 'crash');
    expect(world.lines()).toEqual([]);
    await world.clock.advance(100);
    await Promise.all([stopping, starting]);
    await world.clock.settle();
    expect(world.lines()).toEqual([
      'child-exited a#1 shutdown',
      'child-started c#1',
      'child-exited b#1 boom',
      'child-restarted b#2 boom',
    ]);
  });
});
