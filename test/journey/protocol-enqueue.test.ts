import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';

// PROTOCOL.md section 2, sentence by sentence, and the formats of section 1 that its fields have.

/** A Standard Schema: `to` must be a text and comes back in lower case; a slow one answers later. */
const schemaOf = (slow: boolean) => ({
  '~standard': {
    version: 1 as const,
    vendor: 'test',
    validate: async (value: unknown) => {
      if (slow) await new Promise((resolve) => setImmediate(resolve));
      const { to, size } = value as { to?: unknown; size?: number };
      if (to === 'throw') throw new Error('a broken schema');
      if (typeof to !== 'string') return { issues: [{ path: ['to'], message: 'must be a text' }] };
      return { value: size === undefined ? { to: to.toLowerCase(), known: true } : { to: 'x'.repeat(size) } };
    },
  },
});

const mail = defineJob({
  ...{ type: 'mail', queue: 'post', args: schemaOf(true), maxAttempts: 7, timeout: '90s', priority: 'high' },
  backoff: { kind: 'constant', baseMs: 5_000, jitter: 0 },
});
const plain = defineJob({ type: 'plain' });
const traced = defineJob({ type: 'traced', run: ({ job }) => ({ traceparent: job.traceparent }) });

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({ queues: { default: 10, bulk: 1 }, jobs: [mail, plain, traced] });
});
afterAll(() => node.stop());

const ENQUEUE = 'jobs.enqueue.default';
const type = 'plain';
const job = async (fields: object = {}, queue = 'default') =>
  (await node.ask(`jobs.enqueue.${queue}`, { type, ...fields })).job;
const refusal = async (fields: object) => node.request(ENQUEUE, { type, ...fields });
const count = async (): Promise<number> => (await node.ask('jobs.job.count')).total;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
/** A UUIDv7 of the test's own. */
const newId = (): string => {
  const text = Date.now().toString(16).padStart(12, '0');
  return `${text.slice(0, 8)}-${text.slice(8)}-7${crypto.randomUUID().slice(15)}`;
};
/** Args with exactly so many bytes of JSON. */
const argsOf = (bytes: number) => ({ a: 'x'.repeat(bytes - '{"a":""}'.length) });

describe('one job', () => {
  test('has every field, absent ones null, and every default', async () => {
    const { job: made, conflict } = await node.ask(ENQUEUE, { type });
    expect(conflict).toBe(false);
    expect(made).toEqual({
      ...{ id: expect.stringMatching(UUID_V7), type, queue: 'default', state: 'available', args: {}, priority: 5 },
      ...{ attempt: 0, maxAttempts: 20, scheduledAt: expect.stringMatching(ISO), insertedAt: made.scheduledAt },
      ...{ attemptedAt: null, finishedAt: null, attemptedBy: null, tags: [], meta: {}, reference: null, result: null },
      ...{ errors: [], progress: null, schedule: null },
    });
    expect(await node.ask('jobs.job.get', { id: made.id })).toEqual(made);
  });

  test('takes every field', async () => {
    const fields = {
      ...{ args: [1, { b: null }], id: newId(), priority: 0, scheduledAt: '2100-02-28T23:59:59Z', maxAttempts: 1_000 },
      ...{ backoff: { kind: 'linear', base: '2s', max: '1h', jitter: 0.5 }, timeout: '5m', tags: ['B', 'a', 'b'] },
      ...{ meta: { m: { deep: [true] } }, reference: { type: 'file_upload', id: '42' } },
    };
    const made = await job(fields);
    const { backoff: _backoff, timeout: _timeout, ...kept } = fields;
    expect(made).toMatchObject({
      ...kept,
      scheduledAt: '2100-02-28T23:59:59.000Z',
      tags: ['b', 'a'],
      state: 'scheduled',
    });
    const absent = { args: null, id: null, priority: null, scheduledAt: null, tags: null, meta: null, reference: null };
    expect(await job(absent)).toMatchObject({ args: {}, priority: 5, tags: [], meta: {}, reference: null });
  });

  test('the type says what the request does not', async () => {
    const made = (await node.ask('jobs.enqueue.post', { type: 'mail', args: { to: 'A@B' } })).job;
    expect(made).toMatchObject({ queue: 'post', priority: 2, maxAttempts: 7, args: { to: 'a@b', known: true } });
    const claim = { worker: crypto.randomUUID(), node: 'plain', limit: 9 };
    const [claimed] = (await node.ask('jobs.work.post.claim', claim)).jobs;
    expect(claimed).toMatchObject({ id: made.id, timeout: 90_000, args: { to: 'a@b', known: true } });
    const own = { type: 'mail', args: { to: 'x' }, priority: 'low', maxAttempts: 1 };
    expect((await node.ask('jobs.enqueue.post', own)).job).toMatchObject({ priority: 9, maxAttempts: 1 });
  });

  test('args are checked by the schema, and its path is told', async () => {
    const bad = await node.request('jobs.enqueue.post', { type: 'mail', args: { to: 1 } });
    expect(bad).toMatchObject({ status: 400, code: 'invalid_args', paths: ['args.to'] });
    const many = [{ type: 'mail', args: { to: 'x' } }, { type }, { type }, { type: 'mail', args: {} }];
    expect((await node.request('jobs.enqueue.post', many)).paths).toEqual(['3.args.to']);
    expect((await node.request('jobs.enqueue.post', { type: 'mail', args: { to: 'x', size: 300_000 } })).status).toBe(
      413,
    );
    expect((await node.request('jobs.enqueue.post', { type: 'mail', args: { to: 'throw' } })).paths).toEqual(['args']);
  });

  test('priorities have numbers and names', async () => {
    for (const [name, number] of Object.entries({ critical: 0, high: 2, normal: 5, low: 9 })) {
      expect(await job({ priority: name })).toMatchObject({ priority: number });
    }
    for (const bad of [-1, 10, 1.5, '5', 'HIGH', 'toString', true, {}]) {
      expect(await refusal({ priority: bad })).toMatchObject({ status: 400, code: 'invalid_job', paths: ['priority'] });
    }
  });

  test('a bad unique or deadline is refused by name', async () => {
    expect(await refusal({ unique: 7 })).toMatchObject({ status: 400, paths: ['unique'] });
    expect(await refusal({ deadline: 'soon' })).toMatchObject({ status: 400, paths: ['deadline'] });
  });

  test('bad fields are refused, each by its path, and change nothing', async () => {
    const before = await count();
    const bad: [object, string[]][] = [
      [{ args: 'x' }, ['args']],
      [{ args: 1 }, ['args']],
      [{ id: 'x' }, ['id']],
      [{ id: crypto.randomUUID() }, ['id']],
      [{ maxAttempts: 0 }, ['maxAttempts']],
      [{ maxAttempts: 1_001 }, ['maxAttempts']],
      [{ maxAttempts: '3' }, ['maxAttempts']],
      [{ backoff: { kind: 'random', base: '2s' } }, ['backoff.kind']],
      [{ backoff: { kind: 'linear' } }, ['backoff.base']],
      [{ backoff: { kind: 'linear', base: '2s', jitter: 1.1 } }, ['backoff.jitter']],
      [{ tags: 'a' }, ['tags']],
      [{ tags: [1] }, ['tags.0']],
      [{ tags: ['x'.repeat(129)] }, ['tags.0']],
      [{ tags: Array.from({ length: 33 }, (_, index) => `t${index}`) }, ['tags']],
      [{ meta: [] }, ['meta']],
      [{ meta: 'x' }, ['meta']],
      [{ reference: { type: 'a' } }, ['reference.id']],
      [{ reference: { type: 'a', id: 1 } }, ['reference.id']],
      [{ reference: { type: 'x'.repeat(257), id: '1' } }, ['reference.type']],
      [{ type: 'nobody' }, ['type']],
      [{ scheduleIn: '1s', scheduledAt: '2100-01-01T00:00:00Z' }, ['scheduleIn']],
    ];
    for (const [fields, paths] of bad)
      expect(await refusal(fields), JSON.stringify(fields)).toMatchObject({ status: 400, paths });
    expect(await count()).toBe(before);
    const most = { tags: Array.from({ length: 32 }, (_, index) => `${index}`.padEnd(128, 'x')) };
    expect((await job({ ...most, reference: { type: 'x'.repeat(256), id: 'y'.repeat(256) } })).tags).toHaveLength(32);
  });

  test('sizes: exactly the limit is taken, one more is 413', async () => {
    expect((await job({ args: argsOf(262_144) })).args.a).toHaveLength(262_136);
    const { a } = argsOf(262_145);
    expect(await refusal({ args: { a } })).toMatchObject({ status: 413, code: 'too_large', paths: ['args'] });
    expect(await refusal({ args: { a: 'ä'.repeat(131_069) } })).toMatchObject({ status: 413 });
    expect((await job({ meta: argsOf(65_536) })).meta.a).toHaveLength(65_528);
    expect(await refusal({ meta: argsOf(65_537) })).toMatchObject({ status: 413, code: 'too_large', paths: ['meta'] });
  });
});

describe('times and durations', () => {
  test('times are RFC 3339 in UTC and real dates', async () => {
    for (const good of ['2100-01-31T10:00:00Z', '2100-01-31T10:00:00.5Z', '2096-02-29T00:00:00.123Z']) {
      expect((await job({ scheduledAt: good })).scheduledAt).toBe(new Date(good).toISOString());
    }
    const bad = [
      '2100-02-29T00:00:00Z',
      '2100-01-31',
      '2100-01-31T10:00:00',
      '2100-01-31T10:00:00+00:00',
      '',
      'tomorrow',
    ];
    const worse = ['2100-01-31 10:00:00Z', '2100-13-01T00:00:00Z', '2100-01-31T24:00:00Z', '2100-01-31T10:00:60Z'];
    for (const scheduledAt of [...bad, ...worse, 4_102_444_800_000, true, {}]) {
      expect(await refusal({ scheduledAt }), String(scheduledAt)).toMatchObject({
        status: 400,
        paths: ['scheduledAt'],
      });
    }
    expect((await job({ scheduledAt: '2000-01-01T00:00:00Z' })).state).toBe('available');
  });

  test('durations are milliseconds or have a unit; also beyond 2^31 ms', async () => {
    const good: [unknown, number][] = [
      ...([
        [1_500, 1_500],
        ['250ms', 250],
        ['30s', 30_000],
        ['1.5h', 5_400_000],
        ['7d', 604_800_000],
      ] as [unknown, number][]),
      ...([
        [2_592_000_000, 2_592_000_000],
        ['36525d', 36_525 * 86_400_000],
      ] as [unknown, number][]),
    ];
    for (const [scheduleIn, ms] of good) {
      const { state, scheduledAt, insertedAt } = await job({ scheduleIn });
      expect(Date.parse(scheduledAt) - Date.parse(insertedAt), String(scheduleIn)).toBe(ms);
      expect(state).toBe('scheduled');
    }
    expect((await job({ scheduleIn: 0 })).state).toBe('available');
    const bad = [
      '30',
      '-5s',
      -1,
      '',
      's',
      '5 s',
      '1w',
      '1e3s',
      '5S',
      '36526d',
      36_525 * 86_400_000 + 1,
      true,
      {},
      '1h30m',
    ];
    for (const scheduleIn of bad) {
      expect(await refusal({ scheduleIn }), String(scheduleIn)).toMatchObject({ status: 400, paths: ['scheduleIn'] });
    }
    expect(await refusal({ timeout: '30' })).toMatchObject({ status: 400, paths: ['timeout'] });
  });

  test('a job that is far away stays scheduled, a near one becomes available by itself', async () => {
    const far = await job({ scheduleIn: 2 ** 31 + 5_000 });
    const near = await job({ type: 'traced', scheduleIn: '300ms' });
    expect(await node.ask('jobs.job.wait', { id: near.id })).toMatchObject({ state: 'completed' });
    expect(await node.ask('jobs.job.get', { id: far.id })).toMatchObject({ state: 'scheduled' });
  });
});

describe('idempotency', () => {
  test('the same id again returns the existing job and inserts nothing', async () => {
    const id = newId();
    const first = await job({ id, args: { first: true } });
    const before = await count();
    const again = await node.ask('jobs.enqueue.bulk', { type, id: id.toUpperCase(), args: { first: false } });
    expect(again).toEqual({ job: first, conflict: true });
    expect(await count()).toBe(before);
  });

  test('of concurrent ones exactly one is inserted', async () => {
    const id = newId();
    const answers = await Promise.all(Array.from({ length: 20 }, () => node.ask(ENQUEUE, { type, id })));
    expect(answers.filter(({ conflict }) => !conflict)).toHaveLength(1);
    expect(new Set(answers.map((answer) => answer.job.id))).toEqual(new Set([id]));
  });

  test('in bulk too, also within one request', async () => {
    const id = newId();
    const { jobs } = await node.ask(ENQUEUE, [{ type, id }, { type }, { type, id }]);
    expect(jobs.map(({ conflict }: { conflict: boolean }) => conflict)).toEqual([false, false, true]);
    expect(jobs[2].job.id).toBe(id);
  });
});

test('traceparent is kept and handed to the handler and to other workers', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const made = (await node.ask(ENQUEUE, { type: 'traced' }, { headers: { Traceparent: traceparent } })).job;
  expect(await node.ask('jobs.job.wait', { id: made.id })).toMatchObject({ result: { traceparent } });
  await node.ask('jobs.enqueue.bulk', { type }, { headers: { traceparent } });
  const claim = { worker: crypto.randomUUID(), node: 'plain' };
  expect((await node.ask('jobs.work.bulk.claim', claim)).jobs[0]).toMatchObject({ traceparent });
  const odd = (await node.ask(ENQUEUE, { type: 'traced' }, { headers: { traceparent: 'nonsense' } })).job;
  expect(await node.ask('jobs.job.wait', { id: odd.id })).toMatchObject({ result: { traceparent: null } });
});
