import { describe, expect, it } from 'vitest';
import { type ChildSpec, type SupervisorOptions, supervisor } from '../../../src/supervisor/supervisor.ts';
import { BOOM, child, gated, refusal, World } from './harness.ts';

const inner = (options: Partial<SupervisorOptions> = {}, spec: Partial<ChildSpec> = {}): ChildSpec => ({
  id: 'inner',
  type: 'supervisor',
  start: () => supervisor({ name: 'inner', children: [child('x'), child('y')], ...options }),
  ...spec,
});

describe('a supervisor below another', () => {
  it('has started its children before it is reported started, and stops them before it is reported ended', async () => {
    const world = new World();
    await world.start({ children: [inner()] });
    await world.sup.stop();
    expect(world.lines()).toEqual([
      'child-started inner/x#1',
      'child-started inner/y#1',
      'child-started inner#1',
      'child-exited inner/y#1 shutdown',
      'child-exited inner/x#1 shutdown',
      'child-exited inner#1 shutdown',
    ]);
  });

  it('has a handle that is looked up afresh', async () => {
    const world = new World();
    await world.start({ children: [inner({ intensity: 0 }), child('a')] });
    const first = world.sup.supervisor('inner');
    expect(first?.name).toBe('inner');
    expect(first?.child('x')?.getSnapshot().status).toBe('active');
    expect(world.sup.supervisor('a')).toBeUndefined();
    expect(world.sup.supervisor('nobody')).toBeUndefined();
    first?.child('x')?.send({ type: 'crash' });
    await world.clock.settle();
    expect(await first?.exited).toBe('shutdown');
    expect(await refusal(first?.deleteChild('x') ?? Promise.resolve())).toBe('noproc');
    const second = world.sup.supervisor('inner');
    expect(second?.child('x')).toBeDefined();
    await second?.startChild(child('z'));
    expect(second?.countChildren()).toEqual({ specs: 3, active: 3, supervisors: 0, workers: 3 });
  });

  it('that gives up ends with shutdown: exit, gave-up, the rest in reverse, then its own exit', async () => {
    const world = new World();
    await world.start({ children: [inner({ intensity: 0 }, { restart: 'transient' })] });
    world.lines();
    world.sup.supervisor('inner')?.child('x')?.send({ type: 'crash' });
    await world.clock.settle();
    expect(world.lines()).toEqual([
      'child-exited inner/x#1 boom',
      'gave-up inner/x#1 reached_max_restart_intensity',
      'child-exited inner/y#1 shutdown',
      'child-exited inner#1 shutdown',
    ]);
    expect(world.state()).toBe('inner:-'); // transient, and shutdown is no abnormal exit
  });

  it('that is killed takes its children with it, all the way down', async () => {
    const world = new World();
    const middle = {
      id: 'middle',
      type: 'supervisor' as const,
      start: () => supervisor({ name: 'middle', children: [inner()] }),
      shutdown: 'brutal_kill' as const,
    };
    await world.start({ children: [middle] });
    const x = world.sup.supervisor('middle')?.supervisor('inner')?.child('x');
    world.lines();
    await world.sup.terminateChild('middle');
    expect(world.lines()).toEqual([
      'child-exited inner/y#1 killed',
      'child-exited inner/x#1 killed',
      'child-exited middle/inner#1 killed',
      'child-exited middle#1 killed',
    ]);
    expect(x?.getSnapshot().status).toBe('stopped');
  });

  it('whose time is over is killed while it waits for a deaf child', async () => {
    const world = new World();
    const deaf = [child('x', { shutdown: 'deaf' })];
    await world.start({ children: [inner({ children: deaf }, { shutdown: 100 })] });
    world.lines();
    const done = world.sup.terminateChild('inner');
    await world.clock.advance(100);
    await done;
    expect(world.lines()).toEqual(['child-exited inner/x#1 killed', 'child-exited inner#1 killed']);
  });

  it('that somebody else stops was killed, and is restarted', async () => {
    const world = new World();
    await world.start({ children: [inner()] });
    world.sup.child('inner')?.stop();
    await world.clock.settle();
    expect(world.lines().slice(3)).toEqual([
      'child-exited inner/y#1 killed',
      'child-exited inner/x#1 killed',
      'child-exited inner#1 killed',
      'child-started inner/x#1',
      'child-started inner/y#1',
      'child-restarted inner#2 killed',
    ]);
  });

  it('whose handle is stopped is restarted when permanent', async () => {
    const world = new World();
    await world.start({ children: [inner()] });
    expect(await world.sup.supervisor('inner')?.stop()).toBe('shutdown');
    await world.clock.settle();
    expect(world.lines().at(-1)).toBe('child-restarted inner#2 shutdown');
  });

  it('keeps the cause of a failed start through every level', async () => {
    const { gate, spec } = gated('x');
    gate.failing = true;
    const world = new World();
    const failed = await world
      .start({ children: [child('a'), inner({ children: [child('w'), spec] })] })
      .catch((e) => e);
    expect(failed).toMatchObject({
      code: 'failed_to_start_child',
      cause: { code: 'failed_to_start_child', cause: BOOM },
    });
    expect(world.lines()).toEqual([
      'child-started a#1',
      'child-started inner/w#1',
      'start-failed inner/x#1 boom',
      'child-exited inner/w#1 shutdown',
      expect.stringMatching(/^start-failed inner#1 /),
      'child-exited a#1 shutdown',
    ]);
  });

  it('with options that do not fit does not start', async () => {
    const world = new World();
    const failed = await world.start({ children: [inner({ intensity: -1 })] }).catch((error) => error);
    expect(failed).toMatchObject({ code: 'failed_to_start_child', cause: { code: 'invalid_intensity' } });
  });

  it('cannot be ended by a message that pretends it has', async () => {
    const world = new World();
    await world.start({ children: [inner()] });
    const exit = { kind: 'normal' };
    world.sup.child('inner')?.send({ type: 'rota.supervisor.ended', keeper: {}, exit });
    await world.clock.settle();
    expect(world.state()).toBe('inner:running');
  });

  it('shows in the tree', async () => {
    const world = new World();
    await world.start({ children: [inner(), child('a')] });
    expect(world.sup.tree().children?.map((node) => [node.id, node.children?.map(({ id }) => id)])).toEqual([
      ['inner', ['x', 'y']],
      ['a', undefined],
    ]);
  });
});
