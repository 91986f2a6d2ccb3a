import { describe, expect, test } from 'vitest';
import { FaultyWorld } from './faulty-world.ts';

/** Where the node kills itself in what it does beside the journey of one job. */
const TOLD = ['event:published#5', 'flush:before#4', 'flush:after#3', 'announced:commit#3', 'announced:committed#2'];
const TIMED = [
  ...['stage:commit#2', 'stage:committed#2', 'rescue:commit#1', 'rescue:committed#1', 'beat:commit#2'],
  ...['tick:commit#1', 'tick:committed#1'],
];
const STOPPED = ['release:commit#1', 'release:committed#1', 'drain:sent#2', 'removeNode:committed#1', 'close:before#1'];

describe('kill -9 at a named point, life after life', () => {
  test('while ends are told keeps every promise', async () => {
    const world = await FaultyWorld.make();
    for (const fault of TOLD) await world.dieAt(fault);
    expect(await world.settle()).toEqual([]);
  });

  test('while jobs become due, are rescued, or are made by a schedule keeps every promise', async () => {
    const world = await FaultyWorld.make();
    for (const fault of TIMED) await world.dieAt(fault);
    expect(await world.settle()).toEqual([]);
    const ticks = await world.ticks();
    expect(new Set(ticks).size, 'a tick becomes at most one job').toBe(ticks.length);
    expect(ticks.length).toBeGreaterThan(0);
  });

  test('while the node stops keeps every promise', async () => {
    const world = await FaultyWorld.make();
    // Longer than the grace and what follows it: its attempt is handed back.
    const asked = async (): Promise<void> => {
      const id = await world.client.enqueue('slow', { ms: 2_600 }, { queue: 'slow', priority: 'critical' });
      world.load.acknowledged.push(id);
      await world.client.event(({ type, subject }) => type === 'jobs.job.started' && subject === id);
    };
    for (const fault of STOPPED) {
      await world.dieAt(fault, { asked: fault.startsWith('release') ? asked : () => world.load.more(10) });
    }
    expect(await world.settle()).toEqual([]);
  });
});
