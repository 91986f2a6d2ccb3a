import { afterEach, expect, test, vi } from 'vitest';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { startPostgres } from '../../support/postgres/postgres-server.ts';
import { connected, ended, query } from './client.ts';

afterEach(() => vi.unstubAllEnvs());

test('databases are empty, separate, and their owner is no superuser', async () => {
  const databases = await Promise.all(Array.from({ length: 4 }, () => freshDatabase()));
  expect(new Set(databases.map(({ name }) => name)).size).toBe(4);
  for (const [index, { url }] of databases.entries()) {
    await query(url, `CREATE TABLE mine (a int)`);
    await query(url, `INSERT INTO mine VALUES (${index})`);
  }
  for (const [index, { url, adminUrl, name }] of databases.entries()) {
    expect(await query(url, 'SELECT a, current_database() AS name FROM mine')).toEqual([{ a: index, name }]);
    expect(await query(adminUrl, 'SELECT a, current_database() AS name FROM mine')).toEqual([{ a: index, name }]);
  }
  await Promise.all(databases.map((database) => database.drop()));
});

test('a drop ends whoever is connected, and may be repeated', async () => {
  const database = await freshDatabase();
  const client = await connected(database.url);
  const end = ended(client);
  await database.drop();
  await end;
  await database.drop();
  await expect(connected(database.url)).rejects.toMatchObject({ code: '3D000' });
});

test('ROTA_TEST_POSTGRES names another server', async () => {
  await using server = await startPostgres({ fsync: false });
  vi.stubEnv('ROTA_TEST_POSTGRES', server.adminUrl);
  await using database = await freshDatabase();
  expect(new URL(database.url).port).toBe(String(server.port));
  expect(database.url).toBe(database.adminUrl);
  const port = `SELECT current_setting('port') AS port`;
  expect(await query(database.url, port)).toEqual([{ port: String(server.port) }]);
});
