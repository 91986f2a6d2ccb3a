import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';

// PROTOCOL.md section 3: a worker in another language claims and settles.

let node: RotaNode;
beforeAll(async () => {
  const run = async ({ args }: { args: unknown }): Promise<unknown> => args;
  const jobs = [defineJob({ type: 'theirs' }), defineJob({ type: 'theirs.too' }), defineJob({ type: 'ours', run })];
  node = await startRotaNode({ queues: { default: 10, a: 1, b: 1, c: 1, d: 1, e: 1, f: 1, g: 1 }, jobs });
});
afterAll(() => node.stop());

interface Claimed {
  id: string;
  attempt: number;
  run: number;
  args: unknown;
}
const type = 'theirs';
const newWorker = (): string => crypto.randomUUID();
const enqueue = async (queue: string, fields: object = {}) =>
  (await node.ask(`jobs.enqueue.${queue}`, { type, ...fields })).job;
const claim = async (queue: string, fields: object = {}): Promise<Claimed[]> =>
  (await node.ask(`jobs.work.${queue}.claim`, { worker: newWorker(), node: 'plain', ...fields })).jobs;
const get = (id: string) => node.ask('jobs.job.get', { id });
/** Enqueues and claims one job. */
async function running(queue: string, worker: string, fields: object = {}): Promise<Claimed> {
  await enqueue(queue, fields);
  const [job] = await claim(queue, { worker });
  if (job === undefined) throw new Error('nothing was claimed');
  return job;
}
const settle = (queue: string, worker: string, ...outcomes: object[]) =>
  node.ask(`jobs.work.${queue}.settle`, { worker, outcomes });
const ref = ({ id, attempt, run }: Claimed) => ({ id, attempt, run });

describe('claim', () => {
  test('and settle answer briefly where the request says that this does', async () => {
    const worker = newWorker();
    for (const args of [{ n: 1 }, { n: 2 }]) await enqueue('g', { args, scheduledAt: '2026-01-01T00:00:00.000Z' });
    const brief = { headers: { 'Rota-Answer': 'brief' } };
    const claimed = await node.ask('jobs.work.g.claim', { worker, node: 'plain', limit: 2 }, brief);
    const [first, second] = claimed.jobs;
    expect(claimed).toMatchObject({ asFirst: true, leaseMs: 2_000 });
    expect(first).toMatchObject({ run: 1, type, queue: 'g', args: { n: 1 }, attempt: 1, traceparent: null });
    expect(second).toEqual({ id: second.id, args: { n: 2 }, insertedAt: expect.any(String) });
    const outcomes = [first, { ...first, ...second }].map((job) => ({ ...ref(job), outcome: 'complete' }));
    const settled = await node.ask('jobs.work.g.settle', { worker, outcomes }, brief);
    expect(settled).toEqual({ settled: [], refused: [] });
    expect((await get(second.id)).state).toBe('completed');
  });

  test('hands out what running a job needs', async () => {
    const worker = newWorker();
    const fields = { args: { a: [1] }, tags: ['t'], meta: { m: 1 }, timeout: '3s', maxAttempts: 3 };
    const made = await enqueue('a', { ...fields, reference: { type: 'r', id: '1' } });
    const answer = await node.ask('jobs.work.a.claim', { worker, node: 'plain', limit: 5, waitMs: 0 });
    expect(answer).toMatchObject({ leaseMs: 2_000, beatMs: 300 });
    expect(answer.jobs).toHaveLength(1);
    expect(answer.jobs[0]).toMatchObject({
      ...{ id: made.id, run: 1, type, queue: 'a', args: { a: [1] }, attempt: 1, maxAttempts: 3, timeout: 3_000 },
      ...{ meta: { m: 1 }, tags: ['t'], schedule: null, traceparent: null, reference: { type: 'r', id: '1' } },
    });
    const row = await get(made.id);
    expect(row).toMatchObject({ state: 'executing', attempt: 1, attemptedBy: { node: 'plain', worker } });
    expect(row.attemptedAt).toMatch(/Z$/);
    await settle('a', worker, { ...ref(answer.jobs[0]), outcome: 'complete' });
  });

  test('asks for one job by default, for no more than its limit, in order of priority', async () => {
    for (const priority of [9, 5, 0, 5]) await enqueue('b', { priority, args: { priority } });
    expect((await claim('b')).map(({ args }) => args)).toEqual([{ priority: 0 }]);
    expect((await claim('b', { limit: 2 })).map(({ args }) => args)).toEqual([{ priority: 5 }, { priority: 5 }]);
    expect(await claim('b', { limit: 100 })).toHaveLength(1);
    expect(await claim('b')).toEqual([]);
  });

  test('names the types that it takes', async () => {
    await enqueue('c', { type: 'theirs.too' });
    const mine = await enqueue('c');
    expect(await claim('c', { limit: 9, types: ['none.of.these'] })).toEqual([]);
    expect((await claim('c', { limit: 9, types: [type] })).map(({ id }) => id)).toEqual([mine.id]);
    expect(await claim('c', { limit: 9, types: [type, 'theirs.too'] })).toHaveLength(1);
  });

  test('waits for the first job and is answered at its insert', async () => {
    const waiting = claim('d', { waitMs: 8_000, limit: 3 });
    await node.nats.flush();
    const made = await enqueue('d');
    expect((await waiting).map(({ id }) => id)).toEqual([made.id]);
  });

  test('that names types is answered beside others that wait and take none of them', async () => {
    // Our own queue actor waits here as well, and so do these; only the last one takes the type.
    const others = [
      claim('d', { waitMs: 1_000, limit: 50, types: ['ours'] }),
      claim('d', { waitMs: 1_000, types: [] }),
    ];
    const waiting = claim('d', { waitMs: 8_000, types: ['theirs.too'] });
    await node.ask('jobs.work.d.beat', { worker: newWorker(), running: [] });
    const begun = performance.now();
    const made = await enqueue('d', { type: 'theirs.too' });
    expect((await waiting).map(({ id }) => id)).toEqual([made.id]);
    expect(performance.now() - begun).toBeLessThan(4_000);
    expect(await Promise.all(others)).toEqual([[], []]);
  });

  test('each of several that wait gets one', async () => {
    const waiting = [1, 2, 3].map(() => claim('d', { waitMs: 8_000, types: [type] }));
    await node.ask('jobs.work.d.beat', { worker: newWorker(), running: [] });
    const { jobs } = await node.ask('jobs.enqueue.d', [{ type }, { type }, { type: 'theirs.too' }, { type }]);
    const got = (await Promise.all(waiting)).map((list) => list.map(({ id }) => id));
    expect(got.flat().toSorted()).toEqual([jobs[0].job.id, jobs[1].job.id, jobs[3].job.id]);
    await claim('d', { limit: 9 });
  });

  test('waits for a job that becomes due, and is answered with none when its time is over', async () => {
    const waiting = claim('d', { waitMs: 8_000 });
    const made = await enqueue('d', { scheduleIn: 200 });
    expect((await waiting).map(({ id }) => id)).toEqual([made.id]);
    expect(await claim('d', { waitMs: 100 })).toEqual([]);
  });

  test('refuses what is wrong with it', async () => {
    const good = { worker: newWorker(), node: 'plain' };
    const bad: [object, string][] = [
      [{ worker: 'me' }, 'worker'],
      [{ worker: undefined }, 'worker'],
      [{ node: 'a.b' }, 'node'],
      [{ node: undefined }, 'node'],
      [{ limit: 0 }, 'limit'],
      [{ limit: 1.5 }, 'limit'],
      [{ waitMs: 30_001 }, 'waitMs'],
      [{ waitMs: -1 }, 'waitMs'],
      [{ types: 'x' }, 'types'],
      [{ types: ['a b'] }, 'types.0'],
    ];
    for (const [fields, path] of bad) {
      const answer = await node.request('jobs.work.a.claim', { ...good, ...fields });
      expect(answer, JSON.stringify(fields)).toMatchObject({ status: 400, code: 'invalid_request', paths: [path] });
    }
  });

  test('speaks MessagePack', async () => {
    const made = await enqueue('a');
    const { value } = await node.pack('jobs.work.a.claim', { worker: newWorker(), node: 'plain' });
    expect(value.jobs[0].id).toBe(made.id);
  });

  test('gives fewer where more would exceed what the server takes', async () => {
    const args = { a: 'x'.repeat(250_000) };
    for (let index = 0; index < 6; index += 1) await enqueue('f', { args });
    const first = await claim('f', { limit: 6 });
    const second = await claim('f', { limit: 6 });
    expect(first.length).toBeGreaterThan(1);
    expect(first.length + second.length).toBe(6);
  });
});

describe('settle', () => {
  const worker = newWorker();
  const settled = (id: string, state: string) => ({ settled: [{ id, state }], refused: [] });

  test('complete keeps the result', async () => {
    const job = await running('a', worker);
    expect(await settle('a', worker, { ...ref(job), outcome: 'complete', result: { r: [1, null] } })).toEqual(
      settled(job.id, 'completed'),
    );
    expect(await get(job.id)).toMatchObject({ state: 'completed', result: { r: [1, null] }, errors: [], attempt: 1 });
    for (const result of [0, false, '', null]) {
      const other = await running('a', worker);
      await settle('a', worker, { ...ref(other), outcome: 'complete', result, endSchedule: false });
      expect((await get(other.id)).result).toBe(result);
    }
  });

  test('fail retries later, with the backoff or as it says, until no attempt is left', async () => {
    const job = await running('a', worker, { maxAttempts: 2, backoff: { kind: 'constant', base: '10s', jitter: 0 } });
    const error = { kind: 'error', message: 'no luck', stack: 'at …' };
    expect(await settle('a', worker, { ...ref(job), outcome: 'fail', error })).toEqual(settled(job.id, 'retryable'));
    const row = await get(job.id);
    expect(row.errors).toEqual([{ at: expect.any(String), attempt: 1, kind: 'error', message: 'no luck' }]);
    expect(Date.parse(row.scheduledAt) - Date.parse(row.errors[0].at)).toBe(10_000);
    const hasty = await running('a', worker, { maxAttempts: 2 });
    await settle('a', worker, { ...ref(hasty), outcome: 'fail', error: { message: 'again' }, retryIn: '200ms' });
    const [again] = await claim('a', { worker, waitMs: 8_000 });
    expect(again).toMatchObject({ id: hasty.id, attempt: 2, run: 2 });
    const timeout = { kind: 'timeout', message: 'too slow' };
    const last = await settle('a', worker, { ...ref(again as Claimed), outcome: 'fail', error: timeout });
    expect(last).toEqual(settled(hasty.id, 'discarded'));
    expect((await get(hasty.id)).errors).toMatchObject([
      { kind: 'error', attempt: 1 },
      { kind: 'timeout', attempt: 2 },
    ]);
  });

  test('snooze and release hand the attempt back and leave no error; run goes on rising', async () => {
    const job = await running('a', worker);
    expect(await settle('a', worker, { ...ref(job), outcome: 'snooze', for: '1h' })).toEqual(
      settled(job.id, 'scheduled'),
    );
    const row = await get(job.id);
    expect(row).toMatchObject({ attempt: 0, errors: [] });
    expect(Date.parse(row.scheduledAt)).toBeGreaterThan(Date.now() + 3_500_000);
    const other = await running('a', worker);
    expect(await settle('a', worker, { ...ref(other), outcome: 'release' })).toEqual(settled(other.id, 'available'));
    const [again] = await claim('a', { worker });
    expect(again).toMatchObject({ id: other.id, attempt: 1, run: 2 });
    await settle('a', worker, { ...ref(again as Claimed), outcome: 'complete' });
  });

  test('cancel and discard end it with their reason', async () => {
    for (const [outcome, state] of [
      ['cancel', 'cancelled'],
      ['discard', 'discarded'],
    ] as const) {
      const job = await running('a', worker);
      expect(await settle('a', worker, { ...ref(job), outcome, reason: 'why' })).toEqual(settled(job.id, state));
      expect(await get(job.id)).toMatchObject({
        state,
        result: null,
        errors: [{ kind: state, message: 'why', attempt: 1 }],
      });
    }
  });

  test('the same outcome twice is answered as settled, another one is refused', async () => {
    const job = await running('a', worker);
    const outcome = { ...ref(job), outcome: 'complete', result: 1 };
    for (let times = 0; times < 3; times += 1) {
      expect(await settle('a', worker, outcome)).toEqual(settled(job.id, 'completed'));
    }
    const other = { ...ref(job), outcome: 'discard' };
    expect(await settle('a', worker, other)).toEqual({
      settled: [],
      refused: [{ id: job.id, reason: 'not_executing' }],
    });
    expect(await get(job.id)).toMatchObject({ state: 'completed', result: 1, errors: [] });
    const snoozed = await running('a', worker);
    for (let times = 0; times < 2; times += 1) {
      const answer = await settle('a', worker, { ...ref(snoozed), outcome: 'snooze', for: 60_000 });
      expect(answer).toEqual(settled(snoozed.id, 'scheduled'));
    }
  });

  test('what is stale, not ours or nowhere is refused with its reason; the rest of the batch stands', async () => {
    const job = await running('a', worker);
    const outcome = 'complete';
    const refused = (reason: string) => ({ settled: [], refused: [{ id: job.id, reason }] });
    expect(await settle('a', newWorker(), { ...ref(job), outcome })).toEqual(refused('not_owner'));
    expect(await settle('a', worker, { ...ref(job), run: 9, outcome })).toEqual(refused('not_owner'));
    expect(await settle('a', worker, { ...ref(job), attempt: 2, outcome })).toEqual(refused('not_owner'));
    const id = '01a20128-f7ac-76ca-9234-b51070260f07';
    const batch = await settle(
      'a',
      worker,
      { id, attempt: 1, run: 1, outcome },
      { ...ref(job), run: undefined, outcome },
    );
    expect(batch).toEqual({ settled: [{ id: job.id, state: 'completed' }], refused: [{ id, reason: 'not_found' }] });
    const seen = await node.ask('jobs.ctl.node.list');
    expect(seen.nodes[0].refused).toMatchObject({ not_owner: expect.any(Number) });
  });

  test('a result that is too large or no JSON costs the result only', async () => {
    const job = await running('a', worker);
    const result = 'x'.repeat(262_143);
    expect(await settle('a', worker, { ...ref(job), outcome: 'complete', result })).toEqual(
      settled(job.id, 'completed'),
    );
    expect(await get(job.id)).toMatchObject({ result: null, errors: [{ kind: 'result', attempt: 1 }] });
    const most = await running('a', worker);
    await settle('a', worker, { ...ref(most), outcome: 'complete', result: 'x'.repeat(262_142) });
    expect((await get(most.id)).result).toHaveLength(262_142);
    const odd = await running('a', worker);
    const outcomes = [{ ...ref(odd), outcome: 'complete', result: { n: Number.NaN } }];
    const { value } = await node.pack('jobs.work.a.settle', { worker, outcomes });
    expect(value).toEqual(settled(odd.id, 'completed'));
    expect(await get(odd.id)).toMatchObject({ result: null, errors: [{ kind: 'result' }] });
  });

  test('refuses what is wrong with it, by its place, and changes nothing', async () => {
    const job = await running('a', worker);
    const bad: [object, string][] = [
      [{ outcome: 'finish' }, 'outcomes.0.outcome'],
      [{}, 'outcomes.0.outcome'],
      [{ outcome: 'fail' }, 'outcomes.0.error'],
      [{ outcome: 'fail', error: 'text' }, 'outcomes.0.error'],
      [{ outcome: 'fail', error: { kind: 'orphaned', message: 'x' } }, 'outcomes.0.error.kind'],
      [{ outcome: 'fail', error: { message: 'x' }, retryIn: '5' }, 'outcomes.0.retryIn'],
      [{ outcome: 'snooze' }, 'outcomes.0.for'],
      [{ outcome: 'snooze', for: -1 }, 'outcomes.0.for'],
      [{ outcome: 'complete', reason: 'x' }, 'outcomes.0.reason'],
      [{ outcome: 'complete', attempt: 'one' }, 'outcomes.0.attempt'],
      [{ outcome: 'complete', run: 0 }, 'outcomes.0.run'],
      [{ outcome: 'complete', endSchedule: 1 }, 'outcomes.0.endSchedule'],
    ];
    for (const [fields, path] of bad) {
      const answer = await node.request('jobs.work.a.settle', { worker, outcomes: [{ ...ref(job), ...fields }] });
      expect(answer, JSON.stringify(fields)).toMatchObject({ status: 400, code: 'invalid_request', paths: [path] });
    }
    expect((await node.request('jobs.work.a.settle', { worker })).paths).toEqual(['outcomes']);
    expect(await get(job.id)).toMatchObject({ state: 'executing' });
    await settle('a', worker, { ...ref(job), outcome: 'complete' });
  });
});
