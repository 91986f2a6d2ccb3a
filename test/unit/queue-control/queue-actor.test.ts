import { expect, onTestFinished, test } from 'vitest';
import { Queue } from '../../../src/actors/queue/queue.ts';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Message } from '../../../src/messaging/bus.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { answer, refuse } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';

const subjects = new Subjects('jobs');

/** A queue actor between an executor and a store that are played here. */
function played(limit: number, { storeIsHere = true, busy = 0 } = {}) {
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  onTestFinished(() => bus.close());
  const state = { scale: null as number | null, withdrawals: 0, started: [] as string[], handedBack: [] as string[] };
  const waiting: { limit: number; waitMs: number; message: Message }[] = [];
  const doubts: boolean[] = [];
  const seen = new Set<() => void>();
  const noted = (): void => {
    for (const look of seen) look();
  };
  const serve = (subject: string, deal: (message: Message) => void) =>
    bus.subscribe(subject, {}, (message) => {
      deal(message);
      noted();
    });
  const executor = { worker: '0199aaaa-0000-7000-8000-000000000000', busy };
  serve(subjects.actor('here', 'executor-q', 'status'), (message) => {
    doubts.push((message.body.value as { doubts: boolean }).doubts);
    answer(message, executor);
  });
  serve(subjects.actor('here', 'executor-q', 'run'), (message) => {
    const { jobs } = message.body.value as { jobs: { id: string }[] };
    state.started.push(...jobs.map(({ id }) => id));
    executor.busy += jobs.length;
    answer(message, executor);
  });
  serve(subjects.store('queues'), (message) => {
    const record = { queue: 'q', scale: state.scale, scaleByNode: {} };
    answer(message, { answer: [record] });
  });
  serve(subjects.work('q', 'claim'), (message) =>
    waiting.push({ ...(message.body.value as { limit: number; waitMs: number }), message }),
  );
  serve(subjects.work('q', 'withdraw'), (message) => {
    state.withdrawals += 1;
    for (const one of waiting.splice(0)) answer(one.message, { jobs: [] });
    answer(message, { withdrawn: 1 });
  });
  serve(subjects.work('q', 'settle'), (message) => {
    state.handedBack.push(...(message.body.value as { outcomes: { id: string }[] }).outcomes.map(({ id }) => id));
    answer(message, { settled: [], refused: [] });
  });
  const queue = new Queue({
    bus,
    subjects,
    clock,
    node: 'here',
    queue: 'q',
    limit,
    types: ['a'],
    pollMs: 20,
    storeIsHere,
    log,
  });
  onTestFinished(() => queue.stop());
  const until = (fits: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!fits()) return;
        seen.delete(look);
        resolve();
      };
      seen.add(look);
      look();
    });
  const hint = (): void => bus.publish(subjects.hint('queue', 'q'), { body: Body.of({}, 'msgpack') });
  return { state, waiting, doubts, until, hint };
}

const asksFor = (waiting: readonly { limit: number }[], limit: number) => () => waiting.at(-1)?.limit === limit;

test('a hint makes it look, and the claim that waits is made anew for the new limit, up and down', async () => {
  const { state, waiting, until, hint } = played(3);
  await until(asksFor(waiting, 3));
  for (const scale of [8, 2, null]) {
    state.scale = scale;
    hint();
    await until(asksFor(waiting, scale ?? 3));
  }
});

test('what an operator said before the start holds from the first claim on', async () => {
  const { state, waiting, until } = played(3);
  state.scale = 5;
  await until(() => waiting.length > 0);
  expect(waiting[0]?.limit).toBe(5);
});

test('jobs that come when the limit has been lowered are handed back', async () => {
  const { state, waiting, until, hint } = played(3);
  await until(asksFor(waiting, 3));
  const [claim] = waiting.splice(0);
  state.scale = 1;
  hint();
  // It finds nothing: the answer is on its way already, and comes after the new limit is known.
  await until(() => state.withdrawals > 0);
  const insertedAt = '2026-01-01T00:00:00.000Z';
  if (claim) answer(claim.message, { jobs: ['a', 'b', 'c'].map((id) => ({ id, attempt: 1, run: 1, insertedAt })) });
  await until(() => state.started.length + state.handedBack.length === 3);
  expect(state).toMatchObject({ started: ['a'], handedBack: ['b', 'c'] });
});

test('a claim waits for long only where nothing runs and the store is here', async () => {
  const waitOf = async (world: { storeIsHere: boolean; busy: number }): Promise<number> => {
    const { waiting, until } = played(3, world);
    await until(() => waiting.length > 0);
    return waiting[0]?.waitMs ?? Number.NaN;
  };
  expect(await waitOf({ storeIsHere: true, busy: 0 })).toBeGreaterThanOrEqual(10_000);
  expect(await waitOf({ storeIsHere: true, busy: 0 })).toBeLessThanOrEqual(30_000);
  expect(await waitOf({ storeIsHere: true, busy: 1 })).toBeLessThanOrEqual(7_500);
  expect(await waitOf({ storeIsHere: false, busy: 0 })).toBeLessThanOrEqual(7_500);
});

test('it tells its executor of doubt at first, and after a claim that failed', async () => {
  const { waiting, doubts, until } = played(3);
  await until(() => waiting.length === 1);
  const said = doubts.length;
  expect(doubts[0]).toBe(true);
  const answerFirst = waiting[0]?.message;
  if (answerFirst) answer(answerFirst, { jobs: [] });
  await until(() => waiting.length === 2);
  expect(doubts.slice(said)).toEqual([false]);
  const second = waiting[1]?.message;
  if (second) refuse(second, new RotaError('unavailable', 'away'));
  await until(() => waiting.length === 3);
  expect(doubts.slice(said)).toEqual([false, true]);
});
