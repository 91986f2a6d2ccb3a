import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { FaultyWorld } from './faulty-world.ts';

// Up to ten lives of a whole node each.
vi.setConfig({ testTimeout: 150_000 });

const config = fileURLToPath(new URL('../support/fault-config.ts', import.meta.url));
const makeWorld = (): Promise<FaultyWorld> =>
  FaultyWorld.make({
    ...{ config, intake: true },
    one: (client, random) => client.enqueue('inline.work', { ms: Math.floor(random() * 40) }),
  });

/** Where the node kills itself on a message's way from the stream to its end. */
const JOURNEY: Record<string, readonly string[]> = {
  'while the stream is made and opened': [
    ...['stream:open#1', 'stream:create#1', 'stream:created#1', 'consumer:create#1', 'consumer:created#1'],
    ...['stream:opened#1'],
  ],
  'while messages become jobs': [
    ...['intake:fetched#2', 'keep:sent#2', 'keep:commit#2', 'keep:committed#3', 'keep:answered#2'],
    ...['intake:ack#3', 'intake:acked#4'],
  ],
  'while messages are rejected': [
    ...['reject:sent#1', 'reject:commit#1', 'reject:committed#2', 'reject:answered#1', 'rejected:published#2'],
    ...['rejected:flush#1', 'rejected:flushed#1'],
  ],
  // Delivered a fourth time a message is handled alone, and its tries are counted.
  'while messages that came often are handled alone': [
    ...['intake:delivery-1#1', 'intake:delivery-2#1', 'intake:delivery-3#1'],
    ...['suspect:sent#1', 'suspect:commit#1', 'suspect:committed#1', 'suspect:answered#1', 'alone:committed#1'],
  ],
  'while a job of a message that came too often is there and its ack is not': [
    ...['intake:delivery-1#1', 'intake:delivery-2#1', 'intake:delivery-3#1'],
    ...['alone:committed#1', 'alone:committed#1', 'alone:answered#1'],
  ],
  'while messages that were handled alone too often are given up': [
    ...['intake:delivery-1#1', 'intake:delivery-2#1', 'intake:delivery-3#1'],
    ...['suspect:answered#1', 'suspect:answered#1', 'suspect:answered#1', 'giveUp:commit#1', 'giveUp:committed#1'],
  ],
};

describe('kill -9 of a node that reads the durable intake', () => {
  test.each(Object.entries(JOURNEY))('%s: each message ends once', async (_when, faults) => {
    const world = await makeWorld();
    for (const fault of faults) await world.dieAt(fault);
    expect(await world.settle()).toEqual([]);
  });
});

describe('the end of the persistence thread', () => {
  const faults = ['keep:sent#2', 'keep:commit#2', 'keep:committed#2', 'keep:answered#2', 'reject:committed#1'];
  test('while messages are handled: each ends once', async () => {
    const world = await makeWorld();
    for (const fault of [...faults, 'rejected:flush#1']) await world.outlive(fault, 'persistence');
    expect(await world.settle()).toEqual([]);
  });
});
