import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode, until } from '../support/rota-node.ts';

// Limits over all workers: our executor and a program that only speaks NATS, on one queue, with a checker beside them.

interface Row {
  id: string;
  args: { tenant: string };
  attemptedAt: string;
  finishedAt: string;
  attemptedBy: { node: string };
}

const busy = defineJob({
  type: 'busy',
  queue: 'shared',
  run: () => sleep(5 + Math.random() * 20),
});
const config = { queues: { shared: 20 }, jobs: [busy] };

async function started(options: object = {}): Promise<RotaNode> {
  const node = await startRotaNode(config, options);
  onTestFinished(() => node.stop());
  return node;
}

/** A worker of another program: claims, works, settles, until it is told to end. */
function foreignWorker(node: RotaNode): () => Promise<void> {
  const worker = crypto.randomUUID();
  let ended = false;
  const work = async (): Promise<void> => {
    while (!ended) {
      const asked = { worker, node: 'foreign', limit: 5, waitMs: 300 };
      const { jobs } = await node.ask('jobs.work.shared.claim', asked);
      await Promise.all(
        jobs.map(async ({ id, attempt, run }: { id: string; attempt: number; run: number }) => {
          await sleep(5 + Math.random() * 20);
          const outcomes = [{ id, attempt, run, outcome: 'complete' }];
          await node.ask('jobs.work.shared.settle', { worker, outcomes });
        }),
      );
    }
  };
  const loop = work();
  return () => {
    ended = true;
    return loop;
  };
}

const control = (node: RotaNode, verb: string, body: object) =>
  node.ask(`jobs.ctl.queue.${verb}`, { queue: 'shared', ...body });

/** Enqueues, lets both workers work it off, and answers the rows; `look` is called all the while. */
async function workedOff(node: RotaNode, count: number, look: () => Promise<void>): Promise<Row[]> {
  const endForeign = foreignWorker(node);
  const jobs = Array.from({ length: count }, (_, index) => ({ type: 'busy', args: { tenant: `t${index % 10}` } }));
  await node.ask('jobs.enqueue.shared', jobs);
  await until(
    async () => {
      await look();
      return node.ask('jobs.job.count', { queue: 'shared', state: 'completed' });
    },
    ({ total }) => total === count,
  );
  await endForeign();
  const { jobs: rows } = await node.ask('jobs.job.list', { queue: 'shared', limit: 500 });
  expect(new Set(rows.map(({ attemptedBy }: Row) => attemptedBy.node))).toEqual(new Set(['here', 'foreign']));
  return rows;
}

/** The most that executed at one instant by the store's own times; an end makes room for a start of the same millisecond. */
function mostAtOnce(rows: readonly Row[]): number {
  const steps = rows.flatMap(({ attemptedAt, finishedAt }) => [
    { at: Date.parse(attemptedAt), by: 1 },
    { at: Date.parse(finishedAt), by: -1 },
  ]);
  let [now, most] = [0, 0];
  for (const { by } of steps.sort((a, b) => a.at - b.at || a.by - b.by)) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

test('a global limit bounds what executes over our executor and a foreign worker, at every instant', async () => {
  const node = await started();
  await control(node, 'limit', { globalLimit: 4 });
  let seen = 0;
  const rows = await workedOff(node, 400, async () => {
    const { total } = await node.ask('jobs.job.count', { queue: 'shared', state: 'executing' });
    expect(total).toBeLessThanOrEqual(4);
    seen = Math.max(seen, total);
  });
  expect(seen).toBe(4);
  expect(mostAtOnce(rows)).toBe(4);
});

test('a partition limit bounds each key over both', async () => {
  const node = await started();
  await control(node, 'limit', { partition: { by: 'args.tenant', limit: 1 } });
  const rows = await workedOff(node, 300, async () => {});
  const most = Array.from({ length: 10 }, (_, index) =>
    mostAtOnce(rows.filter(({ args }) => args.tenant === `t${index}`)),
  );
  expect(most).toEqual(most.map(() => 1));
  expect(mostAtOnce(rows)).toBeGreaterThan(5);
});

test('a rate bounds the starts in any stretch of its period over both', async () => {
  const node = await started();
  await control(node, 'limit', { rate: { limit: 20, period: 200 } });
  const rows = await workedOff(node, 150, async () => {});
  const starts = rows.map(({ attemptedAt }) => Date.parse(attemptedAt)).sort((a, b) => a - b);
  for (const [index, at] of starts.entries())
    expect((starts[index + 20] ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThanOrEqual(200);
  expect((starts.at(-1) ?? 0) - (starts[0] ?? 0)).toBeLessThan(6_000);
});

test('what was said outlives a restart and beats the settings, until it is lifted', async () => {
  const data = mkdtempSync(join(tmpdir(), 'rota-queues-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const first = await startRotaNode(config, { data });
  const limits = { globalLimit: 3, rate: { limit: 9, period: '1h' }, partition: { by: 'args.tenant', limit: 2 } };
  await control(first, 'limit', limits);
  await control(first, 'scale', { limit: 1 });
  await control(first, 'pause', {});
  await first.ask('jobs.enqueue.shared', [{ type: 'busy' }, { type: 'busy' }]);
  await first.stop();
  const again = await startRotaNode(config, { data, queues: { shared: 7 } });
  onTestFinished(() => again.stop());
  const { queues } = await again.ask('jobs.ctl.queue.list');
  expect(queues).toEqual([
    {
      ...{ name: 'shared', limit: 1, paused: true, globalLimit: 3, rate: { limit: 9, period: 3_600_000 } },
      ...{
        partition: limits.partition,
        nodes: ['here'],
        counts: expect.objectContaining({ available: 2, executing: 0 }),
      },
    },
  ]);
  expect((await again.ask('jobs.work.shared.claim', { worker: crypto.randomUUID(), node: 'foreign' })).jobs).toEqual(
    [],
  );
  expect((await control(again, 'scale', { limit: null })).limit).toBe(7);
  await control(again, 'resume', {});
  await until(
    () => again.ask('jobs.job.count', { queue: 'shared', state: 'completed' }),
    ({ total }) => total === 2,
  );
});
