import { describe, expect, it } from 'vitest';
import { child, World } from './harness.ts';

// Compared with OTP 25 as strategies.test.ts says.

const significant = (id: string, restart: 'transient' | 'temporary' = 'transient') =>
  child(id, { restart, significant: true });

describe('any_significant', () => {
  const options = { autoShutdown: 'any_significant' as const };

  it('ends when a significant transient child ends normally; the rest is stopped in reverse', async () => {
    const world = new World();
    await world.start({ ...options, children: [child('a'), significant('s'), child('b')] });
    world.lines();
    await world.tell('s', 'finish');
    expect(world.lines()).toEqual([
      'child-exited s#1 normal',
      'child-exited b#1 shutdown',
      'child-exited a#1 shutdown',
    ]);
    expect(await world.sup.exited).toBe('shutdown');
  });

  it('restarts a significant transient child that crashes', async () => {
    const world = new World();
    await world.start({ ...options, children: [significant('s')] });
    await world.tell('s', 'crash');
    expect(world.state()).toBe('s:running');
  });

  it('ends when a significant temporary child crashes', async () => {
    const world = new World();
    await world.start({ ...options, children: [significant('s', 'temporary'), child('a')] });
    await world.tell('s', 'crash');
    expect(await world.sup.exited).toBe('shutdown');
  });

  it('does not end for one that is not significant, nor for one that is terminated by hand', async () => {
    const world = new World();
    await world.start({ ...options, children: [significant('s'), child('t', { restart: 'transient' })] });
    await world.tell('t', 'finish');
    await world.sup.terminateChild('s');
    expect(world.state()).toBe('s:- t:-');
  });
});

describe('all_significant', () => {
  const options = { autoShutdown: 'all_significant' as const };

  it('ends with the last of them that ends by itself', async () => {
    const world = new World();
    await world.start({ ...options, children: [significant('s'), significant('t', 'temporary'), child('a')] });
    await world.tell('t', 'crash');
    expect(world.state()).toBe('s:running a:running');
    await world.tell('s', 'finish');
    expect(await world.sup.exited).toBe('shutdown');
  });

  it('does not count those that do not run', async () => {
    const world = new World();
    await world.start({ ...options, children: [significant('s'), significant('t'), child('a')] });
    await world.sup.terminateChild('t');
    expect(world.state()).toBe('s:running t:- a:running');
    await world.tell('s', 'finish');
    expect(await world.sup.exited).toBe('shutdown');
  });
});
