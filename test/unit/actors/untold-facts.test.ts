import { expect, test } from 'vitest';
import { UntoldFacts } from '../../../src/actors/persistence/untold-facts.ts';
import type { JobFact } from '../../../src/job/job-event.ts';
import { nextTurn } from '../../../src/kernel/clock.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const facts = (from: number, count: number): JobFact[] =>
  Array.from({ length: count }, (_, index) => ({
    ...{ what: 'inserted', at: 0, id: String(from + index), run: 0, type: 'mail', queue: 'mail' },
    ...{ state: 'available', attempt: 0, maxAttempts: 1 },
  }));

/** Facts that wait, and how many were told together; `ids` in order. */
function untoldFacts(restMs?: number) {
  const clock = new VirtualClock(0);
  const told: number[] = [];
  const ids: string[] = [];
  const untold = new UntoldFacts({
    ...{ clock, restMs },
    tell: (some) => {
      told.push(some.length);
      ids.push(...some.map(({ id }) => id));
    },
  });
  return { clock, untold, told, ids };
}

test('facts wait for the end of the turn and are told together', async () => {
  const { untold, told } = untoldFacts();
  untold.add(facts(0, 2));
  untold.add(facts(2, 3));
  await undefined;
  expect(told).toEqual([]);
  await new Promise<void>(nextTurn);
  expect(told).toEqual([5]);
  untold.add(facts(5, 1));
  await new Promise<void>(nextTurn);
  expect(told).toEqual([5, 1]);
});

test('few facts wait as long as the thread is to rest, and are told together', async () => {
  const { clock, untold, told } = untoldFacts(1);
  untold.add(facts(0, 2));
  untold.add(facts(2, 1));
  await new Promise<void>(nextTurn);
  expect(told).toEqual([]);
  await clock.advance(1);
  expect(told).toEqual([3]);
  untold.add(facts(3, 2));
  await clock.advance(1);
  expect(told).toEqual([3, 2]);
});

test('where few become many, all are told at the end of the turn, once and in order', async () => {
  const { clock, untold, told, ids } = untoldFacts(1);
  untold.add(facts(0, 2));
  untold.add(facts(2, 50));
  untold.add(facts(52, 1));
  await new Promise<void>(nextTurn);
  expect(told).toEqual([53]);
  await clock.advance(5);
  expect(ids).toEqual(facts(0, 53).map(({ id }) => id));
});

test('what is dropped is told by no timer', async () => {
  const { clock, untold, told } = untoldFacts(1);
  untold.add(facts(0, 2));
  untold.drop();
  await clock.advance(5);
  untold.tellNow();
  expect(told).toEqual([]);
});

test('where one group follows the other in a turn that does not end, all but the last ones are told, in order', async () => {
  const { untold, ids } = untoldFacts(1);
  const [groups, size] = [40, 500];
  for (let group = 0; group < groups; group++) {
    untold.add(facts(group * size, size));
    await undefined;
  }
  expect(groups * size - ids.length).toBeLessThanOrEqual(1_500);
  await new Promise<void>(nextTurn);
  expect(ids).toEqual(Array.from({ length: groups * size }, (_, id) => String(id)));
});
