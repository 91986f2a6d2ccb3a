import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Service } from '../../../src/actors/service.ts';
import { startSteward } from '../../../src/actors/steward/steward.ts';
import { silentLogger } from '../../../src/kernel/log.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

describe('the steward', () => {
  const clock = new VirtualClock();
  let failed: string[];
  let told: string[];
  let restart: (queue: string) => Promise<void>;
  let steward: Service;

  beforeEach(() => {
    failed = [];
    told = [];
    restart = async (queue) => {
      failed = failed.filter((name) => name !== queue);
    };
    steward = startSteward({
      ...{ clock, log: silentLogger },
      keeper: { failed: () => failed, restart: (queue) => restart(queue) },
      tell: ({ name, what }) => told.push(`${name} ${what}`),
    });
  });
  afterEach(async () => {
    await steward.stop();
    expect(clock.pending).toBe(0);
  });

  test('announces a queue that gave up once, and brings it back after 30 s', async () => {
    failed = ['mail'];
    await clock.advance(29_000);
    expect(told).toEqual(['mail failed']);
    expect(failed).toEqual(['mail']);
    await clock.advance(3_000);
    expect(told).toEqual(['mail failed', 'mail recovered']);
    expect(failed).toEqual([]);
  });

  test('lets a queue that fails to start rest once more', async () => {
    let tries = 0;
    restart = async () => {
      tries += 1;
      if (tries < 3) throw new Error('no services');
      failed = [];
    };
    failed = ['mail'];
    await clock.advance(70_000);
    expect([tries, told]).toEqual([2, ['mail failed']]);
    await clock.advance(30_000);
    expect([tries, told]).toEqual([3, ['mail failed', 'mail recovered']]);
  });

  test('keeps a cool-down per queue, and forgets one that came back by itself', async () => {
    failed = ['a'];
    await clock.advance(20_000);
    failed = ['a', 'b'];
    await clock.advance(12_000);
    expect(told).toEqual(['a failed', 'b failed', 'a recovered']);
    failed = [];
    await clock.advance(60_000);
    expect(told).toHaveLength(3);
  });
});
