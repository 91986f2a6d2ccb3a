import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { defineJob, every, snooze } from '../../src/index.ts';
import { startNatsServer, type TestNatsServer } from '../support/nats-server.ts';
import { type RotaNode, type SeenEvent, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 6, with a prefix of its own: the subjects have it, the types of the events do not.

let failures = 0;
const jobs = [
  defineJob({ type: 'theirs' }),
  defineJob({
    type: 'good',
    run: ({ progress, args }) => {
      progress({ half: true });
      return args;
    },
  }),
  defineJob({
    ...{ type: 'flaky', maxAttempts: 2, backoff: { kind: 'constant', baseMs: 50, jitter: 0 } },
    run: () => {
      failures += 1;
      throw new Error(`no luck ${failures}`);
    },
  }),
  defineJob({ type: 'sleepy', run: () => snooze('1h') }),
];

let server: TestNatsServer;
let node: RotaNode;
beforeAll(async () => {
  server = await startNatsServer();
  const schedules = { tick: every('1s', 'good', { maxRuns: 2 }) };
  node = await startRotaNode(
    { queues: { default: 10, a: 1 }, jobs, schedules },
    { nats: server.url, prefix: 'acme', route: 'local' },
  );
});
afterAll(async () => {
  await node.stop();
  await server.dispose();
});

const worker = crypto.randomUUID();
const enqueue = async (type: string, fields: object = {}, queue = 'default') =>
  (await node.ask(`acme.enqueue.${queue}`, { type, ...fields })).job;
const of = (id: string, what: string, queue = 'default') =>
  node.event(({ subject, event }) => subject === `acme.events.job.${queue}.${what}` && event.subject === id);
const told = (id: string): string[] => [
  ...new Set(node.events.filter(({ event }) => event.subject === id).map(({ event }) => event.type.split('.')[2])),
];
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

describe('of jobs', () => {
  test('are CloudEvents in structured JSON', async () => {
    const { id } = await enqueue('good', { args: { n: 1 } });
    const { event } = await of(id, 'completed');
    expect(event).toMatchObject({
      ...{ specversion: '1.0', id: expect.any(String), source: '/rota/here', type: 'jobs.job.completed', subject: id },
      ...{ time: expect.stringMatching(ISO) },
      data: { id, type: 'good', queue: 'default', state: 'completed', attempt: 1, maxAttempts: 20, result: { n: 1 } },
    });
    expect(event.data.durationMs).toBeGreaterThanOrEqual(0);
    expect((await of(id, 'started')).event.data).toMatchObject({
      state: 'executing',
      attempt: 1,
      waitMs: expect.any(Number),
    });
    expect((await of(id, 'progress')).event.data).toMatchObject({ id, progress: { half: true } });
    expect((await of(id, 'inserted')).event.data).toMatchObject({ id, state: 'available', attempt: 0 });
    expect(told(id)).toEqual(['inserted', 'started', 'progress', 'completed']);
  });

  test('a delayed one is inserted and at once scheduled', async () => {
    const { id, scheduledAt } = await enqueue('theirs', { scheduleIn: '1h' });
    expect((await of(id, 'scheduled')).event.data).toMatchObject({ id, state: 'scheduled', nextAt: scheduledAt });
    expect(told(id)).toEqual(['inserted', 'scheduled']);
    await node.ask('acme.job.cancel', { id });
    expect((await of(id, 'cancelled')).event.data).toMatchObject({ state: 'cancelled', attempt: 0 });
  });

  test('a failure is retryable, then discarded; each with its error', async () => {
    const { id } = await enqueue('flaky');
    const retry = (await of(id, 'retryable')).event;
    expect(retry.data).toMatchObject({
      state: 'retryable',
      attempt: 1,
      error: { kind: 'error', message: 'no luck 1' },
    });
    expect(retry.data.nextAt).toMatch(ISO);
    expect((await of(id, 'discarded')).event.data).toMatchObject({ attempt: 2, error: { message: 'no luck 2' } });
  });

  test('snoozed and released tell of an attempt that was handed back', async () => {
    const sleepy = await enqueue('sleepy');
    expect((await of(sleepy.id, 'snoozed')).event.data).toMatchObject({ state: 'scheduled', attempt: 0 });
    const { id } = await enqueue('theirs', {}, 'a');
    const claim = await node.ask('acme.work.a.claim', { worker, node: 'plain' });
    const { attempt, run } = claim.jobs[0];
    await node.ask('acme.work.a.settle', { worker, outcomes: [{ id, attempt, run, outcome: 'release' }] });
    expect((await of(id, 'released', 'a')).event.data).toMatchObject({ state: 'available', attempt: 0 });
    await node.ask('acme.job.cancel', { id });
    await of(id, 'cancelled', 'a');
  });

  test('of a schedule’s job carry its mark, and the schedule tells that it fired', async () => {
    const fired = await node.event(({ subject }) => subject === 'acme.events.schedule.tick.fired');
    expect(fired.event).toMatchObject({ type: 'jobs.schedule.fired', subject: 'tick', source: '/rota/here' });
    const mark = { name: 'tick', at: expect.stringMatching(ISO), late: false };
    const isOurs = ({ event }: SeenEvent): boolean => event.data.schedule?.name === 'tick';
    expect(
      (await node.event((seen) => isOurs(seen) && seen.subject.endsWith('.completed'))).event.data.schedule,
    ).toEqual(mark);
  });

  test('a terminal event has the same id whenever it is sent, another run another one', () => {
    const ids = new Map<string, Set<string>>();
    const ended = node.events.filter(({ subject }) => /\.(completed|cancelled|discarded)$/.test(subject));
    for (const { event } of ended) {
      const key = `${event.subject} ${event.type}`;
      ids.set(key, (ids.get(key) ?? new Set()).add(event.id));
    }
    expect(ids.size).toBeGreaterThan(4);
    for (const set of ids.values()) expect(set.size).toBe(1);
    expect(new Set([...ids.values()].flatMap((set) => [...set])).size).toBe(ids.size);
  });

  test('of an end that came twice without a run in between have two ids', async () => {
    const { id } = await enqueue('theirs', { scheduleIn: '1h' });
    for (const verb of ['cancel', 'retry', 'cancel']) await node.ask(`acme.job.${verb}`, { id });
    const ids = (): string[] =>
      node.events.flatMap(({ subject, event }) =>
        subject.endsWith('.cancelled') && event.subject === id ? [event.id] : [],
      );
    const seen = await until(
      async () => ids(),
      (all) => new Set(all).size === 2,
    );
    for (const each of seen) expect(each).toMatch(new RegExp(`^${id}:0:cancelled:`));
  });
});

test('of the node, its schedules and its tree', async () => {
  const started = await node.event(({ subject }) => subject === 'acme.events.node.here.started');
  expect(started.event).toMatchObject({ type: 'jobs.node.started', subject: 'here', source: '/rota/here' });
  await node.event(({ subject }) => subject === 'acme.events.node.here.leader-acquired');
  await node.event(({ subject }) => subject === 'acme.events.schedule.tick.added');
  const child = await node.event(({ subject }) => subject === 'acme.events.supervisor.here.child-started');
  expect(child.event).toMatchObject({ type: 'jobs.supervisor.child-started', subject: expect.stringContaining('/') });
  for (const { event } of node.events)
    expect(event).toMatchObject({ specversion: '1.0', time: expect.stringMatching(ISO) });
});

test('what ended while the bus was away is out within 10 s of its return', async () => {
  await server.stop();
  const { job } = await node.rota.client.enqueue('good', { away: true }).then((made) => ({ job: made }));
  await until(
    () => node.rota.client.get(job.id),
    ({ state }) => state === 'completed',
  );
  await server.restart();
  expect((await of(job.id, 'completed')).event.data).toMatchObject({ result: { away: true } });
  const next = await until(
    () => enqueue('good').catch(() => undefined),
    (made) => made !== undefined,
  );
  await of(next.id, 'completed');
});

test('a stop is told: stopping, leader-lost or not, stopped', async () => {
  const other = await startRotaNode({ queues: { default: 1 } }, { nats: server.url, prefix: 'other', node: 'brief' });
  await other.rota.stop();
  await other.event(({ subject }) => subject === 'other.events.node.brief.stopping');
  await other.event(({ subject }) => subject === 'other.events.node.brief.stopped');
  await other.stop();
});
