import { setTimeout as wait } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect } from '../../src/client/client.ts';
import { defineJob } from '../../src/index.ts';
import { type PubAck, type PublishOptions, publish as publishTo } from '../support/intake-publisher.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

/** What the handler saw of each job. */
const ran: { id: string; args: unknown; traceparent: unknown }[] = [];
const work = defineJob<{ n?: number }>({
  type: 'work',
  async run({ job, args }) {
    ran.push({ id: job.id, args, traceparent: (job as { traceparent?: unknown }).traceparent });
  },
});
const strict = defineJob<{ to: string }>({
  type: 'strict',
  args: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) =>
        typeof (value as { to?: unknown }).to === 'string'
          ? { value: value as { to: string } }
          : { issues: [{ path: ['to'], message: 'must be a text' }] },
    },
  },
  async run() {},
});

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({ queues: { default: 10, idle: 1 }, jobs: [work, strict] }, { queues: 'default:10' });
});
afterAll(() => node.stop());

const publish = (queue: string, body: unknown, options?: PublishOptions): Promise<PubAck> =>
  publishTo(node.nats, queue, body, options);
const tagged = async (tag: string): Promise<{ id: string; state: string; scheduledAt: string; insertedAt: string }[]> =>
  (await node.ask('jobs.job.list', { tag, order: 'asc', limit: 500 })).jobs;
const jobsTagged = (tag: string, count: number) =>
  until(
    () => tagged(tag),
    (jobs) => jobs.length >= count,
  );
/** All that went in before has been dealt with when this has. */
const settled = async (): Promise<void> => {
  const tag = `marker-${v7()}`;
  await publish('default', { type: 'work', tags: [tag] });
  await jobsTagged(tag, 1);
};
const rejectedOf = (msgId: string) =>
  until(
    async () => ((await node.ask('jobs.ctl.rejected.list')).rejected as Rejected[]).filter((it) => it.msgId === msgId),
    (list) => list.length > 0,
  );

interface Rejected {
  at: string;
  queue: string;
  msgId: string | null;
  code: string;
  message: string;
  issues: { path: string; message: string }[];
}

describe('a message of the intake', () => {
  test('is taken by the stream of the contract', async () => {
    expect(await publish('default', { type: 'work' })).toMatchObject({
      stream: 'JOBS_INTAKE',
      seq: expect.any(Number),
    });
    const manager = await jetstreamManager(node.nats);
    const { config } = await manager.streams.info('JOBS_INTAKE');
    expect(config).toMatchObject({
      ...{ subjects: ['jobs.intake.>'], retention: 'workqueue', storage: 'file', discard: 'new' },
      ...{ max_msgs: 1_000_000, max_bytes: 1_073_741_824 },
    });
  });

  test('becomes a job that runs, in JSON and in MessagePack, and leaves the stream', async () => {
    await publish('default', { type: 'work', args: { n: 1 }, tags: ['json'] }, { headers: { traceparent: TRACE } });
    await publish('default', { type: 'work', args: { n: 2 }, tags: ['packed'] }, { msgpack: true });
    const [json] = await jobsTagged('json', 1);
    const [packed] = await jobsTagged('packed', 1);
    for (const job of [json, packed]) {
      expect(job?.id).toMatch(UUID_V7);
      expect(await node.ask('jobs.job.wait', { id: job?.id })).toMatchObject({ state: 'completed', queue: 'default' });
    }
    expect(ran.find(({ id }) => id === json?.id)).toMatchObject({ args: { n: 1 } });
    const manager = await jetstreamManager(node.nats);
    await until(
      async () => (await manager.streams.info('JOBS_INTAKE')).state.messages,
      (messages) => messages === 0,
    );
  });

  test('keeps its trace', async () => {
    const worker = v7();
    await publish('idle', { type: 'work' }, { headers: { traceparent: TRACE } });
    const { jobs } = await node.ask('jobs.work.idle.claim', { worker, node: 'elsewhere', waitMs: 5_000 });
    expect(jobs).toMatchObject([{ traceparent: TRACE }]);
    const outcomes = jobs.map(({ id, attempt, run }: object & { id: string; attempt: number; run: number }) => ({
      ...{ id, attempt, run, outcome: 'complete' },
    }));
    await node.ask('jobs.work.idle.settle', { worker, outcomes });
  });

  test('may hold many jobs, all or none, whose ids rise in their order', async () => {
    const jobs = Array.from({ length: 300 }, (_, n) => ({ type: 'work', args: { n }, tags: ['many'] }));
    await publish('default', jobs, { id: 'many' });
    const stored = await jobsTagged('many', 300);
    expect(stored.map(({ id }) => id)).toEqual(stored.map(({ id }) => id).sort());
    await publish(
      'default',
      [...jobs.slice(0, 2), { type: 'unknown', tags: ['none'] }].map((job) => ({ ...job, tags: ['none'] })),
      {
        id: 'none',
      },
    );
    expect(await rejectedOf('none')).toMatchObject([{ code: 'unknown_type', issues: [{ path: '2.type' }] }]);
    expect(await tagged('none')).toEqual([]);
  });

  test('may hold jobs that each stand for themselves', async () => {
    const good = { type: 'work', tags: ['each'] };
    await publish('default', { each: [good, { type: 'unknown' }, good, { ...good, priority: 77 }] }, { id: 'each' });
    expect(await jobsTagged('each', 2)).toHaveLength(2);
    const rejected = await until(
      () => rejectedOf('each'),
      (list) => list.length === 2,
    );
    expect(rejected.map(({ code, issues }) => [code, issues[0]?.path]).sort()).toEqual([
      ['invalid_job', 'each.3.priority'],
      ['unknown_type', 'each.1.type'],
    ]);
  });

  test("counts delays from the broker's time", async () => {
    const before = Date.now();
    await publish('default', { type: 'work', scheduleIn: '1h', tags: ['later'] });
    const after = Date.now();
    const [job] = await jobsTagged('later', 1);
    expect(job?.state).toBe('scheduled');
    const dueAt = Date.parse(job?.scheduledAt ?? '') - 3_600_000;
    expect(dueAt).toBeGreaterThanOrEqual(before);
    expect(dueAt).toBeLessThanOrEqual(after);
  });
});

describe('a message id', () => {
  test('makes one job, also long after the window in which the broker knows it', async () => {
    const manager = await jetstreamManager(node.nats);
    await manager.streams.update('JOBS_INTAKE', { duplicate_window: nanos(100) });
    const one = { type: 'work', tags: ['again'] };
    const send = async (): Promise<void> => {
      expect(await publish('default', one, { id: 'again-1' })).not.toHaveProperty('duplicate');
      await publish('default', [one, one, { ...one, id: undefined }], { id: 'again-2' });
      await settled();
    };
    await send();
    const first = await tagged('again');
    expect(first).toHaveLength(4);
    await wait(300);
    await send();
    await wait(300);
    await send();
    expect((await tagged('again')).map(({ id }) => id)).toEqual(first.map(({ id }) => id));
  });

  test('is of its queue: another queue may have the same', async () => {
    await wait(300);
    await publish('default', { type: 'work', tags: ['apart'] }, { id: 'apart' });
    await wait(300);
    await publish('idle', { type: 'work', tags: ['apart'] }, { id: 'apart' });
    expect(await jobsTagged('apart', 2)).toHaveLength(2);
  });

  test('does not count where the body has an id, which is known like any other', async () => {
    const id = v7();
    await node.ask('jobs.enqueue.default', { type: 'work', id, tags: ['own'] });
    await publish('default', { type: 'work', id, tags: ['own'] }, { id: 'own-1' });
    await publish('default', { type: 'work', id: v7(), tags: ['own'] }, { id: 'own-2' });
    await settled();
    expect(await tagged('own')).toHaveLength(2);
  });

  test('is not needed: messages without one are all jobs', async () => {
    const count = 50;
    await Promise.all(Array.from({ length: count }, () => publish('default', { type: 'work', tags: ['free'] })));
    await settled();
    expect(await tagged('free')).toHaveLength(count);
  });
});

describe('a message that is at fault', () => {
  const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
  test.each<[name: string, queue: string, body: unknown, code: string, more?: PublishOptions]>([
    ['bad-json', 'default', '{"type":', 'invalid_request'],
    ['not-utf8', 'default', '"\ud800', 'invalid_request'],
    ['bad-msgpack', 'default', Uint8Array.of(0xc1), 'invalid_request', { msgpack: true }],
    ['endless-msgpack', 'default', new Uint8Array(900_000).fill(0xdc), 'invalid_request', { msgpack: true }],
    ['deep-msgpack', 'default', new Uint8Array(900_000).fill(0x91), 'invalid_request', { msgpack: true }],
    [
      'bad-content-type',
      'default',
      'type: work',
      'unsupported_content_type',
      { headers: { 'Content-Type': 'text/yaml' } },
    ],
    ['no-object', 'default', '42', 'invalid_job'],
    ['no-jobs', 'default', [], 'invalid_job'],
    ['unknown-queue', 'nowhere', { type: 'work' }, 'not_found'],
    ['two-tokens', 'default.more', { type: 'work' }, 'invalid_request'],
    ['bad-token', 'de$ault', { type: 'work' }, 'invalid_request'],
    ['unknown-type', 'default', { type: 'nothing' }, 'unknown_type'],
    ['unknown-field', 'default', { type: 'work', queue: 'default' }, 'invalid_job'],
    ['bad-args', 'default', { type: 'strict', args: { to: 7 } }, 'invalid_args'],
    ['bad-id', 'default', { type: 'work', id: 'x' }, 'invalid_job'],
    ['too-large', 'default', { type: 'work', args: { text: 'x'.repeat(300_000) } }, 'too_large'],
    ['too-many', 'default', Array.from({ length: 1_001 }, () => ({ type: 'work' })), 'too_large'],
    ['too-deep', 'default', { type: 'work', args: deep(70) }, 'invalid_job'],
  ])('is rejected: %s', async (...row) => {
    const [name, queue, body, code, more = {}] = row;
    const from = node.events.length;
    await publish(queue, body, { id: name, ...more });
    const [rejected, ...others] = await rejectedOf(name);
    expect(others).toEqual([]);
    expect(rejected).toMatchObject({
      queue,
      msgId: name,
      code,
      message: expect.any(String),
      issues: expect.any(Array),
    });
    expect(rejected?.at).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const { subject, event } = await node.event(
      ({ subject, event }) => subject.includes('.intake.') && event.subject === name,
    );
    expect(subject).toBe(`jobs.events.intake.${queue.replaceAll(/[^\w-]/g, '_')}.rejected`);
    expect(event).toMatchObject({ specversion: '1.0', type: 'jobs.intake.rejected', source: '/rota/here' });
    expect(event.data).toMatchObject({ queue, msgId: name, code });
    expect(node.events.slice(from).filter(({ event: { subject: about } }) => about === name)).toHaveLength(1);
  });

  test('is listed newest first, in pages', async () => {
    const all = (await node.ask('jobs.ctl.rejected.list')).rejected as Rejected[];
    const first = await node.ask('jobs.ctl.rejected.list', { limit: 3 });
    const second = await node.ask('jobs.ctl.rejected.list', { limit: 3, cursor: first.cursor });
    expect([...first.rejected, ...second.rejected]).toEqual(all.slice(0, 6));
    expect((await node.request('jobs.ctl.rejected.list', { cursor: 'x' })).status).toBe(400);
    expect((await node.request('jobs.ctl.rejected.list', { nonsense: 1 })).paths).toEqual(['nonsense']);
  });
});

describe('client.submit', () => {
  test('answers the id once the broker has it, and the job runs', async () => {
    const client = await connect({ servers: node.url });
    const id = await client.submit(work, { n: 9 }, { priority: 'high' });
    expect(
      await until(
        () => client.wait(id).catch(() => undefined),
        (job) => job !== undefined,
      ),
    ).toMatchObject({
      ...{ id, state: 'completed', priority: 2, args: { n: 9 } },
    });
    expect(await client.submit('work', {}, { id, queue: 'default' })).toBe(id);
    await client.close();
  });

  test('works from inside the node', async () => {
    const id = await node.rota.client.submit(work, { n: 10 });
    expect(
      await until(
        () => node.rota.client.wait(id).catch(() => undefined),
        (job) => job !== undefined,
      ),
    ).toMatchObject({ id });
  });

  test('tells at once what is wrong with a job', async () => {
    const { client } = node.rota;
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    await expect(client.submit('work', cyclic)).rejects.toMatchObject({ code: 'invalid_args' });
    await expect(client.submit('work', {}, { queue: 'a.b' })).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(client.submit('no type', {})).rejects.toMatchObject({
      code: 'invalid_job',
      issues: [{ path: 'type' }],
    });
    await expect(client.submit('work', { text: 'x'.repeat(300_000) })).rejects.toMatchObject({ code: 'too_large' });
  });

  test('of a job that is refused later ends in the rejected list', async () => {
    const id = await node.rota.client.submit(strict, { to: 7 } as never);
    expect(await rejectedOf(id)).toMatchObject([{ code: 'invalid_args', issues: [{ path: 'args.to' }] }]);
  });
});
