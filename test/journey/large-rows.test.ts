import { expect, onTestFinished, test } from 'vitest';
import { defineJob } from '../../src/index.ts';
import { publish } from '../support/intake-publisher.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { startRotaNode, until } from '../support/rota-node.ts';

// Rows are larger than what they were asked for with. Between two processes they must fit all the same: PROTOCOL.md
// section 1 bounds the request, and says nothing of rows.

const MAX_PAYLOAD = 65_536;
/** Jobs in one request of half the largest payload; their rows come to twice that. */
const JOBS = 120;
const ARGS_CHARS = 230;

const jobs = () =>
  Array.from({ length: JOBS }, (_, n) => ({ type: 'theirs', args: { n, text: 'x'.repeat(ARGS_CHARS) } }));

async function world() {
  const server = await startNatsServer({ config: `max_payload: ${MAX_PAYLOAD}` });
  onTestFinished(() => server.dispose());
  const node = await startRotaNode(
    { queues: { default: 1 }, jobs: [defineJob({ type: 'theirs' })] },
    { nats: server.url, route: 'broker' },
  );
  onTestFinished(() => node.stop());
  const count = async (): Promise<number> => (await node.ask('jobs.job.count', {})).total;
  return { node, count };
}

test('a bulk enqueue of half the largest payload is stored, all or nothing, with the store in another process', async () => {
  const { node, count } = await world();
  const body = jobs();
  expect(JSON.stringify(body).length).toBeGreaterThan(MAX_PAYLOAD / 2);
  const reply = await node.ask('jobs.enqueue.default', body);
  expect(reply.jobs).toHaveLength(JOBS);
  expect(await count()).toBe(JOBS);
  const one = await node.ask('jobs.job.get', { id: reply.jobs[7].job.id });
  expect(one.args).toEqual(body[7]?.args);
  const refused = await node.request('jobs.enqueue.default', [...jobs(), { type: 'nobody.knows' }]);
  expect(refused).toMatchObject({ status: 400, code: 'unknown_type' });
  expect(await count()).toBe(JOBS);
});

test('one job whose numbers are longer between our parts than in JSON is stored', async () => {
  const { node, count } = await world();
  const numbers = Array.from({ length: 7_500 }, (_, n) => n + 0.5);
  const { job } = await node.ask('jobs.enqueue.default', { type: 'theirs', args: { numbers } });
  expect(job.args.numbers).toHaveLength(7_500);
  expect(await count()).toBe(1);
});

test('a message to the durable intake becomes its jobs, however large their rows are', async () => {
  const { node, count } = await world();
  await publish(node.nats, 'default', jobs(), { id: 'large' });
  const ended = await until(
    async () => ({ jobs: await count(), ...(await node.ask('jobs.ctl.rejected.list', {})) }),
    (seen) => seen.jobs > 0 || seen.rejected.length > 0,
  );
  expect(ended).toMatchObject({ jobs: JOBS, rejected: [] });
});
