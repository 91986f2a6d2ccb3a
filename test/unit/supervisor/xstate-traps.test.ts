import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assign, createActor, createMachine, fromCallback, fromPromise, fromTransition, sendTo } from 'xstate';
import { BOOM, child, World } from './harness.ts';

/** Each of these is something that XState 5 does and that the supervisor must not fall for. */
describe('the traps of XState', () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  let others: NodeJS.UncaughtExceptionListener[] = [];

  beforeEach(() => {
    uncaught.length = 0;
    others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.on('uncaughtException', note);
  });

  afterEach(async () => {
    await new Promise((resolve) => setTimeout(resolve, 1)); // XState throws again from a timer of its own
    process.off('uncaughtException', note);
    for (const listener of others) process.on('uncaughtException', listener);
    expect(uncaught).toEqual([]);
  });

  /** A callback logic that notes whether it runs. */
  const noisy = (running: Set<string>, name: string) =>
    fromCallback(() => {
      running.add(name);
      return () => running.delete(name);
    });

  it('an actor whose own action throws leaves no running grandchildren', async () => {
    const running = new Set<string>();
    const world = new World();
    const start = () =>
      createMachine({
        invoke: { src: noisy(running, 'invoked') },
        entry: assign({ ref: ({ spawn }) => spawn(noisy(running, 'spawned')) }),
        on: {
          crash: {
            actions: [
              assign({ late: ({ spawn }) => spawn(noisy(running, 'spawned late')) }),
              () => {
                throw BOOM;
              },
            ],
          },
        },
      });
    await world.start({ children: [{ id: 'a', start, restart: 'temporary' }] });
    expect([...running]).toEqual(['spawned', 'invoked']);
    await world.tell('a', 'crash');
    expect([...running]).toEqual([]);
    expect(world.lines().at(-1)).toBe('child-exited a#1 boom');
  });

  it('an entry that throws after it has spawned leaves nothing either', async () => {
    const running = new Set<string>();
    const world = new World();
    await world.start({});
    const start = () =>
      createMachine({
        entry: [
          assign({ ref: ({ spawn }) => spawn(noisy(running, 'spawned')) }),
          () => {
            throw BOOM;
          },
        ],
      });
    expect(await world.sup.startChild({ id: 'a', start }).catch((error) => error.cause)).toBe(BOOM);
    expect([...running]).toEqual([]);
  });

  it('a grandchild that fails fails the child, once', async () => {
    const world = new World();
    const start = () => createMachine({ invoke: { src: fromPromise(() => Promise.reject(BOOM)) } });
    await world.start({ children: [{ id: 'a', start, restart: 'temporary' }] });
    await world.clock.settle();
    expect(world.lines()).toEqual(['child-started a#1', 'child-exited a#1 boom']);
  });

  it('an observer without an error handler does not bring the process down', async () => {
    const world = new World();
    await world.start({ children: [child('a', { restart: 'temporary' })] });
    const seen: string[] = [];
    const actor = world.sup.child('a');
    actor?.subscribe(() => seen.push('function'));
    actor?.subscribe({ next: () => seen.push('object') });
    actor?.subscribe({ error: () => seen.push('error') });
    await world.tell('a', 'crash');
    actor?.subscribe(() => seen.push('too late'));
    expect(seen).toEqual(['error']);
  });

  it("events with XState's own names are not let in", async () => {
    const world = new World();
    const start = () =>
      createMachine({
        initial: 'on',
        invoke: { id: 'inner', src: fromCallback(() => {}), onDone: '.off' },
        states: { on: { after: { 1000: 'off' } }, off: { type: 'final' } },
      });
    await world.start({ children: [{ id: 'a', start }] });
    const actor = world.sup.child('a');
    for (const type of [
      'xstate.stop',
      'xstate.init',
      'xstate.error.actor.inner',
      'xstate.done.actor.inner',
      'xstate.done.state.(machine)',
      'xstate.after.1000.(machine).on',
    ]) {
      actor?.send({ type, error: BOOM, actorId: 'inner' });
    }
    actor?.getSnapshot().children.inner.send({ type: 'xstate.stop' });
    actor?.send(undefined as never);
    await world.clock.settle();
    expect(world.sup.child('a')).toBe(actor);
    expect(actor?.getSnapshot().value).toBe('on');
    expect(actor?.getSnapshot().children.inner.getSnapshot().status).toBe('active');
    await world.clock.advance(1000); // its own timer does arrive
    expect(world.lines().at(-1)).toBe('child-restarted a#2 normal');
  });

  it('a promise that is rejected after the stop is nobody’s business', async () => {
    const { promise, reject } = Promise.withResolvers<never>();
    const world = new World();
    const start = () => createMachine({ invoke: { src: fromPromise(() => promise) } });
    await world.start({ children: [{ id: 'a', start }] });
    await world.sup.terminateChild('a');
    reject(BOOM);
    await world.clock.settle();
    expect(world.lines()).toEqual(['child-started a#1', 'child-exited a#1 shutdown leaked']);
  });

  it('timers over 24.8 days fire when they are due, and a stopped actor leaves none', async () => {
    const world = new World();
    const start = () =>
      createMachine({
        initial: 'on',
        states: { on: { after: { 5000000000: 'off' } }, off: { type: 'final' } },
      });
    await world.start({ children: [{ id: 'a', start }] });
    await world.clock.advance(4_999_999_999);
    expect(world.lines()).toEqual(['child-started a#1']);
    await world.clock.advance(1);
    expect(world.lines()).toEqual(['child-exited a#1 normal', 'child-restarted a#2 normal']);
    await world.sup.stop();
    expect(world.clock.pending).toBe(0);
  });

  it('exit actions do not run on stop, so that cleanup belongs to the transition for shutdown', async () => {
    const ran: string[] = [];
    const machine = (shutdown: boolean) => () =>
      createMachine({
        initial: 'on',
        ...(shutdown && { on: { shutdown: '.off' } }),
        states: { on: { exit: () => ran.push('exit') }, off: { type: 'final' } },
      });
    const world = new World();
    await world.start({
      children: [
        { id: 'deaf', start: machine(false) },
        { id: 'polite', start: machine(true) },
      ],
    });
    await world.sup.terminateChild('deaf');
    expect(ran).toEqual([]);
    await world.sup.terminateChild('polite');
    expect(ran).toEqual(['exit']);
  });

  it('snapshots are never the truth: a stopped transition actor still says active', async () => {
    const bare = createActor(fromTransition((n: number) => n, 0)).start();
    bare.stop();
    expect(bare.getSnapshot().status).toBe('active');
    const world = new World();
    await world.start({ children: [{ id: 'a', start: () => fromTransition((n: number) => n, 0) }] });
    const actor = world.sup.child('a');
    await world.sup.terminateChild('a');
    expect(actor?.getSnapshot().status).toBe('active');
    expect(world.sup.child('a')).toBeUndefined();
    expect(world.sup.countChildren().active).toBe(0);
  });

  it('a child that stops itself, or calls its own supervisor, in an action is not served inside of it', async () => {
    const world = new World();
    const start = () =>
      createMachine({
        on: {
          suicide: { actions: ({ self }) => self.stop() },
          restart: { actions: () => void world.sup.terminateChild('a').then(() => world.sup.restartChild('a')) },
        },
      });
    await world.start({ children: [{ id: 'a', start, restart: 'transient' }] });
    await world.tell('a', 'suicide');
    await world.tell('a', 'restart');
    expect(world.lines().slice(1)).toEqual([
      'child-exited a#1 killed',
      'child-restarted a#2 killed',
      'child-exited a#2 shutdown',
      'child-restarted a#3 shutdown',
    ]);
  });

  it('a failing child that is stopped while its own child talks back does not come to life again', async () => {
    const world = new World();
    const echo = fromCallback<{ type: string }>(({ receive, sendBack }) => receive(() => sendBack({ type: 'crash' })));
    const start = () =>
      createMachine({
        invoke: { id: 'echo', src: echo },
        on: {
          go: { actions: [sendTo('echo', { type: 'ping' }), sendTo('echo', { type: 'ping' })] },
          crash: {
            actions: () => {
              throw BOOM;
            },
          },
        },
      });
    await world.start({ children: [{ id: 'a', start, restart: 'temporary' }] });
    await world.tell('a', 'go');
    expect(world.lines()).toEqual(['child-started a#1', 'child-exited a#1 boom']);
  });

  it('a long-lived child that spawns and stops many is not weighed down by them', async () => {
    let running = 0;
    const step = fromCallback(() => {
      running += 1;
      return () => {
        running -= 1;
      };
    });
    const start = () =>
      createMachine({
        initial: 'a',
        states: { a: { invoke: { src: step }, on: { next: { target: 'a', reenter: true } } } },
      });
    const world = new World();
    await world.start({ children: [{ id: 'a', start }] });
    for (let n = 0; n < 1000; n++) world.sup.child('a')?.send({ type: 'next' });
    expect(running).toBe(1);
    world.sup.child('a')?.stop();
    expect(running).toBe(0);
  });
});
