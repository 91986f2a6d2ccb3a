import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// A key `__proto__`, which JSON may have and an assignment would lose, is refused at every door, and costs no more than
// what has it.

const odd = () => JSON.parse('{"n":1,"__proto__":{"polluted":1}}');
const told: string[] = [];

let node: RotaNode;
beforeAll(async () => {
  const waiting = defineJob({ type: 'waits', queue: 'elsewhere' });
  const returning = defineJob({
    type: 'returns',
    run: async ({ progress }) => {
      progress({ n: 0 });
      progress(odd());
      return odd();
    },
  });
  // What a handler of ours says in vain its author shall see.
  const log = (...said: unknown[]): void => void told.push(JSON.stringify(said));
  const logger = { trace: log, debug: () => {}, info: () => {}, warn: log, error: log, child: () => logger };
  node = await startRotaNode(
    { queues: { default: 5, elsewhere: 1 }, jobs: [waiting, returning] },
    { logger: logger as never },
  );
});
afterAll(() => node.stop());

const ENQUEUE = 'jobs.enqueue.elsewhere';
const type = 'waits';
const put = (job: object) => ({ name: 'odd', spec: { every: 3_600_000 }, job: { type, ...job } });

describe('a key __proto__ is refused with its place', () => {
  test('in JSON', async () => {
    const asked = async (subject: string, body: object) => {
      const { status, paths } = await node.request(subject, body);
      return { status, paths };
    };
    expect(await asked(ENQUEUE, { type, args: odd() })).toEqual({ status: 400, paths: ['args.__proto__'] });
    expect(await asked(ENQUEUE, { type, meta: { in: [odd()] } })).toEqual({
      status: 400,
      paths: ['meta.in.0.__proto__'],
    });
    expect(await asked(ENQUEUE, [{ type }, { type, args: [odd()] }])).toEqual({
      status: 400,
      paths: ['1.args.0.__proto__'],
    });
    const schedule = 'jobs.ctl.schedule.put';
    expect(await asked(schedule, put({ args: odd() }))).toEqual({ status: 400, paths: ['job.args.__proto__'] });
    expect(await asked(schedule, put({ meta: odd() }))).toEqual({ status: 400, paths: ['job.meta.__proto__'] });
    const { job } = await node.ask(ENQUEUE, { type, args: { n: 1 } });
    expect(await asked('jobs.job.update', { id: job.id, args: odd() })).toEqual({
      status: 400,
      paths: ['args.__proto__'],
    });
    expect((await node.ask('jobs.job.get', { id: job.id })).args).toEqual({ n: 1 });
  });

  test('in MessagePack, whose body is not read at all', async () => {
    for (const [subject, body] of [
      [ENQUEUE, { type, args: odd() }],
      [ENQUEUE, { type, meta: odd() }],
      ['jobs.ctl.schedule.put', put({ args: odd() })],
    ] as const) {
      const answer = await node.pack(subject, body);
      expect(answer).toMatchObject({ status: 400, code: 'invalid_request' });
      expect(answer.value.error.message).toMatch(/__proto__/);
    }
  });

  test('by a program in the same process', async () => {
    const { client } = node.rota;
    const refusal = (path: string) => ({ code: 'invalid_args', issues: [{ path }] });
    await expect(client.enqueue('waits', odd(), { queue: 'elsewhere' })).rejects.toMatchObject(
      refusal('args.__proto__'),
    );
    await expect(client.schedules.put(put({ args: odd() }))).rejects.toMatchObject(refusal('job.args.__proto__'));
  });
});

test('a result with it costs the result, and progress with it is told to its author', async () => {
  const { id } = await node.rota.client.enqueue('returns');
  const job = await node.rota.client.wait(id);
  expect(job).toMatchObject({ state: 'completed', result: null, errors: [{ kind: 'result' }] });
  expect(
    await until(
      async () => told.filter((line) => line.includes('progress.__proto__')),
      ({ length }) => length > 0,
    ),
  ).toHaveLength(1);
  expect(job.progress).toEqual({ n: 0 });
});

test('a worker elsewhere loses the result and not the completion', async () => {
  const { job } = await node.ask(ENQUEUE, { type });
  const worker = crypto.randomUUID();
  const claimed = await node.ask('jobs.work.elsewhere.claim', { worker, node: 'plain', limit: 10, waitMs: 1_000 });
  const { run, attempt } = claimed.jobs.find(({ id }: { id: string }) => id === job.id);
  const outcomes = [{ id: job.id, run, attempt, outcome: 'complete', result: odd() }];
  expect((await node.ask('jobs.work.elsewhere.settle', { worker, outcomes })).settled).toHaveLength(1);
  const after = await node.ask('jobs.job.get', { id: job.id });
  expect(after).toMatchObject({ state: 'completed', result: null, errors: [{ kind: 'result' }] });
  expect(after.errors[0].message).toContain('__proto__');
});

test('and no object of this process has become another', () => {
  expect('polluted' in {}).toBe(false);
});
