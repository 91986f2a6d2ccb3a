import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 4: retry, delete, update; and verbs on a filter.

/** The smallest Standard Schema: args need a text `to`; upper case is made lower. */
const schema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: (value: unknown) => {
      const { to } = value as { to?: unknown };
      if (typeof to !== 'string') return { issues: [{ message: 'must be a text', path: ['to'] }] };
      return { value: { to: to.toLowerCase() } };
    },
  },
};
let failing = true;
const flaky = defineJob({
  type: 'flaky',
  maxAttempts: 1,
  run: async () => {
    if (failing) throw new Error('not now');
    return 'done';
  },
});

let node: RotaNode;
beforeAll(async () => {
  const jobs = [flaky, defineJob({ type: 'theirs' }), defineJob({ type: 'mail', args: schema })];
  node = await startRotaNode({ queues: { default: 10, a: 1, b: 1, many: 1 }, jobs });
});
afterAll(() => node.stop());

const NOWHERE = '01a20128-f7ac-76ca-9234-b51070260f07';
const worker = crypto.randomUUID();
const verb = (name: string, body: object) => node.request(`jobs.job.${name}`, body);
const get = (id: string) => node.ask('jobs.job.get', { id });
const enqueue = async (queue: string, fields: object = {}) =>
  (await node.ask(`jobs.enqueue.${queue}`, { type: 'theirs', ...fields })).job;
async function running(queue: string) {
  await enqueue(queue);
  return (await node.ask(`jobs.work.${queue}.claim`, { worker, node: 'plain' })).jobs[0];
}
const settle = (queue: string, { id, attempt, run }: { id: string; attempt: number; run: number }, outcome: object) =>
  node.ask(`jobs.work.${queue}.settle`, { worker, outcomes: [{ id, attempt, run, ...outcome }] });
const told = (what: string, id: string) =>
  node.event(({ subject, event }) => subject.endsWith(`.${what}`) && event.subject === id);

describe('what all verbs have in common', () => {
  test.each(['retry', 'delete'])('%s of none is 404; neither id nor filter, or both, is 400', async (name) => {
    const { id } = await enqueue('a');
    expect(await verb(name, { id: NOWHERE })).toMatchObject({ status: 404, code: 'not_found' });
    for (const body of [{}, { id, queue: 'a' }, { id: 7 }, { id, terminate: true }, { query: 'a' }, { state: 'up' }]) {
      expect(await verb(name, body), JSON.stringify(body)).toMatchObject({ status: 400, code: 'invalid_request' });
    }
    expect(await get(id)).toMatchObject({ state: 'available' });
    await verb('delete', { id });
  });
});

describe('retry', () => {
  test('a job that was discarded runs again, with one more attempt', async () => {
    const { id } = await enqueue('default', { type: 'flaky' });
    expect(await node.ask('jobs.job.wait', { id })).toMatchObject({ state: 'discarded', attempt: 1, maxAttempts: 1 });
    failing = false;
    const { value, status } = await verb('retry', { id: id.toUpperCase() });
    expect(status).toBeUndefined();
    expect(value).toMatchObject({ id, state: 'available', maxAttempts: 2, finishedAt: null });
    await told('retried', id);
    const done = await node.ask('jobs.job.wait', { id });
    expect(done).toMatchObject({ state: 'completed', attempt: 2, result: 'done', errors: [{ message: 'not now' }] });
  });

  test('what is available or executes is 409, with state and verb', async () => {
    const job = await running('a');
    const executing = await verb('retry', { id: job.id });
    expect(executing).toMatchObject({ status: 409, code: 'conflict' });
    expect(executing.value.error.message).toMatch(/executing.*retried/);
    await settle('a', job, { outcome: 'release' });
    expect((await verb('retry', { id: job.id })).value.error.message).toMatch(/available.*retried/);
    await verb('delete', { id: job.id });
  });

  test('a retried scheduled job is handed to a claim that waits', async () => {
    const { id } = await enqueue('b', { scheduleIn: '1h' });
    const claim = node.ask('jobs.work.b.claim', { worker, node: 'plain', waitMs: 8_000 });
    await node.rota.client.retry(id);
    expect((await claim).jobs).toMatchObject([{ id, attempt: 1 }]);
  });
});

describe('delete', () => {
  test('what does not execute is gone, told, and answered as it was', async () => {
    const made = await enqueue('a', { scheduleIn: '1h' });
    const waiting = verb('wait', { id: made.id, timeoutMs: 9_000 });
    expect(await node.rota.client.delete(made.id)).toEqual(made);
    expect((await told('deleted', made.id)).event.data).toMatchObject({ state: 'scheduled' });
    expect(await verb('get', { id: made.id })).toMatchObject({ status: 404 });
    expect(await verb('delete', { id: made.id })).toMatchObject({ status: 404 });
    expect(await waiting).toMatchObject({ status: 404 });
  });

  test('what executes is 409', async () => {
    const job = await running('a');
    const answer = await verb('delete', { id: job.id });
    expect(answer).toMatchObject({ status: 409, code: 'conflict' });
    expect(answer.value.error.message).toMatch(/executing.*deleted/);
    expect((await settle('a', job, { outcome: 'complete' })).settled).toHaveLength(1);
    expect((await verb('delete', { id: job.id })).value).toMatchObject({ state: 'completed' });
    await told('completed', job.id);
  });
});

describe('update', () => {
  test('changes every field that may be changed, and moves the job', async () => {
    const { id } = await enqueue('a', { tags: ['x'] });
    const scheduledAt = '2099-01-01T00:00:00.000Z';
    const fields = { args: { n: 1 }, priority: 'low', queue: 'b', scheduledAt, maxAttempts: 3, meta: { m: 1 } };
    const { value } = await verb('update', { id, ...fields, tags: ['B', 'b'] });
    expect(value).toMatchObject({ ...fields, id, priority: 9, tags: ['b'], state: 'scheduled' });
    expect((await told('updated', id)).event.data).toMatchObject({ queue: 'b', nextAt: scheduledAt });
    expect(await get(id)).toEqual(value);
    const now = await node.rota.client.update(id, { scheduledAt: new Date(0) });
    expect(now).toMatchObject({ state: 'available', scheduledAt: '1970-01-01T00:00:00.000Z' });
    expect((await verb('update', { id })).value).toEqual(now);
    await verb('delete', { id });
  });

  test("args are checked by the type's schema, whose output is stored", async () => {
    const { id, args } = await enqueue('a', { type: 'mail', args: { to: 'ME' } });
    expect(args).toEqual({ to: 'me' });
    expect((await verb('update', { id, args: { to: 'YOU' } })).value).toMatchObject({ args: { to: 'you' } });
    const bad: [object, number, string, string[]][] = [
      [{ args: { to: 5 } }, 400, 'invalid_args', ['args.to']],
      [{ args: 'x' }, 400, 'invalid_request', ['args']],
      [{ args: { to: 'x'.repeat(300_000) } }, 413, 'too_large', ['args']],
      [{ priority: 11 }, 400, 'invalid_request', ['priority']],
      [{ maxAttempts: 0 }, 400, 'invalid_request', ['maxAttempts']],
      [{ scheduledAt: 'soon' }, 400, 'invalid_request', ['scheduledAt']],
      [{ type: 'theirs' }, 400, 'invalid_request', ['type']],
      [{ state: 'completed' }, 400, 'invalid_request', ['state']],
      [{ queue: 'nowhere' }, 404, 'not_found', []],
    ];
    for (const [fields, status, code, paths] of bad) {
      expect(await verb('update', { id, ...fields }), code).toMatchObject({ status, code, paths });
    }
    expect(await get(id)).toMatchObject({ args: { to: 'you' }, priority: 5, queue: 'a' });
    expect(await verb('update', { id: NOWHERE, args: {} })).toMatchObject({ status: 404 });
    expect(await verb('update', { args: {} })).toMatchObject({ status: 400, paths: ['id'] });
    await verb('delete', { id });
  });

  test('what executes is 409; what has ended takes anything but a time', async () => {
    const job = await running('a');
    const answer = await verb('update', { id: job.id, priority: 1 });
    expect(answer).toMatchObject({ status: 409, code: 'conflict' });
    expect(answer.value.error.message).toMatch(/executing.*updated/);
    await settle('a', job, { outcome: 'complete' });
    expect((await verb('update', { id: job.id, tags: ['seen'] })).value).toMatchObject({ tags: ['seen'] });
    expect(await verb('update', { id: job.id, scheduledAt: '2099-01-01T00:00:00Z' })).toMatchObject({ status: 409 });
  });
});

describe('on a filter', () => {
  const many = (filter: object) => ({ queue: 'many', ...filter });

  test('cancel, retry and delete do it to all that fit, tell each, and count', async () => {
    await node.ask(
      'jobs.enqueue.many',
      Array.from({ length: 800 }, (_, index) => ({ type: 'theirs', tags: [index % 2 === 0 ? 'even' : 'odd'] })),
    );
    const { client } = node.rota;
    expect(await client.cancel(many({ tag: 'even' }), { terminate: true })).toEqual({ count: 400 });
    expect(await client.retry(many({}))).toEqual({ count: 400 });
    expect((await client.count(many({}))).byState).toMatchObject({ available: 800, cancelled: 0 });
    await client.cancel(many({ tag: 'odd' }));
    expect((await verb('delete', many({ state: ['cancelled', 'completed'] }))).value).toEqual({ count: 400 });
    expect((await verb('delete', many({ state: 'executing' }))).value).toEqual({ count: 0 });
    expect((await client.count(many({}))).total).toBe(400);
    const seen = (what: string) => async () =>
      new Set(
        node.events
          .filter(({ subject }) => subject === `jobs.events.job.many.${what}`)
          .map(({ event }) => event.subject),
      ).size;
    await until(seen('retried'), (size) => size === 400);
    await until(seen('deleted'), (size) => size === 400);
    expect((await verb('delete', many({}))).value).toEqual({ count: 400 });
  });

  test('it ends while jobs are inserted, and means only those that were there', async () => {
    const insert = () => node.ask('jobs.enqueue.many', Array(500).fill({ type: 'theirs' }));
    await insert();
    let done = false;
    const flood = (async () => {
      while (!done) await insert();
    })();
    const { count } = (await verb('cancel', many({}))).value;
    done = true;
    await flood;
    expect(count).toBeGreaterThanOrEqual(500);
    const left = (await node.ask('jobs.job.count', many({}))).byState;
    expect(left.cancelled).toBe(count);
    expect(left.available).toBeGreaterThan(0);
  });
});
