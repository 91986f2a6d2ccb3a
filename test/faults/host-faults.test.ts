import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { FaultyWorld } from './faulty-world.ts';

// Up to ten lives of a whole node each.
vi.setConfig({ testTimeout: 240_000 });

const config = fileURLToPath(new URL('../support/fault-config.ts', import.meta.url));
/** A node whose jobs run in threads or processes; where some spin until they are killed there are fewer. */
const makeWorld = (isolation: 'thread' | 'process', { spins = false } = {}): Promise<FaultyWorld> =>
  FaultyWorld.make({
    config,
    pauseMs: spins ? 300 : 60,
    one: (client, random) => {
      const type = spins && random() < 0.1 ? 'spin' : 'work';
      return client.enqueue(`${isolation}.${type}`, { ms: Math.floor(random() * 30) });
    },
  });

/** Where the node kills itself on an isolated job's way. */
const RUN = [
  ...['host:asked#3', 'host:open#1', 'host:opened#2', 'services:making#1', 'services:made#1', 'host:given#3'],
  ...['hosted:began#2', 'hosted:returned#2', 'host:outcome#4'],
];
const KILL = ['timeout:commit#1', 'timeout:committed#1', 'host:kill#1', 'host:killed#1', 'host:gone#1'];
const STOP = ['pool:stop#1', 'host:shutdown#1', 'services:close#1', 'pool:stopped#1'];

describe.each(['thread', 'process'] as const)('kill -9 of a node with jobs in a %s', (isolation) => {
  test('while they run keeps every promise', async () => {
    const world = await makeWorld(isolation);
    for (const fault of RUN) await world.dieAt(fault);
    expect(await world.settle()).toEqual([]);
  });

  test('while one is killed for its timeout keeps every promise', async () => {
    const world = await makeWorld(isolation, { spins: true });
    for (const fault of KILL) await world.dieAt(fault);
    expect(await world.settle()).toEqual([]);
  });

  test('while it stops keeps every promise', async () => {
    const world = await makeWorld(isolation);
    for (const fault of STOP) await world.dieAt(fault, { asked: () => world.completed(5) });
    expect(await world.settle()).toEqual([]);
  });

  test('or the end of its persistence thread keeps every promise', async () => {
    const world = await makeWorld(isolation, { spins: true });
    const faults = [
      'host:given#3',
      'host:outcome#3',
      'timeout:commit#1',
      'timeout:committed#1',
      'host:kill#1',
      'host:gone#1',
    ];
    for (const fault of faults) await world.outlive(fault, 'persistence');
    expect(await world.settle()).toEqual([]);
  });
});

test('kill -9 of a process for jobs keeps every promise', async () => {
  const world = await makeWorld('process');
  for (const fault of ['services:making#1', 'services:made#1', 'hosted:began#2', 'hosted:returned#2']) {
    await world.outlive(fault, 'host');
  }
  await world.outlive('services:close#1', 'host', { asked: () => world.completed(5) });
  expect(await world.settle()).toEqual([]);
});
