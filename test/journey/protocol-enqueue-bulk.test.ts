import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';

// PROTOCOL.md section 2: arrays, `each`, and what a reply may weigh.

/** Takes a while, so that jobs of one request are ready in another order than they stand in it. */
const slowSchema = {
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: async (value: unknown) => {
      await new Promise((resolve) => setImmediate(resolve));
      return (value as { bad?: boolean }).bad ? { issues: [{ path: ['bad'], message: 'must not be' }] } : { value };
    },
  },
};
const slow = defineJob({ type: 'slow', args: slowSchema });
const plain = defineJob({ type: 'plain' });

let node: RotaNode;
beforeAll(async () => {
  // With the store in another process a request that is nearly as large as a message may be is refused: 413.
  node = await startRotaNode({ queues: { default: 10, bulk: 1, large: 1 }, jobs: [slow, plain] }, { route: 'local' });
});
afterAll(() => node.stop());

const ENQUEUE = 'jobs.enqueue.default';
const type = 'plain';
type Entry = { job: { id: string; args: unknown; meta: unknown; state: string }; conflict: boolean };
const count = async (): Promise<number> => (await node.ask('jobs.job.count')).total;
const worker = crypto.randomUUID();

describe('an array', () => {
  test('is answered with ids alone where the request says that they do', async () => {
    const id = '01890000-0000-7000-8000-0000000b21ef';
    const brief = { headers: { 'Rota-Answer': 'brief' } };
    expect(await node.ask('jobs.enqueue.bulk', [{ type, id }, { type }], brief)).toEqual({
      jobs: [
        { job: { id }, conflict: false },
        { job: { id: expect.stringMatching(/^[0-9a-f-]{36}$/) }, conflict: false },
      ],
    });
    const again = await node.ask('jobs.enqueue.bulk', [{ type, id }], brief);
    expect(again).toEqual({ jobs: [{ job: { id }, conflict: true }] });
    await node.ask('jobs.job.delete', { queue: 'bulk' });
  });

  test('is stored in its order, with ids that rise, and answered without args', async () => {
    const request = Array.from({ length: 50 }, (_, index) => ({
      type: index % 3 === 0 ? 'slow' : type,
      args: { index },
    }));
    const { jobs } = await node.ask('jobs.enqueue.bulk', request);
    const ids: string[] = jobs.map((entry: Entry) => entry.job.id);
    expect(ids).toEqual(ids.toSorted());
    expect(jobs[7]).toMatchObject({ conflict: false, job: { args: null, state: 'available', queue: 'bulk' } });
    const claimed = (await node.ask('jobs.work.bulk.claim', { worker, node: 'plain', limit: 50 })).jobs;
    expect(claimed.map(({ args }: { args: { index: number } }) => args.index)).toEqual(
      request.map((_, index) => index),
    );
  });

  test('stands or falls as one', async () => {
    const before = await count();
    const wrong = [
      { type: 'nobody' },
      { type, priority: 10 },
      { type: 'slow', args: { bad: true } },
      { type, args: 1 },
      7,
    ];
    for (const bad of wrong) expect(await node.request(ENQUEUE, [{ type }, bad])).toMatchObject({ status: 400 });
    const paths = (await node.request(ENQUEUE, [{ type, x: 1 }, { type }, { type, id: 'x' }])).paths;
    expect(paths).toEqual(['0.x', '2.id']);
    expect((await node.request(ENQUEUE, [{ type }, { type, meta: { m: 'x'.repeat(70_000) } }])).status).toBe(413);
    expect(await count()).toBe(before);
  });

  test('holds 1 to 1,000 jobs', async () => {
    const before = await count();
    expect(await node.request(ENQUEUE, [])).toMatchObject({ status: 400 });
    const many = Array.from({ length: 1_001 }, () => ({ type }));
    const tooMany = await node.request(ENQUEUE, many);
    expect([400, 413]).toContain(tooMany.status);
    expect([400, 413]).toContain((await node.request(ENQUEUE, { each: many })).status);
    expect(await count()).toBe(before);
    expect((await node.ask(ENQUEUE, many.slice(1))).jobs).toHaveLength(1_000);
    expect(await count()).toBe(before + 1_000);
  });

  test('in MessagePack too', async () => {
    const { value } = await node.pack(ENQUEUE, [{ type }, { type }]);
    expect(value.jobs.map((entry: Entry) => entry.conflict)).toEqual([false, false]);
    expect((await node.pack(ENQUEUE, [{ type }, { type, args: { a: new Date() } }])).status).toBe(400);
  });
});

describe('each', () => {
  test('stands for itself', async () => {
    const before = await count();
    const { each } = await node.ask(ENQUEUE, {
      each: [
        { type, args: { a: 1 } },
        { type: 'nobody' },
        { type: 'slow', args: { bad: true } },
        { type, x: 1 },
        { type },
        7,
      ],
    });
    expect(each[0]).toMatchObject({ conflict: false, job: { type, args: null } });
    expect(each[1].error).toMatchObject({ code: 'unknown_type', issues: [{ path: 'type' }] });
    expect(each[2].error).toMatchObject({ code: 'invalid_args', issues: [{ path: 'args.bad' }] });
    expect(each[3].error).toMatchObject({ code: 'invalid_job', issues: [{ path: 'x' }] });
    expect(each[4]).toMatchObject({ conflict: false });
    expect(each[5].error.code).toBe('invalid_job');
    expect(await count()).toBe(before + 2);
    const stored = await node.ask('jobs.job.get', { id: each[0].job.id });
    expect(stored.args).toEqual({ a: 1 });
  });

  test('is an array alone in its body', async () => {
    for (const bad of [{ each: 7 }, { each: {} }, { each: null }, { each: [{ type }], type }]) {
      expect(await node.request(ENQUEUE, bad)).toMatchObject({ status: 400 });
    }
    expect(await node.request(ENQUEUE, { each: [] })).toMatchObject({ status: 400 });
    expect(await node.request('jobs.enqueue.nowhere', { each: [{ type }] })).toMatchObject({ status: 404 });
  });
});

describe('a reply never exceeds what the server takes', () => {
  test('for a thousand jobs with all that a request can carry', async () => {
    const meta = { m: 'x'.repeat(850) };
    const { jobs } = await node.ask(
      ENQUEUE,
      Array.from({ length: 1_000 }, () => ({ type, meta })),
    );
    expect(jobs).toHaveLength(1_000);
    expect((await node.ask('jobs.job.get', { id: jobs[999].job.id })).meta).toEqual(meta);
  });

  test('for existing jobs with large results', async () => {
    const { jobs } = await node.ask(
      'jobs.enqueue.large',
      Array.from({ length: 6 }, () => ({ type })),
    );
    const claimed = (await node.ask('jobs.work.large.claim', { worker, node: 'plain', limit: 6 })).jobs;
    for (const { id, attempt, run } of claimed) {
      const outcome = { id, attempt, run, outcome: 'complete', result: 'x'.repeat(250_000) };
      await node.ask('jobs.work.large.settle', { worker, outcomes: [outcome] });
    }
    const again = await node.ask(
      'jobs.enqueue.large',
      jobs.map((entry: Entry) => ({ type, id: entry.job.id })),
    );
    expect(again.jobs.map((entry: Entry) => [entry.job.state, entry.conflict])).toEqual(
      Array(6).fill(['completed', true]),
    );
  });

  test('for faults without end', async () => {
    const fields = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`f${index}`, 1]));
    const { each } = await node.ask(ENQUEUE, { each: Array.from({ length: 1_000 }, () => ({ type, ...fields })) });
    expect(each[999].error.code).toBe('invalid_job');
    const all = await node.request(
      ENQUEUE,
      Array.from({ length: 1_000 }, () => ({ type, ...fields })),
    );
    expect(all).toMatchObject({ status: 400, code: 'invalid_job' });
  });
});
