import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { startNatsServer } from '../support/nats-server.ts';
import { PlainClient } from '../support/plain-client.ts';
import { RotaProcess } from '../support/rota-process.ts';

const config = fileURLToPath(new URL('../support/poison-config.ts', import.meta.url));
const ATTEMPTS = 3;

type Dated = { finishedAt: string; errors: { at: string }[] };

test('a job that kills its node each time is discarded at its limit, and jobs of other queues go on', async () => {
  const nats = await startNatsServer();
  onTestFinished(() => nats.dispose());
  const node = await RotaProcess.make({ config, nats: nats.url });
  onTestFinished(() => node.dispose());
  const client = await PlainClient.to(nats.url);
  onTestFinished(() => client.close());
  await client.listen();

  await node.start();
  // Nobody waits for an answer before the node is there again: it may die before it has answered.
  const asked = [client.enqueue('good')];
  await client.endsTold(await Promise.all(asked));
  const sent = client.enqueue('poison', {}, { queue: 'bad', maxAttempts: ATTEMPTS });
  for (let life = 1; life <= ATTEMPTS; life += 1) {
    expect(await node.exited, `life ${life}`).toEqual({ code: null, signal: 'SIGKILL' });
    await node.start();
    asked.push(client.enqueue('good'));
  }

  const poison = await sent;
  const dead = await client.ended(poison);
  expect(dead).toMatchObject({ state: 'discarded', attempt: ATTEMPTS, result: null });
  const attempts = Array.from({ length: ATTEMPTS }, (_, index) => ({ attempt: index + 1, kind: 'orphaned' }));
  expect(dead.errors.map(({ attempt, kind }) => ({ attempt, kind }))).toEqual(attempts);
  const good = await Promise.all(asked);
  const lastDeath = (dead as unknown as Dated).errors.at(-1)?.at ?? '';
  const ends = (await Promise.all(good.map((id) => client.ended(id)))) as unknown as (Dated & { state: string })[];
  expect(ends.map(({ state }) => state)).toEqual(good.map(() => 'completed'));
  // What was asked for between two deaths was done before the last was dealt with.
  for (const { finishedAt } of ends.slice(0, -1)) expect(finishedAt < lastDeath).toBe(true);

  // It is over: the node lives on, and nothing of it is begun again.
  expect(await client.ended(await client.enqueue('good'))).toMatchObject({ state: 'completed', attempt: 1 });
  expect(node.running).toBe(true);
  expect(node.notes().map(({ what, id }) => `${what} ${id}`)).toEqual(attempts.map(() => `start ${poison}`));
}, 300_000);
