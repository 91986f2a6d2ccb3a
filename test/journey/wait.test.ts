import { EventEmitter, once } from 'node:events';
import type { NatsConnection } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { connect, type RotaClient } from '../../src/client/client.ts';
import { defineJob, type StartOptions } from '../../src/index.ts';
import { freePort } from '../support/free-port.ts';
import { startNatsServer } from '../support/nats-server.ts';
import { type RotaNode, startRotaNode } from '../support/rota-node.ts';
import { TcpGate } from '../support/tcp-gate.ts';

/** Longer than anything here may take, so that no answer is owed to a time that is over. */
const timeoutMs = 100_000;

interface World {
  client: RotaClient;
  /** The id of a job that runs on the node `runner`. */
  id: string;
  /** Lets the job end. */
  release(): void;
  /** Resolves when so many waits were asked for. */
  asked(count: number): Promise<void>;
  /** Kills NATS and starts it again. The client is the last to come back, so that what it asks then is seen. */
  outage(): Promise<void>;
}

/** Two nodes: one keeps the jobs and answers who waits for them, the other runs them. */
async function world(options: StartOptions = {}): Promise<World> {
  const nats = await startNatsServer();
  onTestFinished(() => nats.dispose());
  const gate = Promise.withResolvers<void>();
  const held = defineJob({
    type: 'held',
    run: async () => {
      await gate.promise;
      return 'let go';
    },
  });
  const start = async (node: string, roles: string): Promise<RotaNode> => {
    const config = { queues: { default: 5 }, jobs: [held] };
    const started = await startRotaNode(config, { nats: nats.url, node, roles, ...options });
    onTestFinished(() => started.stop());
    return started;
  };
  const keeper = await start('keeper', 'store,intake,scheduler');
  const runner = await start('runner', 'queues');
  onTestFinished(() => gate.resolve());

  const requests = new EventEmitter();
  let seen = 0;
  keeper.nats.subscribe('jobs.job.wait', { callback: () => void requests.emit('wait', ++seen) });
  await keeper.nats.flush();
  const asked = async (count: number): Promise<void> => {
    while (seen < count) await once(requests, 'wait');
  };

  const door = new TcpGate(await freePort(), nats.port);
  await door.open();
  onTestFinished(() => door.shut());
  const client = await connect({ servers: door.url });
  onTestFinished(() => client.close());
  const { id } = await client.enqueue(held);
  await runner.event(({ event }) => event.type === 'jobs.job.started' && event.subject === id);

  const outage = async (): Promise<void> => {
    const returned = again(keeper.nats);
    await nats.stop('SIGKILL');
    await door.shut();
    await nats.restart();
    await returned;
    await door.open();
  };
  return { client, id, release: gate.resolve, asked, outage };
}

/** Resolves when a connection that is there now was lost and made again. */
async function again(connection: NatsConnection): Promise<void> {
  for await (const { type } of connection.status()) if (type === 'reconnect') return;
}

/** What a wait answers here. */
const LET_GO = { state: 'completed', result: 'let go', attemptedBy: { node: 'runner' } };

test('a wait answers when its job ends on another node, for it is told', async () => {
  // So rare a look at the store is none.
  const { client, id, release, asked } = await world({ poll: '5m' });
  const answers = Promise.all([client.wait(id, { timeoutMs }), client.wait(id, { timeoutMs })]);
  await asked(2);
  release();
  for (const job of await answers) expect(job).toMatchObject({ id, ...LET_GO });
});

test.each(['in it', 'after it'])('a wait of a client survives an outage of NATS: its job ends %s', async (end) => {
  const { client, id, release, asked, outage } = await world();
  const answer = client.wait(id, { timeoutMs });
  await asked(1);
  const over = outage();
  if (end === 'in it') release();
  await over;
  await asked(2);
  release();
  expect(await answer).toMatchObject({ id, ...LET_GO });
});
