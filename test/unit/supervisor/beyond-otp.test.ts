import { describe, expect, it } from 'vitest';
import { createMachine, fromCallback } from 'xstate';
import { backoffMs } from '../../../src/supervisor/backoff.ts';
import { type ChildSpec, holdUntil, supervisor } from '../../../src/supervisor/supervisor.ts';
import { BOOM, child, gated, World } from './harness.ts';

const slow = (id: string, spec: Partial<ChildSpec> = {}): ChildSpec => ({
  id,
  start: () =>
    createMachine({
      initial: 'opening',
      on: {
        shutdown: '.closed',
        fail: {
          actions: () => {
            throw BOOM;
          },
        },
      },
      states: { opening: { after: { 100: 'open' } }, open: { tags: 'ready' }, closed: { type: 'final' } },
    }),
  ready: (snapshot) => snapshot.hasTag('ready'),
  ...spec,
});

describe('readiness', () => {
  it('the next sibling starts when the one before is ready', async () => {
    const world = new World();
    const started = world.start({ children: [slow('a'), child('b')] });
    await world.clock.advance(99);
    expect(world.lines()).toEqual([]);
    await world.clock.advance(1);
    await started;
    expect(world.lines()).toEqual(['child-started a#1', 'child-started b#1']);
  });

  it('one that is not ready in time has failed to start, and is stopped', async () => {
    const world = new World();
    const started = world.start({ children: [child('b'), slow('a', { startTimeoutMs: 50 })] }).catch((error) => error);
    await world.clock.advance(50);
    expect(await started).toMatchObject({ code: 'failed_to_start_child', cause: { code: 'start_timeout' } });
    expect(world.lines().at(-1)).toBe('child-exited b#1 shutdown');
    expect(world.clock.pending).toBe(0);
  });

  it('one that ends before it is ready has failed to start', async () => {
    const world = new World();
    await world.start({});
    const early = (event: string) => {
      const start = () =>
        createMachine({
          initial: 'opening',
          states: {
            opening: { after: { 10: event } },
            bad: {
              entry: () => {
                throw BOOM;
              },
            },
            end: { type: 'final' },
          },
        });
      return world.sup.startChild({ id: event, start, ready: () => false }).catch((error) => error);
    };
    const [bad, end] = [early('bad'), early('end')];
    await world.clock.advance(20);
    expect(await bad).toMatchObject({ code: 'failed_to_start_child', cause: BOOM });
    expect(await end).toMatchObject({ code: 'failed_to_start_child', cause: { code: 'ended_before_ready' } });
    expect(world.state()).toBe('');
  });

  it('a predicate that throws is a failed start', async () => {
    const world = new World();
    await world.start({});
    const ready = () => {
      throw BOOM;
    };
    expect(await world.sup.startChild(slow('a', { ready })).catch((error) => error)).toMatchObject({ cause: BOOM });
    expect(world.clock.pending).toBe(0);
  });

  it('a restart waits for it too', async () => {
    const world = new World();
    const started = world.start({ strategy: 'one_for_all', children: [slow('a'), child('b')] });
    await world.clock.advance(100);
    await started;
    world.lines();
    await world.tell('b', 'crash');
    expect(world.state()).toBe('a:- b:-');
    await world.clock.advance(100);
    expect(world.state()).toBe('a:running b:running');
  });

  it('a nested supervisor that is not up in time stops what it has started', async () => {
    const world = new World();
    await world.start({});
    const start = () => supervisor({ name: 'inner', children: [child('x'), slow('y')] });
    const started = world.sup
      .startChild({ id: 'inner', type: 'supervisor', start, startTimeoutMs: 50 })
      .catch((error) => error);
    await world.clock.advance(50);
    expect(await started).toMatchObject({ cause: { code: 'start_timeout' } });
    expect(world.lines()).toEqual([
      'child-started inner/x#1',
      expect.stringMatching(/^start-failed inner\/y#1 "inner" not ready in 50 ms/),
      'child-exited inner/x#1 shutdown',
      expect.stringMatching(/^start-failed inner#1 "inner" not ready in 50 ms/),
    ]);
    expect(world.clock.pending).toBe(0);
  });
});

describe('a start that is given up', () => {
  it('fails, and what has started is stopped in reverse, on every level', async () => {
    const world = new World();
    const giveUp = new AbortController();
    const start = () => supervisor({ name: 'inner', children: [child('x'), slow('y'), child('z')] });
    const inner: ChildSpec = { id: 'inner', type: 'supervisor', start };
    const started = world.start({ children: [child('a'), inner, child('b')] }, giveUp.signal).catch((error) => error);
    await world.clock.advance(50);
    world.lines();
    giveUp.abort(BOOM);
    expect(await started).toMatchObject({ code: 'failed_to_start_child', cause: BOOM });
    expect(world.lines()).toEqual([
      'start-failed inner/y#1 boom',
      'child-exited inner/x#1 shutdown',
      'start-failed inner#1 boom',
      'child-exited a#1 shutdown',
    ]);
    expect(world.clock.pending).toBe(0);
  });

  it('before it began', async () => {
    const world = new World();
    const failed = await world.start({ children: [child('a')] }, AbortSignal.abort(BOOM)).catch((error) => error);
    expect(failed).toMatchObject({ code: 'failed_to_start_child', cause: BOOM });
    expect(world.lines()).toEqual([]);
  });

  it('is too late once all have started', async () => {
    const world = new World();
    const giveUp = new AbortController();
    await world.start({ children: [child('a')] }, giveUp.signal);
    giveUp.abort();
    expect(world.state()).toBe('a:running');
  });
});

describe('what a child holds outside', () => {
  const holding = (done: Promise<void>): ChildSpec => ({
    id: 'a',
    start: () => fromCallback(({ self }) => holdUntil(self, done)),
  });

  it('is waited for before the child is called ended, also when it fails', async () => {
    const world = new World();
    const { promise, resolve } = Promise.withResolvers<void>();
    await world.start({ children: [holding(promise)] });
    world.sup.child('a')?.stop();
    await world.clock.advance(4_000);
    expect(world.lines()).toEqual(['child-started a#1']);
    expect(world.sup.child('a')).toBeUndefined();
    resolve();
    await world.clock.settle();
    expect(world.lines()).toEqual(['child-exited a#1 killed', 'child-restarted a#2 killed']);
  });

  it('has leaked when it is not gone in 5 seconds', async () => {
    const world = new World();
    await world.start({ children: [holding(new Promise(() => {}))] });
    const done = world.sup.terminateChild('a');
    await world.clock.advance(5_000);
    await done;
    expect(world.lines().at(-1)).toBe('child-exited a#1 shutdown leaked');
  });
});

describe('backoff', () => {
  it('doubles from the least to the most, less its jitter', () => {
    const backoff = { minMs: 100, maxMs: 1000, jitter: 0.5 };
    const waits = [0, 1, 2, 3, 4, 100].map((attempt) => backoffMs(backoff, attempt, () => 0));
    expect(waits).toEqual([100, 200, 400, 800, 1000, 1000]);
    expect(backoffMs(backoff, 0, () => 0.5)).toBe(75);
  });

  it('waits before each restart, begins anew after a good run', async () => {
    const world = new World();
    await world.start({ backoff: { minMs: 100, maxMs: 400 }, children: [child('a')] });
    await world.tell('a', 'crash');
    expect(world.state()).toBe('a:restarting');
    await world.clock.advance(99);
    expect(world.state()).toBe('a:restarting');
    await world.clock.advance(1);
    expect(world.state()).toBe('a:running');
    await world.tell('a', 'crash');
    await world.clock.advance(199);
    expect(world.state()).toBe('a:restarting');
    await world.clock.advance(1);
    expect(world.state()).toBe('a:running');
    await world.clock.advance(400);
    await world.tell('a', 'crash');
    await world.clock.advance(100);
    expect(world.state()).toBe('a:running');
  });

  it('waits between failed attempts, of which each is one restart', async () => {
    const { gate, spec } = gated('a', { backoff: { minMs: 100, maxMs: 100 } });
    const world = new World();
    await world.start({ intensity: 3, periodSeconds: 100, children: [spec] });
    gate.failing = true;
    await world.tell('a', 'crash'); // counts 1
    await world.clock.advance(200); // counts 2
    expect(gate.starts).toBe(3);
    await world.clock.advance(100); // counts 3
    expect(world.state()).toBe('a:restarting');
    await world.clock.advance(100); // one too many
    expect(await world.sup.exited).toBe('shutdown');
  });

  it('terminateChild and stop cancel the wait', async () => {
    const world = new World();
    await world.start({ backoff: { minMs: 100, maxMs: 100 }, children: [child('a'), child('b')] });
    await world.tell('a', 'crash');
    await world.sup.terminateChild('a');
    expect(world.clock.pending).toBe(0);
    await world.tell('b', 'crash');
    await world.sup.stop();
    expect(world.clock.pending).toBe(0);
  });

  it('one_for_all stops the others at once and starts all after the wait', async () => {
    const world = new World();
    const children = [child('a'), child('b')];
    await world.start({ strategy: 'one_for_all', backoff: { minMs: 100, maxMs: 100 }, children });
    await world.tell('b', 'crash');
    expect(world.state()).toBe('a:- b:restarting');
    await world.clock.advance(100);
    expect(world.state()).toBe('a:running b:running');
  });
});

describe('a thousand children', () => {
  it('cost no more than linear time, to start, restart and stop', async () => {
    const cost = async (count: number): Promise<number> => {
      const world = new World();
      const from = performance.now();
      const children = Array.from({ length: count }, (_, n) => child(`c${n}`));
      await world.start({ strategy: 'one_for_all', children });
      await world.tell('c0', 'crash');
      await world.sup.stop();
      return performance.now() - from;
    };
    const least = async (count: number) => Math.min(await cost(count), await cost(count), await cost(count));
    const [few, many] = [await least(200), await least(2000)];
    expect(many / few).toBeLessThan(40); // ten times as many; a quadratic cost would be a hundred
  });
});
