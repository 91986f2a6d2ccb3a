import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob, every } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 2: `unique` and `deadline`.

let ran: string[] = [];
const soon = defineJob({ type: 'soon', queue: 'fast', run: async ({ job }) => void ran.push(job.id) });
const theirs = defineJob({ type: 'theirs' });
const once = defineJob({ type: 'once', unique: { within: '1h' } });
const tick = defineJob({ type: 'tick', queue: 'ticks', unique: { by: ['type'] } });

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({
    queues: { default: 10, fast: 1, ticks: 1, all: 1 },
    jobs: [soon, theirs, once],
    schedules: { often: every('1s', tick) },
  });
});
afterAll(() => node.stop());

const worker = crypto.randomUUID();
const enqueue = (body: unknown, queue = 'default') => node.ask(`jobs.enqueue.${queue}`, body);
const unique = { type: 'theirs', unique: {} };
const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1_000).toISOString();

describe('unique', () => {
  test('100 concurrent requests make one job, however they come', async () => {
    const args = { burst: 1 };
    const bodies = Array.from({ length: 100 }, (_, index) => {
      const one = { ...unique, args: index % 2 === 0 ? args : { ...args } };
      return index % 10 === 0 ? [one, one] : one;
    });
    const replies = await Promise.all(bodies.map((body) => enqueue(body)));
    const results = replies.flatMap((reply) => reply.jobs ?? [reply]);
    expect(results).toHaveLength(110);
    expect(results.filter(({ conflict }) => !conflict)).toHaveLength(1);
    expect(new Set(results.map(({ job }) => job.id)).size).toBe(1);
    const client = await Promise.all(
      Array.from({ length: 20 }, () => node.rota.client.enqueue(theirs, args, { unique: {} })),
    );
    expect(client.every(({ conflict, id }) => conflict && id === results[0].job.id)).toBe(true);
  });

  test("a type's default holds, a request's own wins, false lifts it", async () => {
    const first = await enqueue({ type: 'once' });
    expect(first.conflict).toBe(false);
    expect(await enqueue({ type: 'once' })).toMatchObject({ conflict: true, job: { id: first.job.id } });
    expect(await enqueue({ type: 'once', unique: null })).toMatchObject({ conflict: true });
    expect(await enqueue({ type: 'once', unique: { by: ['type', 'meta'] } })).toMatchObject({ conflict: false });
    expect(await enqueue({ type: 'once', unique: false })).toMatchObject({ conflict: false });
  });

  test('args count whatever the order of their keys; keys narrow them; queue and type count by default', async () => {
    const make = (args: object, more: object = {}) => enqueue({ ...unique, args, ...more }, 'all');
    const first = await make({ a: 1, b: { x: 1, y: 2 } });
    expect(await make({ b: { y: 2, x: 1 }, a: 1 })).toMatchObject({ conflict: true, job: { id: first.job.id } });
    expect((await make({ a: 1 })).conflict).toBe(false);
    expect((await enqueue({ ...unique, args: { a: 1, b: { x: 1, y: 2 } } }, 'fast')).conflict).toBe(false);
    const byKey = { unique: { keys: ['to'] } };
    expect((await make({ to: 'x', n: 1 }, byKey)).conflict).toBe(false);
    expect((await make({ to: 'x', n: 2 }, byKey)).conflict).toBe(true);
    expect((await make({ to: 'y', n: 1 }, byKey)).conflict).toBe(false);
  });

  test('replace and reschedule change a waiting job and tell it; the same in each and array', async () => {
    const say = (fields: object, body = (one: object): unknown => one) =>
      enqueue(body({ ...unique, args: { d: 1 }, unique: { by: ['type'], keys: undefined }, ...fields }), 'ticks');
    const first = await say({ scheduleIn: '1h' });
    const by = { by: ['type'] };
    const debounce = { ...by, onConflict: { reschedule: true, maxWait: '2h' } };
    const moved = await say({ scheduleIn: '3h', args: { d: 2 }, unique: debounce });
    const latest = new Date(Date.parse(first.job.insertedAt) + 7_200_000).toISOString();
    expect(moved).toMatchObject({
      conflict: true,
      job: { id: first.job.id, args: { d: 2 }, scheduledAt: latest, state: 'scheduled' },
    });
    await node.event(
      ({ subject, event }) => subject === 'jobs.events.job.ticks.updated' && event.subject === first.job.id,
    );
    const replace = { ...by, onConflict: { replace: ['priority', 'tags', 'scheduledAt'] } };
    const fields = { priority: 'high', tags: ['New'], args: { d: 3 }, unique: replace };
    const { jobs } = await say(fields, (one) => [one]);
    expect(jobs[0]).toMatchObject({ conflict: true, job: { priority: 2, tags: ['new'], state: 'available' } });
    const [claimed] = (await node.ask('jobs.work.ticks.claim', { worker, node: 'plain', types: ['theirs'] })).jobs;
    expect(claimed).toMatchObject({ id: first.job.id, args: { d: 2 } });
    const { each } = await say({ ...fields, priority: 0 }, (one) => ({ each: [one] }));
    expect(each[0]).toMatchObject({ conflict: true, job: { state: 'executing', priority: 2 } });
  });

  test('a schedule whose job is unique skips its ticks while that job lives', async () => {
    const skipped = await node.event(({ subject }) => subject === 'jobs.events.schedule.often.skipped');
    expect(skipped.event.data).toMatchObject({ reason: 'unique' });
    expect((await node.ask('jobs.job.count', { type: 'tick' })).total).toBe(1);
  });
});

describe('deadline', () => {
  test('a job is cancelled instead of started after it, told with the reason, and nothing of it is in replies', async () => {
    const passed = (await enqueue({ type: 'theirs', deadline: inSeconds(-5) }, 'all')).job;
    const coming = (await enqueue({ type: 'theirs', deadline: '300ms' }, 'all')).job;
    const far = (await enqueue({ type: 'theirs', deadline: '1h' }, 'all')).job;
    expect(far).not.toHaveProperty('deadline');
    for (const { id } of [passed, coming]) {
      const { event } = await node.event(
        ({ subject, event: seen }) => subject === 'jobs.events.job.all.cancelled' && seen.subject === id,
      );
      expect(event.data).toMatchObject({ state: 'cancelled', attempt: 0, error: { kind: 'cancelled' } });
      expect(event.data.error.message).toMatch(/deadline/);
      expect(await node.ask('jobs.job.wait', { id })).toMatchObject({ state: 'cancelled', errors: [] });
    }
    const { jobs } = await node.ask('jobs.work.all.claim', { worker, node: 'plain', limit: 50 });
    const ids = jobs.map(({ id }: { id: string }) => id);
    expect(ids).toContain(far.id);
    expect(ids).not.toContain(passed.id);
  });

  test('it bounds the start and not the run, and the client says it as a time or a duration', async () => {
    ran = [];
    const started = await node.rota.client.enqueue(soon, {}, { deadline: new Date(Date.now() + 5_000) });
    await node.rota.client.wait(started.id);
    const late = await node.rota.client.enqueue(soon, {}, { deadline: 200, scheduleIn: '1h' });
    await until(
      () => node.rota.client.get(late.id),
      ({ state }) => state === 'cancelled',
    );
    expect(ran).toEqual([started.id]);
  });
});
