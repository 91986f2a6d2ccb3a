import { describe, expect, it } from 'vitest';
import { startSupervisor } from '../../../src/supervisor/supervisor.ts';
import { BOOM, child, gated, refusal, World } from './harness.ts';

// Compared with OTP 25: random runs of strategies, crashes, failing starts, auto shutdown and calls (17 000 of them, 14
// steps each) went the same way here and under its own supervisor: same starts, stops, results and ends.

describe('starting', () => {
  it('goes from left to right, stopping from right to left', async () => {
    const world = new World();
    await world.start({ children: [child('a'), child('b'), child('c')] });
    expect(world.lines()).toEqual(['child-started a#1', 'child-started b#1', 'child-started c#1']);
    expect(await world.sup.stop()).toBe('shutdown');
    expect(world.lines()).toEqual([
      'child-exited c#1 shutdown',
      'child-exited b#1 shutdown',
      'child-exited a#1 shutdown',
    ]);
  });

  it('fails cleanly: those already started are stopped in reverse, the cause is kept', async () => {
    const { gate, spec } = gated('c');
    gate.failing = true;
    const world = new World();
    const failed = await world.start({ children: [child('a'), child('b'), spec, child('d')] }).catch((error) => error);
    expect(failed).toMatchObject({ code: 'failed_to_start_child', cause: BOOM });
    expect(world.lines()).toEqual([
      'child-started a#1',
      'child-started b#1',
      'start-failed c#1 boom',
      'child-exited b#1 shutdown',
      'child-exited a#1 shutdown',
    ]);
  });

  it('a throw of the entry action is a failed start', async () => {
    const { createMachine } = await import('xstate');
    const start = () =>
      createMachine({
        entry: () => {
          throw BOOM;
        },
      });
    const failed = await startSupervisor({ name: 'root', children: [{ id: 'a', start }] }).catch((error) => error);
    expect(failed).toMatchObject({ code: 'failed_to_start_child', cause: BOOM });
  });

  it('a start that answers no logic fails', async () => {
    const start = () => undefined as never;
    expect(await refusal(startSupervisor({ name: 'root', children: [{ id: 'a', start }] }))).toBe(
      'failed_to_start_child',
    );
  });

  it('the input goes to start, at each attempt, and to the actor', async () => {
    const seen: unknown[] = [];
    const { fromCallback } = await import('xstate');
    const start = (input: unknown) => {
      seen.push(['start', input]);
      return fromCallback(({ input: own }) => void seen.push(['actor', own]));
    };
    const world = new World();
    await world.start({ children: [{ id: 'a', start, input: { n: 1 } }] });
    expect(seen).toEqual([
      ['start', { n: 1 }],
      ['actor', { n: 1 }],
    ]);
  });
});

describe('one_for_one', () => {
  it('restarts only the one', async () => {
    const world = new World();
    await world.start({ children: [child('a'), child('b'), child('c')] });
    const before = world.sup.child('a');
    world.lines();
    await world.tell('b', 'crash');
    expect(world.lines()).toEqual(['child-exited b#1 boom', 'child-restarted b#2 boom']);
    expect(world.sup.child('a')).toBe(before);
  });

  it('a failed restart is tried again until it succeeds; meanwhile it is restarting', async () => {
    const { gate, spec } = gated('a');
    const world = new World();
    await world.start({ children: [spec, child('b')], intensity: 1000 });
    world.lines();
    gate.failing = true;
    world.sup.child('a')?.send({ type: 'crash' });
    while (gate.starts < 4) await new Promise(setImmediate);
    expect(world.state()).toBe('a:restarting b:running');
    expect(world.sup.countChildren()).toEqual({ specs: 2, active: 1, supervisors: 0, workers: 2 });
    gate.failing = false;
    await world.clock.settle();
    expect(world.state()).toBe('a:running b:running');
    expect(world.lines().slice(0, 3)).toEqual([
      'child-exited a#1 boom',
      'start-failed a#2 boom',
      'start-failed a#3 boom',
    ]);
  });

  it('between tries calls are served, and a child that is restarting refuses what it should', async () => {
    const { gate, spec } = gated('a');
    const world = new World();
    await world.start({ children: [spec], intensity: 1000 });
    gate.failing = true;
    world.sup.child('a')?.send({ type: 'crash' });
    while (gate.starts < 3) await new Promise(setImmediate);
    expect(await refusal(world.sup.restartChild('a'))).toBe('restarting');
    expect(await refusal(world.sup.deleteChild('a'))).toBe('restarting');
    expect(await refusal(world.sup.startChild(child('a')))).toBe('already_present');
    await world.sup.terminateChild('a');
    const tries = gate.starts;
    await world.clock.settle();
    expect(world.state()).toBe('a:-');
    expect(gate.starts).toBe(tries);
  });
});

describe('rest_for_one', () => {
  const options = { strategy: 'rest_for_one' as const };

  it('restarts the one and those after it; those after are stopped in reverse', async () => {
    const world = new World();
    await world.start({ ...options, children: [child('a'), child('b'), child('c'), child('d')] });
    world.lines();
    await world.tell('b', 'crash');
    expect(world.lines()).toEqual([
      'child-exited b#1 boom',
      'child-exited d#1 shutdown',
      'child-exited c#1 shutdown',
      'child-restarted b#2 boom',
      'child-restarted c#2 shutdown',
      'child-restarted d#2 shutdown',
    ]);
  });

  it('resumes from the child that failed', async () => {
    const { gate, spec } = gated('c');
    const world = new World();
    await world.start({ ...options, children: [child('a'), child('b'), spec, child('d')], intensity: 1000 });
    world.lines();
    gate.failing = true;
    world.sup.child('b')?.send({ type: 'crash' });
    while (gate.starts < 3) await new Promise(setImmediate);
    expect(world.state()).toBe('a:running b:running c:restarting d:-');
    gate.failing = false;
    await world.clock.settle();
    expect(world.lines().filter((line) => line.startsWith('child-restarted'))).toEqual([
      'child-restarted b#2 boom',
      expect.stringMatching(/^child-restarted c#\d+ boom$/),
      'child-restarted d#2 shutdown',
    ]);
    expect(world.state()).toBe('a:running b:running c:running d:running');
  });

  it('temporary ones after it are stopped and forgotten', async () => {
    const world = new World();
    await world.start({ ...options, children: [child('a'), child('t', { restart: 'temporary' }), child('b')] });
    await world.tell('a', 'crash');
    expect(world.state()).toBe('a:running b:running');
  });
});

describe('one_for_all', () => {
  const options = { strategy: 'one_for_all' as const };

  it('restarts all: the others are stopped in reverse, all are started in order', async () => {
    const world = new World();
    await world.start({ ...options, children: [child('a'), child('b'), child('c')] });
    world.lines();
    await world.tell('b', 'crash');
    expect(world.lines()).toEqual([
      'child-exited b#1 boom',
      'child-exited c#1 shutdown',
      'child-exited a#1 shutdown',
      'child-restarted a#2 shutdown',
      'child-restarted b#2 boom',
      'child-restarted c#2 shutdown',
    ]);
  });

  it('starts every non-temporary spec again, also one terminated by hand and one that had finished', async () => {
    const world = new World();
    const children = [
      child('a'),
      child('b'),
      child('c', { restart: 'transient' }),
      child('t', { restart: 'temporary' }),
    ];
    await world.start({ ...options, children });
    await world.sup.terminateChild('b');
    await world.tell('c', 'finish');
    expect(world.state()).toBe('a:running b:- c:- t:running');
    await world.tell('a', 'crash');
    expect(world.state()).toBe('a:running b:running c:running');
  });

  it('begins again when one fails: those started in the failed round are stopped first', async () => {
    const { gate, spec } = gated('b');
    const world = new World();
    await world.start({ ...options, children: [child('a'), spec, child('c')], intensity: 1000 });
    world.lines();
    gate.failing = true;
    world.sup.child('c')?.send({ type: 'crash' });
    while (gate.starts < 2) await new Promise(setImmediate);
    expect(world.state()).toBe('a:running b:restarting c:-');
    gate.failing = false;
    await world.clock.settle();
    expect(world.lines()).toEqual([
      'child-exited c#1 boom',
      'child-exited b#1 shutdown',
      'child-exited a#1 shutdown',
      'child-restarted a#2 shutdown',
      'start-failed b#2 boom',
      'child-exited a#2 shutdown',
      'child-restarted a#3 shutdown',
      'child-restarted b#3 boom',
      'child-restarted c#2 boom',
    ]);
  });

  it('two that crash together: the second is found dead, costs no restart and keeps its reason', async () => {
    const world = new World();
    await world.start({ ...options, intensity: 1, children: [child('a'), child('b')] });
    world.lines();
    world.sup.child('a')?.send({ type: 'crash' });
    world.sup.child('b')?.send({ type: 'crash' });
    await world.clock.settle();
    expect(world.lines()).toEqual([
      'child-exited a#1 boom',
      'child-exited b#1 boom',
      'child-restarted a#2 boom',
      'child-restarted b#2 boom',
    ]);
  });
});
