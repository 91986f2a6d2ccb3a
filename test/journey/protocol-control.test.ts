import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { at, cron, defineJob, every } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// PROTOCOL.md section 5: the lists, the tree and the types.

const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) } };
const tidy = defineJob({ type: 'tidy', queue: 'b', args: schema, run: () => ({ done: true }) });
const away = defineJob({ type: 'away', queue: 'b' });

let node: RotaNode;
beforeAll(async () => {
  node = await startRotaNode({
    timezone: 'Europe/Berlin',
    queues: { a: 3, b: { limit: 2 } },
    jobs: [away],
    schedules: {
      yearly: cron('0 3 1 1 *', tidy, { timezone: 'UTC', overlap: 'skip', priority: 'low', tags: ['t'] }),
      often: every('1s', tidy, { maxRuns: 1, args: { n: 1 } }),
      once: at('2100-01-01T00:00:00Z', tidy),
      off: cron('@daily', away, { enabled: false }),
    },
  });
});
afterAll(() => node.stop());

const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;
const NONE = { scheduled: 0, available: 0, executing: 0, retryable: 0, completed: 0, cancelled: 0, discarded: 0 };

test('queue.list tells of every queue, with its counts', async () => {
  await node.ask('jobs.enqueue.a', [{ type: 'away' }, { type: 'away', scheduleIn: '1h' }, { type: 'away' }]);
  await node.ask('jobs.work.a.claim', { worker: crypto.randomUUID(), node: 'plain' });
  const { queues, ...rest } = await node.ask('jobs.ctl.queue.list');
  expect(rest).toEqual({});
  expect(queues[0]).toEqual({
    ...{ name: 'a', limit: 3, globalLimit: null, rate: null, partition: null, paused: false, nodes: ['here'] },
    counts: { ...NONE, available: 1, scheduled: 1, executing: 1 },
  });
  expect(queues[1]).toMatchObject({ name: 'b', limit: 2, paused: false, nodes: ['here'] });
  expect((await node.pack('jobs.ctl.queue.list', {})).value.queues).toHaveLength(2);
});

describe('schedule.list', () => {
  // biome-ignore lint/suspicious/noExplicitAny: a reply, as a program in any language sees it.
  const named = async (name: string): Promise<any> => {
    const { schedules } = await node.ask('jobs.ctl.schedule.list');
    return schedules.find((schedule: { name: string }) => schedule.name === name);
  };

  test('tells the fields of put and where each schedule stands', async () => {
    expect(await named('yearly')).toMatchObject({
      ...{ name: 'yearly', spec: { cron: '0 3 1 1 *' }, timezone: 'UTC', overlap: 'skip', enabled: true },
      ...{ dayMatch: 'either', dst: { gap: 'next', repeat: 'first' }, misfire: { policy: 'latest' } },
      ...{ source: 'config', pausedBy: null, lastAt: null, lastJobId: null, lastState: null, maxRuns: null },
    });
    const { job, nextAt } = await named('yearly');
    expect(job).toMatchObject({ type: 'tidy', queue: 'b', args: {}, priority: 9, tags: ['t'] });
    expect(nextAt).toMatch(/^\d{4}-01-01T03:00:00\.000Z$/);
    expect(await named('once')).toMatchObject({
      spec: { at: '2100-01-01T00:00:00.000Z' },
      nextAt: '2100-01-01T00:00:00.000Z',
    });
    expect(await named('off')).toMatchObject({
      enabled: false,
      pausedBy: 'config',
      nextAt: null,
      timezone: 'Europe/Berlin',
    });
  });

  test('tells of the last run, and of no next one after the last', async () => {
    const often = await until(
      () => named('often'),
      ({ lastState }) => lastState === 'completed',
    );
    expect(often).toMatchObject({ spec: { every: 1_000 }, maxRuns: 1, nextAt: null });
    expect(often.lastAt).toMatch(ISO);
    const job = await node.ask('jobs.job.get', { id: often.lastJobId });
    expect(job).toMatchObject({ type: 'tidy', queue: 'b', schedule: { name: 'often', at: often.lastAt, late: false } });
  });
});

describe('node', () => {
  test('list tells of the node', async () => {
    const { nodes } = await node.ask('jobs.ctl.node.list');
    expect(nodes).toHaveLength(1);
    expect(nodes[0]).toMatchObject({ name: 'here', version: expect.any(String), leader: true });
    expect(nodes[0].roles.toSorted()).toEqual(['intake', 'queues', 'scheduler', 'store']);
    expect(nodes[0].lastBeat).toMatch(ISO);
    expect(nodes[0].uptimeMs).toBeGreaterThan(0);
  });

  test('list counts what was refused', async () => {
    const worker = crypto.randomUUID();
    const id = '01a20128-f7ac-76ca-9234-b51070260f07';
    await node.ask('jobs.work.a.settle', { worker, outcomes: [{ id, attempt: 1, run: 1, outcome: 'complete' }] });
    const [seen] = await until(
      async () => (await node.ask('jobs.ctl.node.list')).nodes,
      ([first]) => first.refused.not_found === 1,
    );
    expect(seen.refused).toEqual({ not_owner: 0, not_executing: 0, not_found: 1 });
  });

  test('tree tells each child’s status, restarts and incarnation', async () => {
    const tree = await node.ask('jobs.ctl.node.tree');
    expect(await node.ask('jobs.ctl.node.tree', { node: 'here' })).toMatchObject({ node: 'here', id: tree.id });
    const ids: string[] = [];
    const walk = (child: { id: string; children?: [] }): void => {
      expect(child).toMatchObject({ status: 'running', restarts: 0, incarnation: 1, type: expect.any(String) });
      ids.push(child.id);
      child.children?.forEach(walk);
    };
    tree.children.forEach(walk);
    expect(ids).toEqual(
      expect.arrayContaining(['nats-server', 'connection', 'persistence', 'intake', 'queues', 'scheduler']),
    );
    // It is stopped before the queues, or those that are stopped already would look to it as if they had given up.
    expect(ids.indexOf('steward')).toBeGreaterThan(ids.lastIndexOf('executor'));
    expect(ids).toEqual(expect.arrayContaining(['queue:a', 'queue:b', 'executor', 'janitor', 'steward']));
    expect(await node.request('jobs.ctl.node.tree', { node: 'nobody' })).toMatchObject({
      status: 404,
      code: 'not_found',
    });
  });

  test('types tells of every type, also of one that nobody here can run', async () => {
    const { types } = await node.ask('jobs.ctl.node.types');
    const byType = Object.fromEntries(types.map((entry: { type: string }) => [entry.type, entry]));
    expect(byType).toMatchObject({
      tidy: { type: 'tidy', queue: 'b', hasSchema: true },
      away: { type: 'away', queue: 'b', hasSchema: false, schema: null },
    });
    const waits = (await node.ask('jobs.enqueue.b', { type: 'away' })).job;
    expect(await node.ask('jobs.job.wait', { id: waits.id, timeoutMs: 300 })).toMatchObject({
      state: 'available',
      timedOut: true,
    });
  });
});

test('rejected.list has none where nothing was rejected', async () => {
  expect(await node.ask('jobs.ctl.rejected.list')).toMatchObject({ rejected: [] });
});
