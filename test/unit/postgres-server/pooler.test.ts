import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { startPooler } from '../../support/postgres/pooler.ts';
import { connected, ended, query } from './client.ts';

test('it gives each transaction any connection to the same database, for the same user', async () => {
  await using database = await freshDatabase();
  await query(database.url, 'CREATE TABLE here (a int)');
  await using pooler = await startPooler(database.url, { poolSize: 2 });
  const who = 'SELECT current_database() AS database, current_user AS role, count(*)::int AS rows FROM here';
  expect(await query(pooler.url, who)).toEqual([{ database: database.name, role: 'rota', rows: 0 }]);

  const [one, other] = [await connected(pooler.url), await connected(pooler.url)];
  const backend = 'SELECT pg_backend_pid() AS pid';
  await one.query('BEGIN');
  const first = (await one.query(backend)).rows;
  await other.query('BEGIN');
  const second = (await other.query(backend)).rows;
  expect(second).not.toEqual(first);
  // The connection that is given back first is the one that the next transaction gets.
  await one.query('COMMIT');
  const third = await connected(pooler.url);
  await third.query('BEGIN');
  expect((await third.query(backend)).rows).toEqual(first);
  await other.query('COMMIT');
  // So what a session prepared is not there any more.
  await one.query('BEGIN');
  expect((await one.query(backend)).rows).toEqual(second);
  await Promise.all([one, other, third].map((client) => client.end()));
});

test('it loses what a session prepared', async () => {
  await using database = await freshDatabase();
  await using pooler = await startPooler(database.url, { poolSize: 2 });
  const [one, other] = [await connected(pooler.url), await connected(pooler.url)];
  const prepared = { name: 'kept', text: 'SELECT 1 AS one' };
  expect((await one.query(prepared)).rows).toEqual([{ one: 1 }]);
  await other.query('BEGIN');
  await other.query('SELECT 1');
  await expect(one.query(prepared)).rejects.toMatchObject({ code: '26000' });
  await Promise.all([one, other].map((client) => client.end()));
});

test('it ends when it is disposed of', async () => {
  await using database = await freshDatabase();
  const pooler = await startPooler(database.url);
  const client = await connected(pooler.url);
  const end = ended(client);
  await pooler.dispose();
  await end;
  await expect(connected(pooler.url)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(existsSync(pooler.folder)).toBe(false);
});
