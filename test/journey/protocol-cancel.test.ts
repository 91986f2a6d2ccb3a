import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 4: cancel, by id and by filter.

const aborted: unknown[] = [];
/** Runs until its signal aborts, and says why it did. */
const patient = defineJob({
  type: 'patient',
  run: ({ signal, job }) =>
    new Promise((resolve) => {
      const end = (): void => {
        aborted.push(job.id);
        resolve('too late');
      };
      if (signal.aborted) end();
      signal.addEventListener('abort', end);
    }),
});

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({
    queues: { default: 10, a: 1, many: 1 },
    jobs: [patient, defineJob({ type: 'theirs' })],
  });
});
afterAll(() => node.stop());

const worker = crypto.randomUUID();
const enqueue = async (queue: string, fields: object = {}) =>
  (await node.ask(`jobs.enqueue.${queue}`, { type: 'theirs', ...fields })).job;
const cancel = (body: object) => node.request('jobs.job.cancel', body);
const get = (id: string) => node.ask('jobs.job.get', { id });
async function running(queue: string) {
  await enqueue(queue);
  return (await node.ask(`jobs.work.${queue}.claim`, { worker, node: 'plain' })).jobs[0];
}
const settle = (queue: string, outcome: object) =>
  node.ask(`jobs.work.${queue}.settle`, { worker, outcomes: [outcome] });

describe('by id', () => {
  test('a job that waits is cancelled and answered; twice is the same', async () => {
    for (const fields of [{}, { scheduleIn: '1h' }]) {
      const { id } = await enqueue('a', fields);
      const { value } = await cancel({ id });
      expect(value).toMatchObject({ id, state: 'cancelled', attempt: 0, errors: [] });
      expect(value.finishedAt).toMatch(/Z$/);
      expect((await cancel({ id })).value).toEqual(value);
      expect(await get(id)).toEqual(value);
    }
    const { id, attempt, run } = await running('a');
    await settle('a', { id, attempt, run, outcome: 'fail', error: { message: 'x' }, retryIn: '1h' });
    expect((await cancel({ id })).value).toMatchObject({ state: 'cancelled', errors: [{ kind: 'error' }] });
  });

  test('a running one of another worker: its row at once, its settlement refused', async () => {
    const { id, attempt, run } = await running('a');
    const { value } = await cancel({ id });
    expect(value).toMatchObject({ id, state: 'cancelled', errors: [{ kind: 'cancelled', attempt: 1 }] });
    const late = await settle('a', { id, attempt, run, outcome: 'complete', result: 1 });
    expect(late).toEqual({ settled: [], refused: [{ id, reason: 'not_executing' }] });
    expect(await get(id)).toEqual(value);
    const { cancel: told } = await node.ask('jobs.work.a.beat', { worker, running: [{ id, attempt, run }] });
    expect(told).toEqual([{ id, terminate: false }]);
  });

  test('a running one of ours: its row at once, then its signal aborts; what it returns is nothing', async () => {
    const { id } = await enqueue('default', { type: 'patient' });
    await node.event(({ subject, event }) => subject === 'jobs.events.job.default.started' && event.subject === id);
    expect((await cancel({ id, terminate: false })).value).toMatchObject({ state: 'cancelled' });
    await until(
      async () => aborted,
      (ids) => ids.includes(id),
    );
    const free = await enqueue('default', { type: 'patient' });
    await node.event(({ subject, event }) => subject.endsWith('.started') && event.subject === free.id);
    expect(await get(id)).toMatchObject({ state: 'cancelled', result: null });
    await cancel({ id: free.id });
  });

  test('one that has ended is 409, and says which state and verb', async () => {
    const { id, attempt, run } = await running('a');
    await settle('a', { id, attempt, run, outcome: 'complete', result: 1 });
    const answer = await cancel({ id });
    expect(answer).toMatchObject({ status: 409, code: 'conflict' });
    expect(answer.value.error.message).toMatch(/completed.*cancel|cancel.*completed/);
    expect(await get(id)).toMatchObject({ state: 'completed', result: 1 });
  });

  test('none is 404; neither id nor filter, or both, is 400 and changes nothing', async () => {
    const { id } = await enqueue('a');
    expect(await cancel({ id: '01a20128-f7ac-76ca-9234-b51070260f07' })).toMatchObject({
      status: 404,
      code: 'not_found',
    });
    for (const body of [
      {},
      { terminate: true },
      { id, queue: 'a' },
      { id, state: 'available' },
      { id: 7 },
      { id, terminate: 1 },
    ]) {
      expect(await cancel(body), JSON.stringify(body)).toMatchObject({ status: 400, code: 'invalid_request' });
    }
    expect(await get(id)).toMatchObject({ state: 'available' });
    expect((await cancel({ id })).value.state).toBe('cancelled');
  });
});

describe('by filter', () => {
  test('every job that fits and can be is cancelled, each announced; the count is answered', async () => {
    const done = await running('many');
    await settle('many', { id: done.id, attempt: done.attempt, run: done.run, outcome: 'complete' });
    await node.ask(
      'jobs.enqueue.many',
      Array.from({ length: 700 }, () => ({ type: 'theirs', tags: ['x'] })),
    );
    await enqueue('many', { scheduleIn: '1h', tags: ['x'] });
    const other = await enqueue('many', { tags: ['y'] });
    const alive = (await node.ask('jobs.work.many.claim', { worker, node: 'plain' })).jobs[0];
    expect((await cancel({ queue: 'many', tag: 'x' })).value).toEqual({ count: 701 });
    expect(await get(other.id)).toMatchObject({ state: 'available' });
    expect(await get(alive.id)).toMatchObject({ state: 'cancelled', errors: [{ kind: 'cancelled' }] });
    expect(await get(done.id)).toMatchObject({ state: 'completed' });
    expect((await cancel({ queue: 'many', tag: 'x' })).value).toEqual({ count: 0 });
    const { byState } = await node.ask('jobs.job.count', { queue: 'many' });
    expect(byState).toMatchObject({ cancelled: 701, available: 1, completed: 1, scheduled: 0, executing: 0 });
    const told = () =>
      new Set(
        node.events.filter(({ subject }) => subject === 'jobs.events.job.many.cancelled').map(({ event }) => event.id),
      );
    await until(
      async () => told().size,
      (size) => size === 701,
    );
  });

  test('a filter that only terminal jobs fit cancels none', async () => {
    expect((await cancel({ queue: 'many', state: ['completed', 'cancelled'] })).value).toEqual({ count: 0 });
    expect((await cancel({ queue: 'nowhere' })).value).toEqual({ count: 0 });
  });
});
