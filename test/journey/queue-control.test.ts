import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 5, queues: pause, resume, scale, limit, purge, and how waiting claims hear of them.

const gates = new Map<string, () => void>();
const held = defineJob({
  type: 'held',
  queue: 'held',
  run: ({ job, signal }) =>
    new Promise<void>((resolve) => {
      gates.set(job.id, resolve);
      signal.addEventListener('abort', () => resolve());
    }),
});
const elsewhere = defineJob({ type: 'elsewhere', queue: 'foreign' });

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({ queues: { held: 2, foreign: 1 }, jobs: [held, elsewhere] });
});
afterAll(() => node.stop());

const control = (verb: string, queue: string, body: object = {}) =>
  node.ask(`jobs.ctl.queue.${verb}`, { queue, ...body });
const claim = async (body: object = {}, worker = crypto.randomUUID()) => {
  const began = performance.now();
  const { jobs } = await node.ask('jobs.work.foreign.claim', { worker, node: 'plain', limit: 10, ...body });
  return { jobs, worker, tookMs: performance.now() - began };
};
const settle = (worker: string, jobs: { id: string; attempt: number; run: number }[]) =>
  node.ask('jobs.work.foreign.settle', {
    worker,
    outcomes: jobs.map(({ id, attempt, run }) => ({ id, attempt, run, outcome: 'complete' })),
  });
const enqueue = (queue: string, count: number, part: object = {}) =>
  node.ask(
    `jobs.enqueue.${queue}`,
    Array.from({ length: count }, () => ({ type: queue === 'held' ? 'held' : 'elsewhere', ...part })),
  );
const counts = async (queue: string) => {
  const { queues } = await node.ask('jobs.ctl.queue.list');
  return queues.find(({ name }: { name: string }) => name === queue).counts;
};
const executing = (count: number) =>
  until(
    () => counts('held'),
    (seen) => seen.executing === count,
  );
const release = () => {
  for (const open of gates.values()) open();
  gates.clear();
};
/** What a waiting claim is answered with; it is surely parked when this resolves. */
const parked = async (body: object = {}) => {
  const answer = claim({ waitMs: 10_000, ...body });
  // A request and its answer on the same connection, behind the claim.
  await node.ask('jobs.work.foreign.beat', { worker: crypto.randomUUID(), running: [] });
  return answer;
};

afterEach(async () => {
  for (const queue of ['held', 'foreign']) {
    await control('resume', queue);
    await control('limit', queue, { globalLimit: null, rate: null, partition: null });
    await control('scale', queue, { limit: null });
    await control('purge', queue);
  }
  await control('scale', 'held', { limit: null, node: 'here' });
  release();
  await executing(0);
});

describe('pause', () => {
  test('answers the queue, claims wait in vain, and a resume answers them at once', async () => {
    expect(await control('pause', 'foreign')).toMatchObject({ name: 'foreign', paused: true, scope: 'all' });
    await enqueue('foreign', 1);
    const empty = await claim({ waitMs: 300 });
    expect(empty.jobs).toEqual([]);
    expect(empty.tookMs).toBeGreaterThan(250);
    expect((await claim()).jobs).toEqual([]);
    const waits = parked();
    expect(await control('resume', 'foreign')).toMatchObject({ paused: false, scope: 'all' });
    const { jobs, worker, tookMs } = await waits;
    expect(jobs).toHaveLength(1);
    expect(tookMs).toBeLessThan(5_000);
    await settle(worker, jobs);
    const { event } = await node.event(({ subject }) => subject === 'jobs.events.queue.foreign.paused');
    expect(event).toMatchObject({
      type: 'jobs.queue.paused',
      subject: 'foreign',
      data: { queue: 'foreign', scope: 'all' },
    });
    await node.event(({ subject }) => subject === 'jobs.events.queue.foreign.resumed');
  });

  test('with waitMs answers when nothing runs any more, or says that something still does', async () => {
    await enqueue('held', 3);
    await executing(2);
    expect(await control('pause', 'held', { waitMs: 200 })).toMatchObject({
      ...{ paused: true, timedOut: true },
      counts: { executing: 2, available: 1 },
    });
    const quiet = control('pause', 'held', { waitMs: 30_000 });
    release();
    const answer = await quiet;
    expect(answer).toMatchObject({ paused: true, counts: { executing: 0, available: 1, completed: 2 } });
    expect(answer).not.toHaveProperty('timedOut');
    await control('resume', 'held');
    await executing(1);
  });

  test('with waitMs tells of a queue that was resumed meanwhile that it is not paused', async () => {
    await enqueue('held', 1);
    await executing(1);
    const quiet = control('pause', 'held', { waitMs: 30_000 });
    await until(
      async () =>
        (await node.ask('jobs.ctl.queue.list')).queues.find(({ name }: { name: string }) => name === 'held').paused,
      Boolean,
    );
    await control('resume', 'held');
    release();
    expect(await quiet).toMatchObject({ paused: false, counts: { executing: 0 } });
  });
});

describe('scale', () => {
  test('is followed by the executor at once, up and down; what runs ends in peace', async () => {
    await enqueue('held', 6);
    await executing(2);
    expect(await control('scale', 'held', { limit: 4 })).toMatchObject({ limit: 4, scope: 'all' });
    await executing(4);
    expect(await control('scale', 'held', { limit: 1 })).toMatchObject({ limit: 1 });
    expect((await counts('held')).executing).toBe(4);
    release();
    await until(
      () => counts('held'),
      ({ completed, executing: running }) => completed >= 4 && running === 1,
    );
    await control('scale', 'held', { limit: null });
    await executing(2);
    const { event } = await node.event(({ subject }) => subject === 'jobs.events.queue.held.scaled');
    expect(event.data).toMatchObject({ queue: 'held', limit: 4, scope: 'all' });
  });

  test('to none starts nothing; a node of its own beats all; each lifts for itself', async () => {
    await control('scale', 'held', { limit: 0 });
    await enqueue('held', 5);
    expect(await control('scale', 'held', { limit: 3, node: 'here' })).toMatchObject({ limit: 3, scope: 'here' });
    await executing(3);
    const { queues } = await node.ask('jobs.ctl.queue.list');
    expect(queues.find(({ name }: { name: string }) => name === 'held')).toMatchObject({
      limit: 0,
      limits: { here: 3 },
    });
    expect(await control('scale', 'held', { limit: null, node: 'here' })).toMatchObject({ limit: 0, scope: 'here' });
    expect(await control('scale', 'held', { limit: null })).toMatchObject({ limit: 2 });
  });
});

describe('limit', () => {
  test('answers what it is, and keeps what it does not name', async () => {
    const rate = { limit: 5, period: '1m' };
    await control('limit', 'foreign', { globalLimit: 3 });
    expect(await control('limit', 'foreign', { rate, partition: { by: 'meta.a.b', limit: 2 } })).toMatchObject({
      ...{ globalLimit: 3, rate: { limit: 5, period: 60_000 }, partition: { by: 'meta.a.b', limit: 2 }, scope: 'all' },
    });
    expect(await control('limit', 'foreign', { globalLimit: null })).toMatchObject({
      globalLimit: null,
      rate: { limit: 5 },
    });
    const { event } = await node.event(({ subject }) => subject === 'jobs.events.queue.foreign.limited');
    expect(event.data).toMatchObject({ queue: 'foreign', globalLimit: 3, rate: null, partition: null });
  });

  test('a claim that waits for a place gets it when a job ends, when one is cancelled, and when the limit is raised', async () => {
    await control('limit', 'foreign', { globalLimit: 1 });
    await enqueue('foreign', 5);
    let { jobs, worker } = await claim();
    const ends = [
      () => settle(worker, jobs),
      () => node.ask('jobs.job.cancel', { id: jobs[0].id }),
      () => control('limit', 'foreign', { globalLimit: 2 }),
      () => control('limit', 'foreign', { globalLimit: null }),
    ];
    for (const end of ends) {
      expect(jobs).toHaveLength(1);
      const waits = parked({ limit: 1 });
      await end();
      const next = await waits;
      expect(next.tookMs).toBeLessThan(5_000);
      ({ jobs, worker } = next);
    }
  });

  test('a claim that waits for its partition gets a job when one of the partition ends', async () => {
    await control('limit', 'foreign', { partition: { by: 'args.tenant', limit: 1 } });
    await enqueue('foreign', 3, { args: { tenant: 'a' } });
    const first = await claim();
    expect(first.jobs).toHaveLength(1);
    const waits = parked();
    await settle(first.worker, first.jobs);
    const next = await waits;
    expect(next.jobs).toHaveLength(1);
    await settle(next.worker, next.jobs);
  });

  test('holds for jobs that were there before, once they are sorted', async () => {
    await enqueue('foreign', 900, { args: { tenant: 'a' } });
    await enqueue('foreign', 600, { args: { tenant: 'b' } });
    const waits = parked({ limit: 100 });
    const first = await waits;
    await settle(first.worker, first.jobs);
    await control('limit', 'foreign', { partition: { by: 'args.tenant', limit: 2 } });
    const { jobs, worker } = await claim({ limit: 100, waitMs: 10_000 });
    expect(jobs.map(({ args }: { args: { tenant: string } }) => args.tenant).sort()).toEqual(['a', 'a', 'b', 'b']);
    await settle(worker, jobs);
  });

  test('a claim that waits for the rate gets its jobs when the period has passed', async () => {
    await control('limit', 'foreign', { rate: { limit: 2, period: 700 } });
    await enqueue('foreign', 5);
    const first = await claim();
    const next = await claim({ waitMs: 10_000 });
    expect([first.jobs.length, next.jobs.length]).toEqual([2, 2]);
    expect(next.tookMs).toBeLessThan(5_000);
    const times = await Promise.all([...first.jobs, ...next.jobs].map(({ id }) => node.ask('jobs.job.get', { id })));
    const started = times.map(({ attemptedAt }) => Date.parse(attemptedAt));
    expect((started[2] ?? 0) - (started[0] ?? 0)).toBeGreaterThanOrEqual(700);
    await settle(first.worker, first.jobs);
    await settle(next.worker, next.jobs);
  });
});

describe('purge', () => {
  test('deletes what waits, or the states that are named, never what executes', async () => {
    await enqueue('foreign', 3);
    await enqueue('foreign', 2, { scheduleIn: '1h' });
    const { jobs, worker } = await claim({ limit: 1 });
    const before = await counts('foreign');
    expect(await control('purge', 'foreign')).toEqual({ count: 4 });
    expect(await counts('foreign')).toEqual({ ...before, available: 0, scheduled: 0 });
    await settle(worker, jobs);
    expect(await control('purge', 'foreign', { states: ['completed', 'cancelled'] })).toEqual({
      count: before.completed + before.cancelled + 1,
    });
    const { event } = await node.event(({ event: { type, data } }) => type === 'jobs.queue.purged' && data.count === 4);
    expect(event.data).toMatchObject({ queue: 'foreign', states: ['scheduled', 'available', 'retryable'] });
  });
});

describe('what is at fault is refused and changes nothing', () => {
  test.each([
    ['pause', {}, 'queue'],
    ['pause', { queue: 'held', waitMs: 60_001 }, 'waitMs'],
    ['pause', { queue: 'held', wait: 1 }, 'wait'],
    ['resume', { queue: 'a.b' }, 'queue'],
    ['scale', { queue: 'held' }, 'limit'],
    ['scale', { queue: 'held', limit: -1 }, 'limit'],
    ['scale', { queue: 'held', limit: 1.5 }, 'limit'],
    ['scale', { queue: 'held', limit: 1, node: '*' }, 'node'],
    ['limit', { queue: 'held' }, 'globalLimit'],
    ['limit', { queue: 'held', globalLimit: '5' }, 'globalLimit'],
    ['limit', { queue: 'held', rate: { limit: 5 } }, 'rate.period'],
    ['limit', { queue: 'held', rate: { limit: 5, period: 0 } }, 'rate.period'],
    ['limit', { queue: 'held', rate: { limit: 0, period: '1s' } }, 'rate.limit'],
    ['limit', { queue: 'held', partition: { by: 'tenant', limit: 1 } }, 'partition.by'],
    ['limit', { queue: 'held', partition: { by: 'args.', limit: 1 } }, 'partition.by'],
    ['limit', { queue: 'held', partition: { by: 'args.a' } }, 'partition.limit'],
    ['purge', { queue: 'held', states: ['executing'] }, 'states.0'],
    ['purge', { queue: 'held', states: [] }, 'states'],
    ['list', { queue: 'held' }, 'queue'],
    ['halt', { queue: 'held' }, 'subject'],
  ])('%s %j', async (verb, body, path) => {
    const answer = await node.request(`jobs.ctl.queue.${verb}`, body);
    expect([answer.status, answer.code, answer.paths]).toEqual([400, 'invalid_request', [path]]);
  });

  test.each([
    ['pause', {}],
    ['resume', {}],
    ['scale', { limit: 1 }],
    ['limit', { globalLimit: 1 }],
    ['purge', {}],
  ])('%s of an unknown queue is 404', async (verb, body) => {
    expect((await node.request(`jobs.ctl.queue.${verb}`, { queue: 'unknown', ...body })).status).toBe(404);
  });

  test('scale of an unknown node is 404', async () => {
    expect((await node.request('jobs.ctl.queue.scale', { queue: 'held', limit: 1, node: 'nowhere' })).status).toBe(404);
  });
});

test('the client says all of it', async () => {
  const { queues } = node.rota.client;
  expect((await queues.pause('held', { waitMs: 1_000 })).paused).toBe(true);
  await enqueue('held', 3);
  expect(await queues.length('held')).toBe(3);
  expect(await queues.purge('held')).toBe(3);
  expect((await queues.scale('held', 5)).limit).toBe(5);
  expect((await queues.limit('held', { globalLimit: 1, rate: { limit: 1, period: '1s' } })).rate?.period).toBe(1_000);
  expect((await queues.resume('held')).paused).toBe(false);
  expect((await queues.list()).map(({ name }) => name)).toEqual(['foreign', 'held']);
});
