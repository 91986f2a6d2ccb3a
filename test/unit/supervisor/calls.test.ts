import { describe, expect, it } from 'vitest';
import { BOOM, child, gated, refusal, World, worker } from './harness.ts';

// Results and refusals were compared with OTP 25 as strategies.test.ts says, also of children that are restarting.

describe('startChild', () => {
  it('answers the actor, which runs', async () => {
    const world = new World();
    await world.start({});
    const actor = await world.sup.startChild(child('a'));
    expect(world.sup.child('a')).toBe(actor);
    expect(world.sup.whichChildren()).toEqual([{ id: 'a', actor, type: 'worker', incarnation: 1, restarts: 0 }]);
    expect(actor.getSnapshot().status).toBe('active');
  });

  it('refuses an id that is taken: already_started, already_present', async () => {
    const world = new World();
    await world.start({ children: [child('a')] });
    expect(await refusal(world.sup.startChild(child('a')))).toBe('already_started');
    await world.sup.terminateChild('a');
    expect(await refusal(world.sup.startChild(child('a')))).toBe('already_present');
  });

  it('a child that does not start is not kept', async () => {
    const { gate, spec } = gated('a');
    gate.failing = true;
    const world = new World();
    await world.start({});
    const error = await world.sup.startChild(spec).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'failed_to_start_child', cause: BOOM });
    expect(world.sup.whichChildren()).toEqual([]);
    gate.failing = false;
    await world.sup.startChild(spec);
    expect(world.state()).toBe('a:running');
  });
});

describe('terminateChild, restartChild, deleteChild', () => {
  it('stop, start again and forget', async () => {
    const world = new World();
    await world.start({ children: [child('a'), child('b')] });
    expect(await world.sup.terminateChild('a')).toBeUndefined();
    expect(world.state()).toBe('a:- b:running');
    expect(await world.sup.terminateChild('a')).toBeUndefined(); // as OTP: ok once more
    expect(await world.sup.restartChild('a')).toBe(world.sup.child('a'));
    await world.sup.terminateChild('a');
    expect(await world.sup.deleteChild('a')).toBeUndefined();
    expect(world.state()).toBe('b:running');
  });

  it('refuse what does not fit', async () => {
    const world = new World();
    await world.start({ children: [child('a')] });
    expect(await refusal(world.sup.restartChild('a'))).toBe('running');
    expect(await refusal(world.sup.deleteChild('a'))).toBe('running');
    for (const call of ['terminateChild', 'restartChild', 'deleteChild'] as const) {
      expect(await refusal(world.sup[call]('nobody'))).toBe('not_found');
    }
  });

  it('terminating a temporary child forgets it', async () => {
    const world = new World();
    await world.start({ children: [child('t', { restart: 'temporary' })] });
    await world.sup.terminateChild('t');
    expect(world.sup.whichChildren()).toEqual([]);
    expect(await refusal(world.sup.restartChild('t'))).toBe('not_found');
  });

  it('a restart that fails leaves the child where it was', async () => {
    const { gate, spec } = gated('a');
    const world = new World();
    await world.start({ children: [spec] });
    await world.sup.terminateChild('a');
    gate.failing = true;
    expect(await refusal(world.sup.restartChild('a'))).toBe('failed_to_start_child');
    expect(world.state()).toBe('a:-');
    await world.clock.settle();
    expect(gate.starts).toBe(2);
  });
});

describe('what can be seen', () => {
  it('children newest first, with their lives and restarts', async () => {
    const world = new World();
    await world.start({ children: [child('a'), child('b', { type: 'supervisor' })] });
    await world.sup.startChild(child('c', { restart: 'transient' }));
    await world.tell('a', 'crash');
    await world.tell('c', 'finish');
    expect(world.sup.whichChildren().map(({ actor: _, ...row }) => row)).toEqual([
      { id: 'c', type: 'worker', incarnation: 1, restarts: 0 },
      { id: 'b', type: 'supervisor', incarnation: 1, restarts: 0 },
      { id: 'a', type: 'worker', incarnation: 2, restarts: 1 },
    ]);
    expect(world.sup.countChildren()).toEqual({ specs: 3, active: 2, supervisors: 1, workers: 2 });
  });

  it('a child that has ended is not shown as running, even before its exit is served', async () => {
    const world = new World();
    await world.start({ children: [child('a')] });
    world.sup.child('a')?.send({ type: 'crash' });
    expect(world.sup.child('a')).toBeUndefined();
    expect(world.sup.countChildren().active).toBe(0);
    expect(world.sup.whichChildren()[0]?.actor).toBeUndefined();
  });

  it('the tree as plain data', async () => {
    const world = new World();
    await world.start({ children: [child('a')] });
    await world.tell('a', 'crash');
    expect(JSON.parse(JSON.stringify(world.sup.tree()))).toEqual({
      id: 'root',
      type: 'supervisor',
      status: 'running',
      incarnation: 1,
      restarts: 0,
      children: [{ id: 'a', type: 'worker', status: 'running', incarnation: 2, restarts: 1, lastReason: 'boom' }],
    });
  });
});

describe('a dead supervisor', () => {
  it('refuses all calls with noproc, and answers the rest with nothing', async () => {
    const world = new World();
    const sup = await world.start({ children: [child('a')] });
    await sup.stop();
    expect(await refusal(sup.startChild(child('b')))).toBe('noproc');
    expect(await refusal(sup.terminateChild('a'))).toBe('noproc');
    expect(await refusal(sup.restartChild('a'))).toBe('noproc');
    expect(await refusal(sup.deleteChild('a'))).toBe('noproc');
    expect(sup.child('a')).toBeUndefined();
    expect(sup.supervisor('a')).toBeUndefined();
    expect(sup.whichChildren()).toEqual([]);
    expect(sup.countChildren()).toEqual({ specs: 0, active: 0, supervisors: 0, workers: 0 });
    expect(await sup.stop()).toBe('shutdown');
    expect(sup.tree().status).toBe('stopped');
  });

  it('refuses calls that waited when it ended', async () => {
    const world = new World();
    const sup = await world.start({ children: [child('a', { start: () => worker({ shutdown: 'after 100' }) })] });
    const stopped = sup.stop();
    const waiting = sup.startChild(child('b'));
    const again = sup.stop();
    await world.clock.advance(100);
    expect(await refusal(waiting)).toBe('noproc');
    expect(await stopped).toBe('shutdown');
    expect(await again).toBe('shutdown');
  });

  it('a refusal that nobody looks at brings nothing down', async () => {
    const world = new World();
    const sup = await world.start({});
    void sup.terminateChild('nobody');
    await world.clock.settle(); // vitest fails on an unhandled rejection
    expect(sup.countChildren().specs).toBe(0);
  });
});
