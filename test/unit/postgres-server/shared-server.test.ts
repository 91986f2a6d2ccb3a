import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { type SharedServerReply, setup } from '../../support/postgres/shared-server.ts';
import { connected, ended } from './client.ts';

/** A run of vitest as far as the set-up sees it: it is told a port. */
async function startRun(): Promise<{ port: number; teardown: () => Promise<void> }> {
  let port = 0;
  const provide = (_: string, value: number): void => {
    port = value;
  };
  // It uses nothing else of the project.
  const teardown = await setup({ provide } as unknown as Parameters<typeof setup>[0]);
  return { port, teardown };
}

async function ask(port: number): Promise<SharedServerReply> {
  return JSON.parse(await text(connect(port, '127.0.0.1')));
}

test('all who ask get the same server, which ends with the run', async () => {
  const { port, teardown } = await startRun();
  const [one, other] = await Promise.all([ask(port), ask(port)]);
  expect(one).toEqual(other);
  const client = await connected('adminUrl' in one ? one.adminUrl : one.error);
  const end = ended(client);
  await teardown();
  await end;
});

test('a run that needs none starts none, and is over at once', async () => {
  const { port, teardown } = await startRun();
  await teardown();
  const [error] = await once(connect(port, '127.0.0.1'), 'error');
  expect(error).toMatchObject({ code: 'ECONNREFUSED' });
});
