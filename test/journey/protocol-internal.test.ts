import { encode } from '@msgpack/msgpack';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';

// What somebody without any role publishes on the internal subjects changes nothing and brings nobody down.

let node: RotaNode;
beforeAll(async () => {
  const work = defineJob({ type: 'work', run: () => 'done' });
  node = await startRotaNode({ queues: { default: 1 }, jobs: [work, defineJob({ type: 'theirs' })] }, { node: 'n' });
});
afterAll(() => node.stop());

const STORE = [
  ...['insert', 'get', 'list', 'count', 'claim', 'beat', 'settle', 'progress', 'cancel', 'retry', 'delete', 'update'],
  ...['sweep', 'stage', 'expire', 'rescue', 'prune', 'unannounced', 'announced', 'registerNode', 'removeNode', 'nodes'],
  ...['lead', 'resign', 'leader', 'schedules', 'scheduleChanges', 'changeSchedules', 'tick', 'reboot', 'runSchedules'],
  ...['queues', 'changeQueue', 'sortPartitions', 'nextStart', 'rejected', 'reject', 'touch', 'parts', 'nonsense'],
].map((verb) => `store.${verb}`);
const OF_NODE = ['persistence.part', 'persistence.counts', 'node.tree', 'intake.counts'];
const QUEUE = ['drain', 'free'].map((verb) => `queue-default.${verb}`);
const EXECUTOR = ['drain', 'run', 'status'].map((verb) => `executor-default.${verb}`);
const HINTS = ['queue', 'cancel', 'schedule', 'work', 'rules'].map((what) => `hint.${what}.default`);
const SUBJECTS = [...STORE, ...[...OF_NODE, ...QUEUE, ...EXECUTOR].map((name) => `node.n.${name}`), ...HINTS];
const BODIES = [{}, null, [], 'x', 7, { type: 'shutdown' }, { type: 'xstate.stop' }, { jobs: [null] }, { ticks: [{}] }];

test('a node survives whatever comes on internal subjects, and still does its work', async () => {
  const { job } = await node.ask('jobs.enqueue.default', { type: 'theirs', scheduleIn: '1h' });
  const tree = await node.ask('jobs.ctl.node.tree');
  for (const subject of SUBJECTS) {
    const bodies = [...BODIES.map((body) => encode(body)), new Uint8Array([0xc1, 0xff])];
    await Promise.all(
      bodies.map((body) => node.nats.request(`jobs.int.${subject}`, body, { timeout: 1_000 }).catch(() => undefined)),
    );
  }
  expect(await node.ask('jobs.ctl.node.tree')).toEqual(tree);
  expect(await node.ask('jobs.job.get', { id: job.id })).toMatchObject({ state: 'scheduled' });
  const { job: next } = await node.ask('jobs.enqueue.default', { type: 'work' });
  expect(await node.ask('jobs.job.wait', { id: next.id, timeoutMs: 10_000 })).toMatchObject({ state: 'completed' });
}, 60_000);

test('who is not of this process cannot drain its queues', async () => {
  for (const name of ['queue-default.drain', 'executor-default.drain', 'executor-default.run']) {
    await expect(
      node.nats.request(`jobs.int.node.n.${name}`, encode({ graceMs: 0 }), { timeout: 1_000 }),
    ).rejects.toThrow(/no responders/i);
  }
});
