import { describe, expect, test } from 'vitest';
import { Body } from '../../../src/messaging/body.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import type { LinkFaults } from '../../../src/messaging/memory/memory-link.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seeded } from '../../conformance/messaging/bus-worlds.ts';
import { steppedClock } from './stepped-clock.ts';

const subjects = new Subjects('jobs');
const json = (value: unknown) => ({ body: Body.of(value, 'json') });

function makeWorld(seed: number) {
  const clock = steppedClock();
  const broker = new MemoryBroker({ clock, random: seeded(seed) });
  const near = broker.connect({ name: 'near', subjects });
  const far = broker.connect({ name: 'far', subjects });
  const seen: unknown[] = [];
  far.subscribe('jobs.x', {}, (message) => void seen.push(message.body.value));
  return { clock, broker, near, far, seen };
}

async function run(seed: number, faults: LinkFaults): Promise<unknown[]> {
  const { clock, broker, near, seen } = makeWorld(seed);
  broker.setFaults(faults, { from: 'near', to: 'far' });
  for (let n = 0; n < 200; n++) near.publish('jobs.x', json(n));
  await clock.advance(1_000);
  expect(clock.timers).toBe(0);
  return seen;
}

const ALL = Array.from({ length: 200 }, (_, n) => n);

describe('faults of a link', () => {
  test('loses, repeats, delays and reorders, the same way for the same seed', async () => {
    const faults: LinkFaults = { drop: 0.2, duplicate: 0.2, reorder: 0.5, delayMs: [1, 100] };
    const first = await run(7, faults);
    expect(await run(7, faults)).toEqual(first);
    expect(await run(8, faults)).not.toEqual(first);
    expect(new Set(first).size).toBeLessThan(200);
    expect(first.length).toBeGreaterThan(new Set(first).size);
    expect(first).not.toEqual([...first].sort((a, b) => Number(a) - Number(b)));
  });

  test('keeps the order as long as it is not told otherwise', async () => {
    expect(await run(1, { delayMs: [0, 50] })).toEqual(ALL);
    expect(await run(1, { drop: 1 })).toEqual([]);
    expect(await run(1, {})).toEqual(ALL);
    const repeated = await run(1, { duplicate: 1 });
    expect(repeated).toHaveLength(400);
  });

  test('a delayed message is not overtaken by one sent after the delay was lifted', async () => {
    const { clock, broker, near, seen } = makeWorld(1);
    broker.setFaults({ delayMs: [50, 50] });
    near.publish('jobs.x', json(1));
    broker.setFaults({});
    near.publish('jobs.x', json(2));
    await clock.advance(10);
    expect(seen).toEqual([]);
    await clock.advance(50);
    expect(seen).toEqual([1, 2]);
  });

  test('a lost answer is a timeout, and the handler has run', async () => {
    const { clock, broker, near, far } = makeWorld(1);
    let ran = 0;
    far.subscribe('jobs.ask', {}, (message) => {
      ran += 1;
      answer(message, 1);
    });
    broker.setFaults({ drop: 1 }, { from: 'far', to: 'near' });
    const asked = expect(ask(near, 'jobs.ask', { value: 1, timeoutMs: 500 })).rejects.toMatchObject({
      code: 'timeout',
    });
    await clock.advance(500);
    await asked;
    expect(ran).toBe(1);
  });
});

describe('a partition', () => {
  test('is down for one name alone, loses what is under way and heals', async () => {
    const { clock, broker, near, far, seen } = makeWorld(1);
    broker.setFaults({ delayMs: [10, 10] });
    near.publish('jobs.x', json('under way'));
    broker.partition('far');
    expect([near.state, far.state]).toEqual(['up', 'down']);
    near.publish('jobs.x', json('lost'));
    await expect(ask(far, 'jobs.any', { value: 1, timeoutMs: 100 })).rejects.toMatchObject({ code: 'unavailable' });
    const late = broker.connect({ name: 'far', subjects });
    expect(late.state).toBe('down');
    await clock.advance(100);
    broker.down();
    broker.heal('far');
    expect(far.state).toBe('down');
    broker.up();
    expect([near.state, far.state, late.state]).toEqual(['up', 'up', 'up']);
    near.publish('jobs.x', json('arrives'));
    await clock.advance(100);
    expect(seen).toEqual(['arrives']);
    await near.close();
    await late.close();
    await far.close();
    expect(clock.timers).toBe(0);
  });
});
