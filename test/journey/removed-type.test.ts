import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { PlainClient } from '../support/plain-client.ts';
import { RotaProcess } from '../support/rota-process.ts';

const config = fileURLToPath(new URL('../faults/chaos-versions-config.ts', import.meta.url));

interface KnownType {
  type: string;
  queue: string;
  nodes: string[];
}

test('jobs of a type that a deploy removed wait unburned and are shown, and others of their queue go on', async () => {
  const env = { ROTA_TEST_VERSION: 'former' };
  const node = await RotaProcess.make({ config, env });
  onTestFinished(() => node.dispose());
  await node.start();
  const client = await PlainClient.to(node.url);
  onTestFinished(() => client.close());
  const types = async (): Promise<KnownType[]> =>
    (await client.ask<{ types: KnownType[] }>('jobs.ctl.node.types', {})).types;

  await client.ask('jobs.ctl.queue.pause', { queue: 'default' });
  const [first, second] = [await client.enqueue('former'), await client.enqueue('former')];
  const before = await client.enqueue('both');
  expect(await types()).toContainEqual(expect.objectContaining({ type: 'former', queue: 'default', nodes: ['test'] }));

  node.signal('SIGTERM');
  await node.exited;
  env.ROTA_TEST_VERSION = 'later';
  await node.start();
  await client.ask('jobs.ctl.queue.resume', { queue: 'default' });
  const after = [await client.enqueue('both'), await client.enqueue('later')];
  for (const id of [before, ...after]) expect(await client.ended(id)).toMatchObject({ state: 'completed', attempt: 1 });

  for (const id of [first, second]) {
    expect(await client.get(id)).toMatchObject({ state: 'available', attempt: 0, errors: [] });
  }
  const shown = await types();
  expect(shown).toContainEqual(expect.objectContaining({ type: 'former', queue: 'default', nodes: [] }));
  expect(shown).toContainEqual(expect.objectContaining({ type: 'later', queue: 'default', nodes: ['test'] }));
  await expect(client.enqueue('former')).rejects.toThrow(/: 400 .*unknown_type/);

  // The type is brought back.
  node.signal('SIGTERM');
  await node.exited;
  env.ROTA_TEST_VERSION = 'former';
  await node.start();
  for (const id of [first, second]) expect(await client.ended(id)).toMatchObject({ state: 'completed', attempt: 1 });
}, 300_000);
