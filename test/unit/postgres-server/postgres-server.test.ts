import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { type PostgresServer, startPostgres } from '../../support/postgres/postgres-server.ts';
import { connected, ended, query } from './client.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ synchronousCommit: 'local', settings: { max_connections: '17' } });
});
afterAll(() => server?.dispose());

test('its user owns the database and is nobody special', async () => {
  const who = `SELECT current_database() AS database, current_user AS role, rolsuper, rolcreatedb
    FROM pg_roles WHERE rolname = current_user`;
  expect(await query(server.url, who)).toEqual([
    { database: 'rota', role: 'rota', rolsuper: false, rolcreatedb: false },
  ]);
  await query(server.url, 'CREATE TABLE owned (a int)');
  await query(server.url, 'CREATE SCHEMA owned_too');
  expect(await query(server.adminUrl, who)).toMatchObject([{ database: 'rota', role: 'postgres', rolsuper: true }]);
});

test('syncs by default and takes settings', async () => {
  const settings = `SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS pages,
    current_setting('synchronous_commit') AS commit, current_setting('max_connections') AS connections`;
  expect(await query(server.url, settings)).toEqual([{ fsync: 'on', pages: 'on', commit: 'local', connections: '17' }]);
});

test('further databases of it are separate', async () => {
  await using one = await server.freshDatabase();
  await using other = await server.freshDatabase();
  await query(one.url, 'CREATE TABLE only_here (a int)');
  await expect(query(other.url, 'SELECT * FROM only_here')).rejects.toMatchObject({ code: '42P01' });
});

test('a frozen one keeps its connections and answers nothing until it is thawed', async () => {
  const client = await connected(server.url);
  await using another = await freshDatabase();
  server.freeze();
  let answered = false;
  const answer = client.query('SELECT 1').then(() => {
    answered = true;
  });
  const late = connected(server.url);
  // Another server has long answered.
  for (let times = 0; times < 20; times++) await query(another.url, 'SELECT 1');
  expect(answered).toBe(false);
  server.thaw();
  await answer;
  await (await late).end();
  await client.end();
});

test('what was committed survives a kill, and connections break', async () => {
  await query(server.url, 'CREATE TABLE kept (a int)');
  await query(server.url, 'INSERT INTO kept VALUES (1)');
  const client = await connected(server.url);
  await client.query('BEGIN');
  await client.query('INSERT INTO kept VALUES (2)');
  const end = ended(client);
  await server.kill();
  await end;
  await expect(connected(server.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(() => server.pid).toThrow('does not run');
  await server.restart();
  expect(await query(server.url, 'SELECT a FROM kept')).toEqual([{ a: 1 }]);
});

test('a frozen one can be killed and stopped', async () => {
  server.freeze();
  await server.kill();
  await server.restart();
  server.freeze();
  await server.stop();
  await server.restart();
  expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('a restart of one that runs ends its connections and keeps its address', async () => {
  const { url, pid } = server;
  const client = await connected(url);
  const end = ended(client);
  await server.restart();
  await end;
  expect(server.url).toBe(url);
  expect(server.pid).not.toBe(pid);
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('asks for a password where one is set', async () => {
  await using guarded = await startPostgres({ fsync: false, password: "it's @ secret" });
  expect(await query(guarded.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  const wrong = new URL(guarded.url);
  wrong.password = 'guess';
  await expect(query(wrong.href, 'SELECT 1')).rejects.toMatchObject({ code: '28P01' });
});

test('leaves nothing behind, also when it was killed before, and says why it did not start', async () => {
  const other = await startPostgres({ fsync: false });
  const folder = dirname(other.logFile);
  await other.kill();
  expect(existsSync(folder)).toBe(true);
  await other.dispose();
  await other.dispose();
  expect(existsSync(folder)).toBe(false);
  await expect(connected(other.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(startPostgres({ settings: { no_such_setting: '1' } })).rejects.toThrow(/no_such_setting/);
  await expect(startPostgres({ port: server.port })).rejects.toThrow(/could not bind/);
});
