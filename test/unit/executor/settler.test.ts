import { expect, onTestFinished, test } from 'vitest';
import { Settler } from '../../../src/actors/executor/settler.ts';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import type { Message } from '../../../src/messaging/bus.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { answer, refuse } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { OutcomeReport } from '../../../src/store/job-store.ts';

const subjects = new Subjects('jobs');
const completed = (n: number): OutcomeReport => ({
  ...{ id: `${n}`, attempt: 1, run: 1, outcome: 'complete', result: null },
});

interface Settlement {
  ids: string[];
  claims: boolean;
  message: Message;
}

/** A settler, and the store that it speaks to, played here. */
function played({ tryMs = 10_000, limit = 1_000 } = {}) {
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const came: Settlement[] = [];
  let told = Promise.withResolvers<void>();
  bus.subscribe(subjects.work('q', 'settle'), {}, (message) => {
    const { outcomes, claim } = message.body.value as { outcomes: { id: string }[]; claim?: object };
    came.push({ ids: outcomes.map(({ id }) => id), claims: claim !== undefined, message });
    told.resolve();
    told = Promise.withResolvers();
  });
  const settled: string[] = [];
  const settler = new Settler({
    ...{ bus, subjects, clock, queue: 'q', worker: '0199aaaa-0000-7000-8000-000000000000', log, tryMs },
    limit: () => limit,
    claimWith: (reports) => ({ node: 'here', limit: reports.length, types: ['a'] }),
    onSettled: (reports) => settled.push(...reports.map(({ id }) => id)),
  });
  onTestFinished(async () => {
    settler.kill();
    await bus.close();
  });
  return {
    settler,
    settled,
    came,
    add: (from: number, count: number) => {
      for (let n = from; n < from + count; n += 1) settler.add(completed(n));
    },
    /** The settlements that have come, once there are so many. */
    arrived: async (count: number): Promise<Settlement[]> => {
      while (came.length < count) await told.promise;
      return came.splice(0, count);
    },
    answer: ({ message }: Settlement) => answer(message, { settled: [], refused: [] }),
  };
}

const ids = (from: number, count: number): string[] => Array.from({ length: count }, (_, n) => `${from + n}`);

test('many outcomes go in three settlements at once, and the rest when all of them are answered', async () => {
  const at = played();
  at.add(0, 1_100);
  const [first, second, third] = await at.arrived(3);
  expect([first?.ids, second?.ids, third?.ids]).toEqual([ids(0, 334), ids(334, 334), ids(668, 334)]);
  expect(at.came).toEqual([]);
  // Too few to go beside others.
  for (const settlement of [second, third]) if (settlement) at.answer(settlement);
  at.add(1_100, 40);
  if (first) at.answer(first);
  const [fourth] = await at.arrived(1);
  expect(fourth?.ids).toEqual(ids(1_002, 138));
  expect(at.settled).toEqual([...ids(334, 668), ...ids(0, 334)]);
});

test('few outcomes wait for the answer to those before, and go together', async () => {
  const at = played();
  at.add(0, 1);
  const [first] = await at.arrived(1);
  for (let n = 1; n < 167; n += 1) {
    at.add(n, 1);
    await undefined;
  }
  expect(at.came).toEqual([]);
  // One more, and they are worth a settlement of their own.
  at.add(167, 1);
  const [second] = await at.arrived(1);
  expect(second?.ids).toEqual(ids(1, 167));
  at.add(168, 2);
  if (second) at.answer(second);
  if (first) at.answer(first);
  expect((await at.arrived(1))[0]?.ids).toEqual(['168', '169']);
});

test('one outcome that is refused does not hold up the others', async () => {
  const at = played();
  at.add(0, 4);
  const over = at.settler.idle();
  for (const held of [['0', '1', '2', '3'], ['0', '1'], ['2', '3'], ['2'], ['3']]) {
    const [settlement] = await at.arrived(1);
    expect(settlement?.ids).toEqual(held);
    if (settlement === undefined) return;
    if (held.includes('2')) refuse(settlement.message, new RotaError('too_large', 'no'));
    else at.answer(settlement);
  }
  await over;
  expect(at.settled).toEqual(['0', '1', '2', '3']);
});

test('a settlement without an answer is repeated, and claims nothing then', async () => {
  const at = played();
  at.add(0, 2);
  const [first] = await at.arrived(1);
  expect(first?.claims).toBe(true);
  if (first) refuse(first.message, new RotaError('unavailable', 'away'));
  const [again] = await at.arrived(1);
  expect(again).toMatchObject({ ids: ['0', '1'], claims: false });
  if (again) at.answer(again);
  await at.settler.idle();
  expect(at.settled).toEqual(['0', '1']);
});

test('one that nobody answers goes out again, to whoever else may serve it, and waits longer each time', async () => {
  const at = played({ tryMs: 20 });
  at.add(0, 1);
  const times: number[] = [];
  for (let tries = 1; tries <= 4; tries += 1) {
    const [settlement] = await at.arrived(1);
    times.push(performance.now());
    expect(settlement).toMatchObject({ ids: ['0'], claims: tries === 1 });
    if (tries === 4 && settlement) at.answer(settlement);
  }
  await at.settler.idle();
  const [first = 0, second = 0, third = 0, fourth = 0] = times;
  // Each rests before it, and the one before it waited in vain: 20, 40, 80 ms after rests of 100, 200, 400.
  expect(second - first).toBeGreaterThanOrEqual(119);
  expect(third - second).toBeGreaterThanOrEqual(239);
  expect(fourth - third).toBeGreaterThanOrEqual(479);
  expect(at.settled).toEqual(['0']);
});

test('is idle once what was added in this turn is settled, and at once when there is nothing', async () => {
  const at = played();
  await at.settler.idle();
  at.add(0, 1);
  const idle = at.settler.idle();
  const [first] = await at.arrived(1);
  if (first) at.answer(first);
  await idle;
  expect(at.settled).toEqual(['0']);
});

test.each([
  { limit: 0, part: 334 },
  { limit: 10, part: 334 },
  { limit: 1_500, part: 500 },
  { limit: 100_000, part: 1_000 },
])('carries a third of what may run in one settlement, where $limit may', async ({ limit, part }) => {
  const { add, arrived } = played({ limit });
  add(0, 3_500);
  const all = await arrived(3);
  expect(all.map(({ ids }) => ids)).toEqual([ids(0, part), ids(part, part), ids(2 * part, part)]);
});

test('what completed without a result is said in short, all else in full, and all of it to a store that knows only that', async () => {
  const at = played();
  const insertedAt = Date.UTC(2026, 0, 31);
  const reports = ['1', '2', '3', '4'].map((id) => ({ ...completed(0), id, insertedAt })) as OutcomeReport[];
  reports.push({ ...completed(5), insertedAt: insertedAt + 1 }, completed(6), { ...completed(7), outcome: 'release' });
  reports.push({ ...completed(8), insertedAt, result: { a: 1 } } as OutcomeReport);
  for (const report of reports) at.settler.add(report);
  const [brief] = await at.arrived(1);
  const said = brief?.message.body.value as { completed: object[]; outcomes: object[] };
  expect(said.completed).toEqual([
    { attempt: 1, run: 1, insertedAt: '2026-01-31T00:00:00.000Z', ids: ['1', '2', '3', '4'] },
    { attempt: 1, run: 1, insertedAt: '2026-01-31T00:00:00.001Z', ids: ['5'] },
  ]);
  expect(brief?.ids).toEqual(['6', '7', '8']);
  if (brief) refuse(brief.message, new RotaError('invalid_request', 'completed is not a known field'));
  const [full] = await at.arrived(1);
  expect(full?.ids).toEqual(reports.map(({ id }) => id));
  expect(full?.message.body.value).not.toHaveProperty('completed');
  if (full) at.answer(full);
  await at.settler.idle();
  expect(at.settled).toEqual(reports.map(({ id }) => id));
});
