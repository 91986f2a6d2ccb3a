import { describe, expect, test } from 'vitest';
import { FaultyWorld } from './faulty-world.ts';

/** Where the node kills itself on a job's way from its enqueue to its settlement. */
const JOURNEY: Record<string, readonly string[]> = {
  'while a job is inserted': [
    ...['insert:commit#3', 'insert:committed#5', 'insert:reply#4', 'insert:replied#3'],
    ...['enqueue:reply#6', 'enqueue:replied#5'],
  ],
  'while it is claimed and started': [
    ...['claim:sent#3', 'claim:commit#4', 'claim:committed#3', 'claim:reply#5', 'claim:replied#3', 'run:sent#4'],
    ...['run:answered#2', 'handler:before#9', 'handler:after#8'],
  ],
  'while it begins before it is durable': ['begun:written#2', 'begun:handed#3', 'begun:written#4', 'begun:handed#2'],
  'while it is settled': [
    ...['settle:sent#6', 'settle:commit#5', 'settle:committed#4', 'settle:reply#6', 'settle:replied#4'],
    ...['settle:answered#5'],
  ],
};

describe('kill -9 at a named point, life after life', () => {
  test.each(Object.entries(JOURNEY))('%s keeps every promise', async (_when, faults) => {
    const world = await FaultyWorld.make();
    for (const fault of faults) await world.dieAt(fault);
    expect(await world.settle()).toEqual([]);
  });

  test('a disk that does not sync costs the persistence thread alone, and no promise', async () => {
    const world = await FaultyWorld.make();
    for (const fault of ['disk:sync#20', 'disk:sync#35', 'disk:sync#50']) await world.outlive(fault, 'persistence');
    await world.dieAt('disk:sync#40');
    expect(await world.settle()).toEqual([]);
  });
});
