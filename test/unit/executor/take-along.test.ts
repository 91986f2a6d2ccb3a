import { expect, onTestFinished, test } from 'vitest';
import { inlineHost } from '../../../src/actors/executor/attempt.ts';
import { Executor } from '../../../src/actors/executor/executor.ts';
import { defineJob } from '../../../src/job/definition.ts';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { silentLogger as log } from '../../../src/kernel/log.ts';
import type { Message } from '../../../src/messaging/bus.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { answer, ask, errorReply } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';

const subjects = new Subjects('jobs');
const work = (id: string, insertedAt = '2026-01-01T00:00:00.000Z') => ({
  ...{ id, run: 1, type: 'a', queue: 'q', args: {}, attempt: 1, maxAttempts: 20, priority: 5, timeout: null, meta: {} },
  ...{ tags: [], reference: null, schedule: null, traceparent: null },
  ...{ scheduledAt: '2026-01-01T00:00:00.000Z', insertedAt },
});

interface Settlement {
  outcomes: { id: string; outcome: string }[];
  claim?: { limit: number; types: string[] };
  message: Message;
}

/** A settlement as it comes, plain ends in short. */
type Said = Omit<Settlement, 'message'> & { completed?: { ids: string[] }[] };

/** An executor whose handlers return when they are told to, and a store that is played here. */
function played() {
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const waiting: ((settlement: Settlement) => void)[] = [];
  const settlements: Settlement[] = [];
  bus.subscribe(subjects.work('q', 'settle'), {}, (message) => {
    const { completed = [], outcomes, ...rest } = message.body.value as Said;
    const ends = completed.flatMap(({ ids, ...ref }) => ids.map((id) => ({ ...ref, id, outcome: 'complete' })));
    const settlement = { ...rest, outcomes: [...outcomes, ...ends], message };
    const next = waiting.shift();
    if (next === undefined) settlements.push(settlement);
    else next(settlement);
  });
  const handlers = new Map<string, () => void>();
  const job = defineJob({
    type: 'a',
    run: (context) => new Promise<void>((resolve) => void handlers.set(context.job.id, resolve)),
  });
  const executor = new Executor({
    ...{ bus, subjects, clock, node: 'here', queue: 'q', worker: '0199aaaa-0000-7000-8000-000000000000', log },
    ...{ definitions: new Map([['a', job]]), services: {}, beatMs: 60_000, storeIsHere: true, graceMs: 10_000 },
    enqueue: async () => ({ job: { id: '' }, conflict: false }),
    hosts: { inline: inlineHost, thread: inlineHost, process: inlineHost },
  });
  onTestFinished(async () => {
    executor.kill();
    await bus.close();
  });
  const tell = (verb: string, value: object) =>
    ask(bus, subjects.actor('here', 'executor-q', verb), { value, timeoutMs: 5_000 }) as Promise<{ busy: number }>;
  return {
    executor,
    tell,
    let: (limit: number | null) => tell('status', { take: limit === null ? null : { limit, types: ['a'] } }),
    busy: async () => (await tell('status', {})).busy,
    run: (...ids: string[]) => tell('run', { jobs: ids.map((id) => work(id)), stamp: clock.monotonicMs() }),
    handlers,
    end: (id: string) => handlers.get(id)?.(),
    /** The next settlement that the store gets. */
    settlement: (): Promise<Settlement> => {
      const come = settlements.shift();
      return come ? Promise.resolve(come) : new Promise((resolve) => void waiting.push(resolve));
    },
    /** Answers one, with jobs that it claimed. */
    settle: ({ message, outcomes }: Settlement, ...ids: string[]) =>
      answer(message, {
        settled: outcomes.map(({ id }) => ({ id, state: 'completed' })),
        refused: [],
        jobs: ids.map((id) => work(id)),
      }),
  };
}

test('a settlement claims as many jobs as it frees slots, and they start', async () => {
  const at = played();
  await at.let(3);
  await at.run('1', '2', '3');
  at.end('1');
  at.end('2');
  const first = await at.settlement();
  expect(first).toMatchObject({ claim: { limit: 2, types: ['a'] } });
  at.settle(first, '4', '5');
  expect(await at.busy()).toBe(3);
  at.end('5');
  expect(await at.settlement()).toMatchObject({ outcomes: [{ id: '5', outcome: 'complete' }], claim: { limit: 1 } });
});

test('it claims only what is freed, however much room there is, and nothing without leave', async () => {
  const at = played();
  await at.let(100);
  await at.run('1', '2');
  at.end('1');
  const first = await at.settlement();
  // What was free before is what the queue actor claims.
  expect(first.claim?.limit).toBe(1);
  at.settle(first);
  await at.let(null);
  at.end('2');
  expect((await at.settlement()).claim).toBeUndefined();
});

test('what comes when the limit has been lowered or leave was taken back is handed back', async () => {
  const at = played();
  await at.let(3);
  await at.run('1', '2', '3');
  for (const id of ['1', '2', '3']) at.end(id);
  const first = await at.settlement();
  expect(first.claim?.limit).toBe(3);
  await at.let(1);
  at.settle(first, '4', '5', '6');
  expect(await at.settlement()).toMatchObject({
    outcomes: [
      { id: '5', outcome: 'release' },
      { id: '6', outcome: 'release' },
    ],
  });
  expect(await at.busy()).toBe(1);
});

test('a lowered limit is reached by claiming less than is freed', async () => {
  const at = played();
  await at.let(3);
  await at.run('1', '2', '3');
  await at.let(2);
  at.end('1');
  const first = await at.settlement();
  expect(first.claim).toBeUndefined();
  at.settle(first);
  at.end('2');
  expect((await at.settlement()).claim?.limit).toBe(1);
});

test('a settlement that got no answer is repeated without a claim', async () => {
  const at = played();
  await at.let(1);
  await at.run('1');
  at.end('1');
  const first = await at.settlement();
  expect(first.claim?.limit).toBe(1);
  first.message.respond(errorReply(new Error('away'), 'json'));
  const again = await at.settlement();
  expect(again.outcomes).toMatchObject([{ id: '1', outcome: 'complete' }]);
  expect(again.claim).toBeUndefined();
});

test('what comes after a drain began is handed back', async () => {
  const at = played();
  await at.let(1);
  await at.run('1');
  at.end('1');
  const first = await at.settlement();
  const drained = at.executor.drain(1_000);
  at.settle(first, '2');
  const second = await at.settlement();
  expect(second).toMatchObject({ outcomes: [{ id: '2', outcome: 'release' }] });
  expect(second.claim).toBeUndefined();
  at.settle(second);
  await drained;
});

test('an order that comes twice starts its jobs once, also when they have ended meanwhile; a late one starts nothing', async () => {
  const at = played();
  const stamp = clock.monotonicMs();
  const order = (id: string, when: number) => at.tell('run', { jobs: [work(id)], stamp: when });
  await order('first', stamp);
  at.end('first');
  at.settle(await at.settlement());
  await expect.poll(() => at.busy()).toBe(0);
  expect(await order('first', stamp)).toMatchObject({ busy: 0 });
  await expect(order('second', stamp - 1_000)).rejects.toMatchObject({ code: 'unavailable' });
  expect(await at.busy()).toBe(0);
  expect(await order('third', clock.monotonicMs())).toMatchObject({ busy: 1 });
  at.end('third');
  at.settle(await at.settlement());
});

test('a job with the id of one that was deleted is another one: it starts beside what is left of that', async () => {
  const at = played();
  const [before, after] = ['2026-01-01T00:00:00.000Z', '2026-01-01T00:01:00.000Z'];
  const order = (...jobs: object[]) => at.tell('run', { jobs, stamp: clock.monotonicMs() });
  await order(work('a', before));
  expect(await order(work('a', before)), 'the same run is not started twice').toMatchObject({ busy: 1 });
  const end = at.handlers.get('a');
  expect(await order(work('a', after))).toMatchObject({ busy: 2 });
  end?.();
  // What the first returns is of no interest.
  await expect.poll(() => at.busy()).toBe(1);
  at.end('a');
  const settlement = await at.settlement();
  expect(settlement.outcomes).toMatchObject([{ id: 'a', run: 1, insertedAt: after, outcome: 'complete' }]);
  at.settle(settlement);
  await expect.poll(() => at.busy()).toBe(0);
});
