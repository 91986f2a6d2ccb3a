import { once } from 'node:events';
import { createServer } from 'node:net';
import type { TestProject } from 'vitest/node';
import { type PostgresServer, startPostgres } from './postgres-server.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The port of {@link setup}. */
    sharedPostgresPort: number;
  }
}

/** What a test file is told: how databases are made, or why there is no server. */
export type SharedServerReply = { readonly adminUrl: string } | { readonly error: string };

/**
 * Of vitest: one PostgreSQL for a whole run, which the first test that asks for a database starts. Who connects to the
 * port gets one line of JSON. It is for speed: an acknowledged commit does not survive the machine.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  let server: Promise<PostgresServer> | undefined;
  const door = createServer(async (socket) => {
    socket.on('error', () => {}); // the test file has died
    server ??= startPostgres({ fsync: false, settings: { max_connections: '300' } });
    const reply: SharedServerReply = await server.then(
      ({ adminUrl }) => ({ adminUrl }),
      (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    socket.end(JSON.stringify(reply));
  });
  door.listen(0, '127.0.0.1');
  await once(door, 'listening');
  const address = door.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  project.provide('sharedPostgresPort', address.port);
  return async () => {
    door.close();
    await server?.then(
      (started) => started.dispose(),
      () => {}, // every test that asked was told
    );
  };
}
