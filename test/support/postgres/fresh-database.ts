import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { inject } from 'vitest';
import { createDatabase, type DatabaseServer, type FreshDatabase } from './database.ts';
import type { SharedServerReply } from './shared-server.ts';

let shared: Promise<DatabaseServer> | undefined;

/**
 * A new empty database of the server that all tests of this run share, or of the one that ROTA_TEST_POSTGRES names. There
 * its user owns it, so that `adminUrl` is the same user's.
 */
export async function freshDatabase(): Promise<FreshDatabase> {
  const given = process.env.ROTA_TEST_POSTGRES ?? '';
  if (given !== '') return await createDatabase({ adminUrl: given });
  shared ??= askShared();
  return await createDatabase(await shared);
}

async function askShared(): Promise<DatabaseServer> {
  const socket = connect(inject('sharedPostgresPort'), '127.0.0.1');
  // The one who writes it is ours.
  const reply = JSON.parse(await text(socket)) as SharedServerReply;
  if ('error' in reply) throw new Error(`the PostgreSQL of this test run did not start: ${reply.error}`);
  return { adminUrl: reply.adminUrl, owner: { user: 'rota' } };
}
