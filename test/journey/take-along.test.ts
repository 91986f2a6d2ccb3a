import { expect, onTestFinished, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { startRotaNode } from '../support/rota-node.ts';

// A settlement may claim along, for the slots that it frees: what our executors do, seen from the wire.

const [first, other] = ['0199aaaa-0000-7000-8000-000000000001', '0199aaaa-0000-7000-8000-000000000002'];

async function world() {
  const node = await startRotaNode(
    { queues: { theirs: 1, ours: 1 }, jobs: [defineJob({ type: 'theirs', queue: 'theirs' })] },
    { queues: 'ours:1' },
  );
  onTestFinished(() => node.stop());
  await node.ask(
    'jobs.enqueue.theirs',
    Array.from({ length: 6 }, (_, n) => ({ type: 'theirs', args: { n } })),
  );
  const [job] = (await node.ask('jobs.work.theirs.claim', { worker: first, node: 'far' })).jobs;
  const settle = async ({ id, attempt, run }: { id: string; attempt: number; run: number }, limit: number) =>
    node.ask('jobs.work.theirs.settle', {
      worker: first,
      outcomes: [{ id, attempt, run, outcome: 'complete' }],
      claim: { node: 'far', limit, types: ['theirs'] },
    });
  return { node, job, settle };
}

test('a settlement brings the next jobs, which are this worker’s', async () => {
  const { node, job, settle } = await world();
  const answer = await settle(job, 2);
  expect(answer).toMatchObject({ settled: [{ id: job.id, state: 'completed' }], refused: [] });
  expect(answer.jobs.map(({ args }: { args: { n: number } }) => args.n)).toEqual([1, 2]);
  expect(await node.ask('jobs.job.get', { id: answer.jobs[0].id })).toMatchObject({
    state: 'executing',
    attemptedBy: { node: 'far', worker: first },
  });
});

test('it brings none where workers share a limit, for another may wait for its turn', async () => {
  const { node, job, settle } = await world();
  await node.ask('jobs.ctl.queue.limit', { queue: 'theirs', globalLimit: 1 });
  const waiting = node.ask('jobs.work.theirs.claim', { worker: other, node: 'near', waitMs: 10_000 });
  expect((await settle(job, 1)).jobs).toEqual([]);
  expect((await waiting).jobs).toHaveLength(1);
});

test('what it asks for is checked', async () => {
  const { node } = await world();
  const bad = { worker: first, outcomes: [], claim: { node: 'far', limit: 0, types: [] } };
  expect(await node.request('jobs.work.theirs.settle', bad)).toMatchObject({ status: 400, paths: ['claim.limit'] });
});
