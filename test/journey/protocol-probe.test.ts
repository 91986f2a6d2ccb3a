import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';
let node: RotaNode;
beforeAll(async () => {
  const t = performance.now();
  node = await startRotaNode({ queues: { default: 10, work: 1 }, jobs: [defineJob({ type: 'elsewhere' }), defineJob({type:'echo', run: ({args}) => args as object})] });
  console.log('start', performance.now() - t);
});
afterAll(async () => { const t = performance.now(); await node.stop(); console.log('stop', performance.now() - t); });
test('probe', async () => {
  console.log(JSON.stringify(await node.request('jobs.enqueue.default', { type: 'echo', args: { a: 1 } })));
  console.log(JSON.stringify((await node.ask('jobs.ctl.node.tree')), null, 1).slice(0, 1500));
  for (const k of ['queue.list','node.list','node.types','schedule.list']) console.log(JSON.stringify(await node.ask('jobs.ctl.'+k)));
  const w = crypto.randomUUID();
  const c = node.ask('jobs.work.default.claim', { worker: w, node: 'x', waitMs: 3000, types: ['elsewhere'] });
  await node.nats.flush();
  await new Promise(r => setTimeout(r, 200));
  const t = performance.now();
  await node.ask('jobs.enqueue.default', { type: 'elsewhere' });
  console.log(JSON.stringify(await c), performance.now() - t);
  // big list & claim
  const big = 'x'.repeat(250_000);
  for (let i = 0; i < 6; i++) await node.ask('jobs.enqueue.work', { type: 'elsewhere', args: { big } });
  const l = await node.request('jobs.job.list', { limit: 10, queue: 'work' });
  console.log(l.status, l.bytes.length, l.value?.jobs?.length, l.value?.cursor, l.value?.error);
  const cl = await node.request('jobs.work.work.claim', { worker: w, node: 'x', limit: 10 });
  console.log(cl.status, cl.bytes.length, cl.value?.jobs?.length, cl.value?.error);
  console.log(JSON.stringify(node.events.map(e => e.subject)));
  console.log(JSON.stringify(node.events.at(-1)));
});
