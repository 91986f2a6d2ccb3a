import { expect, onTestFinished, test } from 'vitest';
import { connectText } from '../../../src/store/postgres/fault.ts';
import { MIGRATIONS } from '../../../src/store/postgres/migrate.ts';
import { openTestStore, plainClient, urlAs } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { startPostgres } from '../../support/postgres/postgres-server.ts';
import { storeFinding } from '../../support/store-finding.ts';

async function emptyDatabase(): Promise<{ url: string; adminUrl: string; name: string }> {
  const database = await freshDatabase();
  onTestFinished(() => database.drop());
  return database;
}

test('a database without a store, and one with a store, are right', async () => {
  const { url } = await emptyDatabase();
  const newest = MIGRATIONS.length;
  const fresh = `at version 0; the next start brings it to ${newest}`;
  expect(await storeFinding(url)).toMatchObject({ state: 'ok', found: expect.stringContaining(fresh) });
  const client = await plainClient(url);
  expect((await client.query(`select 1 from pg_namespace where nspname = 'rota'`)).rows).toEqual([]);
  await (await openTestStore(`${url}?schema=jobs`)).close();
  expect(await storeFinding(`${url}?schema=jobs&pool=2`)).toEqual({
    ...{ what: 'store', state: 'ok' },
    found: expect.stringMatching(new RegExp(`^PostgreSQL \\d+.*, schema "jobs" at version ${newest}$`)),
  });
});

test('a schema that a newer Rota wrote is wrong, and one that drifted is odd', async () => {
  const { url } = await emptyDatabase();
  await (await openTestStore(url)).close();
  const client = await plainClient(url);
  await client.query(`update rota.migrations set checksum = 'other' where version = 2`);
  const drift = { state: 'warning', found: expect.stringContaining('drifted: migration 2 (workers and nodes)') };
  expect(await storeFinding(url)).toMatchObject(drift);
  const newer = MIGRATIONS.length + 1;
  await client.query(`insert into rota.migrations (version, name, checksum) values ($1, 'more', 'x')`, [newer]);
  expect(await storeFinding(url)).toMatchObject({
    state: 'wrong',
    found: expect.stringContaining(`at version ${newer}, newer than the ${newer - 1} of this Rota`),
    remedy: expect.stringContaining('update Rota'),
  });
});

test('a user who may not make the schema is told before the start', async () => {
  const { url, adminUrl, name } = await emptyDatabase();
  const admin = await plainClient(adminUrl);
  const role = `poor_${name}`;
  await admin.query(`create role ${role} login`);
  onTestFinished(async () => {
    const last = await plainClient(adminUrl);
    await last.query(`drop owned by ${role}; drop role ${role}`);
  });
  expect(await storeFinding(urlAs(url, role))).toMatchObject({
    state: 'wrong',
    found: expect.stringContaining(`may not bring it to ${MIGRATIONS.length}`),
    remedy: expect.stringContaining('grant create'),
  });
  await admin.query(`grant create on database "${name}" to ${role}`);
  expect(await storeFinding(urlAs(url, role))).toMatchObject({ state: 'ok' });
});

test('a wrong password, a database that is not there and a server that is away are wrong', async () => {
  const server = await startPostgres({ password: 'right', fsync: false });
  onTestFinished(() => server.dispose());
  expect(await storeFinding(server.url)).toMatchObject({ state: 'ok' });
  const wrong = await storeFinding(server.url.replace('right', 'secret'));
  expect(wrong).toMatchObject({ state: 'wrong', found: expect.stringContaining('password authentication failed') });
  expect(JSON.stringify(wrong)).not.toContain('secret');
  const nowhere = new URL(server.url);
  nowhere.pathname = '/nowhere';
  expect(await storeFinding(nowhere.href)).toMatchObject({
    state: 'wrong',
    found: expect.stringContaining('"nowhere"'),
  });
  await server.stop();
  const away = {
    state: 'wrong',
    found: expect.stringContaining('ECONNREFUSED'),
    remedy: expect.stringContaining('runs'),
  };
  expect(await storeFinding(server.url)).toMatchObject(away);
  expect(await storeFinding(server.url.replace('127.0.0.1', 'localhost'))).toMatchObject(away);
});

test('why a host with several addresses cannot be reached is told for each', () => {
  const errors = ['::1', '127.0.0.1'].map((host) => new Error(`connect ECONNREFUSED ${host}:5432`));
  expect(connectText(new AggregateError(errors))).toBe(
    'connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127.0.0.1:5432',
  );
  expect(connectText(new Error('no'))).toBe('no');
});
