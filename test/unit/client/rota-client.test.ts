import { beforeEach, describe, expect, test } from 'vitest';
import { JobFailed, WaitTimeout } from '../../../src/client/client-errors.ts';
import { RotaClient } from '../../../src/client/rota-client.ts';
import { defineJob } from '../../../src/job/definition.ts';
import { constant } from '../../../src/job/retry-policy.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { uuidSource } from '../../../src/kernel/identity.ts';
import type { Bus, Message } from '../../../src/messaging/bus.ts';
import type { Codec } from '../../../src/messaging/codec.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { answer, refuse } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

type Json = Record<string, unknown>;
interface Seen {
  subject: string;
  body: Json | Json[];
  headers: Readonly<Record<string, string>>;
}

/** A client on a bus in memory, with a server that a test makes up. */
class World {
  readonly clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'));
  readonly subjects = new Subjects('jobs');
  readonly bus: Bus = new LocalRoute({ route: 'local', clock: this.clock, subjects: this.subjects });
  readonly seen: Seen[] = [];
  readonly client = this.speaking('json');

  speaking(codec: Codec): RotaClient {
    const { bus, subjects, clock } = this;
    const world = { bus, subjects, clock, newId: uuidSource(clock), codec, deadlineMs: 10_000 };
    return new RotaClient({ ...world, close: () => bus.close() });
  }

  serve(pattern: string, deal: (body: Json, message: Message) => unknown): () => void {
    const subscription = this.bus.subscribe(pattern, {}, (message) => {
      const body = message.body.value as Json;
      this.seen.push({ subject: message.subject, body, headers: message.headers });
      try {
        answer(message, deal(body, message));
      } catch (error) {
        refuse(message, error);
      }
    });
    return () => subscription.unsubscribe();
  }
}

const viewOf = ({ id, type }: Json) => ({ id, type, state: 'available', errors: [], args: null });
const accept = (body: Json | Json[]): unknown => {
  if (Array.isArray(body)) return { jobs: body.map((job) => ({ job: viewOf(job), conflict: false })) };
  if ('each' in body) return { each: (body.each as Json[]).map((job) => ({ job: viewOf(job), conflict: false })) };
  return { job: { ...viewOf(body), args: body.args ?? {} }, conflict: false };
};

describe('the client', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  test('sends one call as one job, with an id of its own making', async () => {
    world.serve('jobs.enqueue.*', accept);
    const { id, job, conflict } = await world.client.enqueue(
      'a.b',
      { n: 1 },
      { queue: 'mail', priority: 'high', scheduleIn: '5m' },
    );
    expect(world.seen).toMatchObject([
      { subject: 'jobs.enqueue.mail', body: { type: 'a.b', args: { n: 1 }, id, priority: 'high', scheduleIn: '5m' } },
    ]);
    expect([job.id, conflict]).toEqual([id, false]);
  });

  test('sends the calls of one turn in one message per queue', async () => {
    world.serve('jobs.enqueue.*', accept);
    const calls = [1, 2, 3].map((n) => world.client.enqueue('a', { n }));
    const other = world.client.enqueue('a', {}, { queue: 'other' });
    const results = await Promise.all([...calls, other]);
    expect(world.seen.map(({ subject }) => subject)).toEqual(['jobs.enqueue.default', 'jobs.enqueue.other']);
    expect(world.seen[0]).toMatchObject({ body: { each: [{}, {}, {}] } });
    expect(results.map(({ job }) => job.args)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, {}]);
  });

  test('args and options are those at the call, whatever becomes of the objects afterwards', async () => {
    world.serve('jobs.enqueue.*', accept);
    const args = { n: 0, list: [0] };
    const options = { tags: ['0'], meta: { n: 0 } };
    const calls = [1, 2, 3].map((n) => {
      Object.assign(args, { n });
      Object.assign(options.meta, { n });
      args.list[0] = n;
      options.tags[0] = String(n);
      return world.client.enqueue('a', args, options);
    });
    args.n = 4;
    const results = await Promise.all(calls);
    const each = [1, 2, 3].map((n) => ({ args: { n, list: [n] }, tags: [String(n)], meta: { n } }));
    expect(world.seen[0]).toMatchObject({ body: { each } });
    expect(results.map(({ job }) => job.args)).toEqual(each.map((job) => job.args));
    const alone = world.client.enqueue('a', args);
    args.n = 5;
    await alone;
    expect(world.seen[1]).toMatchObject({ body: { args: { n: 4 } } });
  });

  test('a refused call of a turn fails alone', async () => {
    world.serve('jobs.enqueue.*', (body) => ({
      each: (body.each as Json[]).map((job) =>
        job.type === 'bad'
          ? { error: { code: 'invalid_job', message: 'no', issues: [{ path: 'type', message: 'no' }] } }
          : { job: viewOf(job), conflict: false },
      ),
    }));
    const [fine, bad] = await Promise.allSettled([world.client.enqueue('fine'), world.client.enqueue('bad')]);
    expect(fine.status).toBe('fulfilled');
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'invalid_job', issues: [{ path: 'type' }] } });
  });

  test('args that are no JSON are refused before anything is sent, and harm no other call', async () => {
    world.serve('jobs.enqueue.*', accept);
    const cyclic: Json = {};
    cyclic.self = cyclic;
    const [fine, bad] = await Promise.allSettled([world.client.enqueue('a'), world.client.enqueue('a', cyclic)]);
    expect(fine.status).toBe('fulfilled');
    expect(bad).toMatchObject({ reason: { code: 'invalid_args' } });
  });

  test('takes queue and type from a definition, and a trace to the headers', async () => {
    world.serve('jobs.enqueue.*', accept);
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await world.client.enqueue(defineJob({ type: 'x', queue: 'q', run: () => null }), {}, { traceparent });
    expect(world.seen[0]).toMatchObject({ subject: 'jobs.enqueue.q', body: { type: 'x' }, headers: { traceparent } });
  });

  test('sends again with the same id when nobody answers, until somebody does', async () => {
    const enqueued = world.client.enqueue('a', {});
    await world.clock.advance(1_000);
    world.serve('jobs.enqueue.*', accept);
    await world.clock.advance(3_000);
    const { id } = await enqueued;
    expect(world.seen).toHaveLength(1);
    expect(world.seen[0]).toMatchObject({ body: { id } });
  });

  test('gives up at its deadline with the wire’s code', async () => {
    const refused = expect(world.client.get('x')).rejects.toMatchObject({ code: 'unavailable' });
    await world.clock.advance(11_000);
    await refused;
  });

  test('does not repeat what was refused', async () => {
    world.serve('jobs.job.get', () => {
      throw new RotaError('not_found', 'there is no job x');
    });
    await expect(world.client.get('x')).rejects.toMatchObject({ code: 'not_found' });
    expect(world.seen).toHaveLength(1);
  });

  test('cuts a batch into requests and tells its progress', async () => {
    world.serve('jobs.enqueue.*', accept);
    const told: number[] = [];
    const items = Array.from({ length: 250 }, (_, n) => ({ n }));
    const { total, enqueued, ids } = await world.client.enqueueBatch('a', items, {
      batchSize: 100,
      onProgress: (done) => told.push(done.enqueued),
    });
    expect([total, enqueued, new Set(ids).size]).toEqual([250, 250, 250]);
    expect(told).toEqual([100, 200, 250]);
    expect(world.seen.map(({ body }) => (body as Json[]).length)).toEqual([100, 100, 50]);
  });

  test.each(['json', 'msgpack'] as const)(
    'sends what JSON makes of a body, also where nothing is written: %s',
    async (codec) => {
      const client = world.speaking(codec);
      world.serve('jobs.enqueue.*', accept);
      world.serve('jobs.job.update', () => ({}));
      world.serve('jobs.ctl.schedule.put', () => ({}));
      const args = { cc: undefined, at: new Date(0), list: [undefined] };
      const json = { at: '1970-01-01T00:00:00.000Z', list: [null] };
      await client.enqueue('a', args, { meta: { none: undefined } as never });
      await client.enqueueBatch('a', [args]);
      await client.update('x', { args });
      await client.schedules.put({ name: 's', spec: { every: '1h' }, job: { type: 'a', args } });
      const [one, many, update, put] = world.seen.map(({ body }) => body);
      expect([one, many, update, put]).toMatchObject([
        { args: json },
        [{ args: json }],
        { args: json },
        { job: { args: json } },
      ]);
      expect((one as Json).meta).toStrictEqual({});
      expect(((many as Json[])[0] as Json).args).toStrictEqual(json);
    },
  );

  test.each(['json', 'msgpack'] as const)('refuses what JSON would lose, with its place: %s', async (codec) => {
    const client = world.speaking(codec);
    world.serve('>', accept);
    for (const odd of [() => 1, 10n, Number.NaN, new Map()]) {
      const refusal = (path: string, code = 'invalid_args') =>
        expect.objectContaining({ code, issues: [expect.objectContaining({ path })] });
      await expect(client.enqueue('a', { odd })).rejects.toEqual(refusal('args.odd'));
      await expect(client.enqueueBatch('a', [{}, { odd }])).rejects.toEqual(refusal('1.args.odd'));
      await expect(client.submit('a', { odd })).rejects.toEqual(refusal('args.odd'));
      await expect(client.update('x', { args: { odd } })).rejects.toEqual(refusal('args.odd'));
      await expect(client.enqueue('a', {}, { meta: { odd } as never })).rejects.toEqual(
        refusal('meta.odd', 'invalid_job'),
      );
    }
    await expect(client.enqueue('a', () => 1)).rejects.toMatchObject({ code: 'invalid_args' });
    expect(world.seen).toEqual([]);
  });

  test.each(['json', 'msgpack'] as const)(
    'a key __proto__ is refused with its place before it can harm calls of the same turn: %s',
    async (codec) => {
      const client = world.speaking(codec);
      world.serve('>', accept);
      const odd = JSON.parse('{"__proto__":{"a":1}}');
      const refusal = (path: string, code = 'invalid_args') =>
        expect.objectContaining({ code, issues: [expect.objectContaining({ path })] });
      const [fine, bad] = await Promise.allSettled([client.enqueue('a'), client.enqueue('a', { odd })]);
      expect(fine.status).toBe('fulfilled');
      expect(bad).toMatchObject({ reason: refusal('args.odd.__proto__') });
      await expect(client.enqueueBatch('a', [{}, odd])).rejects.toEqual(refusal('1.args.__proto__'));
      await expect(client.submit('a', odd)).rejects.toEqual(refusal('args.__proto__'));
      await expect(client.update('x', { args: odd })).rejects.toEqual(refusal('args.__proto__'));
      await expect(client.enqueue('a', {}, { meta: odd })).rejects.toEqual(refusal('meta.__proto__', 'invalid_job'));
      const put = client.schedules.put({ name: 'n', spec: { every: 1_000 }, job: { type: 'a', args: odd } });
      await expect(put).rejects.toEqual(refusal('job.args.__proto__'));
    },
  );

  test('an option that is named __proto__ is refused as any that is not known', async () => {
    world.serve('jobs.enqueue.*', accept);
    for (const content of ['{"priority":1}', '7']) {
      const options = JSON.parse(`{"tags":["t"],"__proto__":${content}}`);
      await expect(world.client.enqueue('a', {}, options)).rejects.toMatchObject({
        code: 'invalid_job',
        issues: [{ path: '__proto__' }],
      });
    }
    expect(world.seen).toEqual([]);
  });

  test('takes a backoff as it is made and as the wire writes it', async () => {
    world.serve('jobs.enqueue.*', accept);
    await world.client.enqueue('a', {}, { backoff: constant({ base: '2s' }) });
    await world.client.enqueue('a', {}, { backoff: { kind: 'constant', base: '2s' } as never });
    expect(world.seen.map(({ body }) => (body as Json).backoff)).toEqual([
      { kind: 'constant', base: 2_000 },
      { kind: 'constant', base: '2s' },
    ]);
  });

  test('a job of our own first try, whose answer was lost, is no conflict and counts as enqueued', async () => {
    const known = (body: Json) => ({ job: viewOf(body), conflict: true });
    world.serve('jobs.enqueue.*', (body) => (Array.isArray(body) ? { jobs: body.map(known) } : known(body)));
    expect(await world.client.enqueue('a')).toMatchObject({ conflict: false });
    const id = '01890000-0000-7000-8000-000000000000';
    expect(await world.client.enqueue('a', {}, { id })).toMatchObject({ id, conflict: true });
    expect(await world.client.enqueueBatch('a', [{}, {}])).toMatchObject({ total: 2, enqueued: 2 });
  });

  test('an existing job with the unique key is a conflict and does not count', async () => {
    const other = { job: { id: 'other', errors: [] }, conflict: true };
    world.serve('jobs.enqueue.*', (body) => (Array.isArray(body) ? { jobs: body.map(() => other) } : other));
    expect(await world.client.enqueue('a')).toMatchObject({ id: 'other', conflict: true });
    expect(await world.client.enqueueBatch('a', [{}, {}])).toMatchObject({ enqueued: 0, ids: ['other', 'other'] });
  });

  test('cuts a batch of large items into messages that a server takes', async () => {
    world.serve('jobs.enqueue.*', accept);
    const items = Array.from({ length: 20 }, (_, n) => ({ n, text: 'x'.repeat(200_000) }));
    expect(await world.client.enqueueBatch('a', items)).toMatchObject({ total: 20, enqueued: 20 });
    const sizes = world.seen.map(({ body }) => JSON.stringify(body).length);
    expect(Math.max(...sizes)).toBeLessThan(1_000_000);
    expect(world.seen.flatMap(({ body }) => (body as Json[]).map(({ args }) => (args as Json).n))).toEqual(
      items.map(({ n }) => n),
    );
  });

  test('waits beyond what one request may, and tells how it ended', async () => {
    const ends: Json[] = [
      { id: 'x', state: 'executing', timedOut: true, errors: [] },
      { id: 'x', state: 'completed', result: 7, errors: [] },
    ];
    world.serve('jobs.job.wait', () => ends.shift());
    expect(await world.client.wait('x', { timeoutMs: 90_000 })).toMatchObject({ result: 7 });
    expect(world.seen.map(({ body }) => (body as Json).timeoutMs)).toEqual([60_000, 60_000]);
  });

  test('a job that ends badly is JobFailed, one that takes too long WaitTimeout', async () => {
    world.serve('jobs.job.wait', ({ id }) =>
      id === 'bad'
        ? { id, state: 'discarded', errors: [{ at: '', attempt: 1, kind: 'error', message: 'boom' }] }
        : { id, state: 'available', timedOut: true, errors: [] },
    );
    const failed = await world.client.wait('bad').catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(JobFailed);
    expect(failed).toMatchObject({
      code: 'job_failed',
      job: { state: 'discarded' },
      message: expect.stringContaining('boom'),
    });
    const late = await world.client.wait('slow', { timeoutMs: 0 }).catch((error: unknown) => error);
    expect(late).toBeInstanceOf(WaitTimeout);
  });

  test('reads events until it is left, and fails rather than lose some silently', async () => {
    const events = world.client.events({ queue: 'q', what: 'completed' });
    const event = { id: '1', subject: 'job', type: 'jobs.job.completed' };
    const { Body } = await import('../../../src/messaging/body.ts');
    world.bus.publish('jobs.events.job.q.completed', { body: Body.of(event, 'json') });
    world.bus.publish('jobs.events.job.q.started', { body: Body.of(event, 'json') });
    expect((await events.next()).value).toMatchObject({ ...event, natsSubject: 'jobs.events.job.q.completed' });
    const pending = events.next();
    await events.return?.();
    expect(await pending).toEqual({ done: true, value: undefined });
  });

  test('tries nothing again once it is closed, and leaves no timer', async () => {
    const waits = world.client.enqueue('a').catch((error: unknown) => error);
    await world.clock.advance(1_000);
    expect(world.clock.pending, 'it would try again').toBeGreaterThan(0);
    await world.client.close();
    expect(await waits).toBeInstanceOf(RotaError);
    expect(world.clock.pending).toBe(0);
  });
});
