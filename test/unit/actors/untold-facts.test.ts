import { expect, test } from 'vitest';
import { UntoldFacts } from '../../../src/actors/persistence/untold-facts.ts';
import type { JobFact } from '../../../src/job/job-event.ts';
import { nextTurn } from '../../../src/kernel/clock.ts';

const facts = (from: number, count: number): JobFact[] =>
  Array.from({ length: count }, (_, index) => ({
    ...{ what: 'inserted', at: 0, id: String(from + index), run: 0, type: 'mail', queue: 'mail' },
    ...{ state: 'available', attempt: 0, maxAttempts: 1 },
  }));

test('few facts wait for the end of the turn and are told together', async () => {
  const told: number[] = [];
  const untold = new UntoldFacts((some) => told.push(some.length));
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

test('where one group follows the other in a turn that does not end, all but the last ones are told, in order', async () => {
  const told: string[] = [];
  const untold = new UntoldFacts((some) => told.push(...some.map(({ id }) => id)));
  const [groups, size] = [40, 500];
  for (let group = 0; group < groups; group++) {
    untold.add(facts(group * size, size));
    await undefined;
  }
  expect(groups * size - told.length).toBeLessThanOrEqual(1_500);
  await new Promise<void>(nextTurn);
  expect(told).toEqual(Array.from({ length: groups * size }, (_, id) => String(id)));
});
