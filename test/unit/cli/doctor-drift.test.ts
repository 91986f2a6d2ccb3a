import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Finding } from '../../../src/app/finding.ts';
import { openDatabase } from '../../../src/store/sqlite/database.ts';
import { runAs } from '../../support/postgres/database.ts';
import { openTestStore, plainClient, urlAs } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { storeFinding } from '../../support/store-finding.ts';

/** What is told below the first line. */
const told = ({ found }: Finding): string[] =>
  found
    .split('\n')
    .slice(1)
    .map((line) => line.trim());

/** A change, the state that it comes to, and what is told of it. */
type Change = readonly [sql: string, state: Finding['state'], ...told: string[]];

const EXTRA = "is not of Rota's making";
const ON_POSTGRES: readonly Change[] = [
  ['drop index @jobs_claim', 'warning', 'index jobs_claim of jobs is missing'],
  ['drop index @jobs_tick', 'wrong', 'index jobs_tick of jobs is missing'],
  ['alter table @jobs add column note text', 'warning', `column jobs.note ${EXTRA}`],
  ['alter table @jobs drop column backoff', 'wrong', 'column jobs.backoff is missing'],
  ['alter table @nodes alter record drop not null', 'warning', 'column nodes.record is "text", not "text not null"'],
  [
    'alter table @jobs alter run set default 1',
    'warning',
    'column jobs.run is "integer not null default 1", not "integer not null default 0"',
  ],
  [
    'alter table @workers alter worker type varchar(9) collate "C"',
    'warning',
    'column workers.worker is "character varying(9) collate "C" not null", not "text collate "C" not null"',
  ],
  [
    'alter table @jobs alter seq drop identity',
    'warning',
    'column jobs.seq is "bigint not null", not "bigint not null generated always as identity"',
  ],
  [
    "drop index @jobs_due; create index jobs_due on @jobs (scheduled_at) where state = 'scheduled'",
    'warning',
    expect.stringMatching(/^index jobs_due of jobs is "USING btree.*'scheduled'.*, not "USING btree.*'retryable'/),
  ],
  [
    'alter table @leadership drop constraint leadership_one_check',
    'wrong',
    'constraint leadership_one_check of leadership is missing',
  ],
  ['alter table @jobs add check (priority < 5)', 'warning', `constraint jobs_priority_check of jobs ${EXTRA}`],
  ['drop table @nodes', 'wrong', 'table nodes is missing'],
  ['alter table @outbox set unlogged', 'warning', 'table outbox is "unlogged table", not "table"'],
  ['alter table @jobs enable row level security', 'warning', 'table jobs is "table with row security", not "table"'],
  [
    'alter function @enqueue(text, jsonb, text, jsonb) security invoker',
    'warning',
    "function enqueue(type text, args jsonb, queue text, options jsonb) is not as Rota's migrations make it",
  ],
  [
    `create function @nothing() returns trigger language plpgsql as 'begin return null; end';
     create trigger mine before insert on @jobs for each row execute function @nothing()`,
    'warning',
    `function nothing() ${EXTRA}`,
    `trigger mine of jobs ${EXTRA}`,
  ],
  ['create unique index mine on @jobs (type)', 'warning', `index mine of jobs ${EXTRA}`],
  ['create index mine on @jobs (type)', 'ok', `index mine of jobs ${EXTRA}`],
  ['create table @mine (id integer primary key, at bigint)', 'ok', `table mine ${EXTRA}`],
  ['alter table @jobs set (fillfactor = 60); grant select on @jobs to public', 'ok'],
];

const ON_SQLITE: readonly Change[] = [
  ['drop index jobs_claim', 'warning', 'index jobs_claim of jobs is missing'],
  ['drop index jobs_tick', 'wrong', 'index jobs_tick of jobs is missing'],
  ['alter table jobs add column note text', 'warning', `column jobs.note ${EXTRA}`],
  ['drop table suspect_messages', 'wrong', 'table suspect_messages is missing'],
  [
    'drop table reboots; create table reboots (instance text not null primary key, at integer) without rowid',
    'warning',
    'column reboots.at is "INTEGER", not "INTEGER not null"',
    'table reboots is "without rowid table", not "strict without rowid table"',
  ],
  [
    'drop index jobs_due; create index jobs_due on jobs (scheduled_at)',
    'warning',
    expect.stringMatching(/^index jobs_due of jobs is "on jobs \(scheduled_at\)", not ".*'retryable'"$/),
  ],
  [
    'create trigger mine after insert on jobs begin select raise(ignore); end',
    'warning',
    `trigger mine of jobs ${EXTRA}`,
  ],
  ['create index mine on jobs (type)', 'ok', `index mine of jobs ${EXTRA}`],
];

describe('rota doctor compares the tables of PostgreSQL with those that the migrations make', () => {
  it.each(ON_POSTGRES)('%s', async (sql, state, ...lines) => {
    await using database = await freshDatabase();
    // A name that must be quoted.
    const url = `${database.url}?schema=user`;
    await (await openTestStore(url)).close();
    expect(await storeFinding(url)).toEqual({ what: 'store', state: 'ok', found: expect.not.stringContaining('\n') });
    await runAs(database.url, [sql.replaceAll('@', '"user".')]);
    const finding = await storeFinding(url);
    expect(told(finding)).toEqual(lines);
    expect(finding.state).toBe(state);
  });

  it('tells a changed body of a function', async () => {
    await using database = await freshDatabase();
    await (await openTestStore(database.url)).close();
    const client = await plainClient(database.url);
    const { rows } = await client.query<{ was: string }>(`select pg_get_functiondef('rota.enqueue'::regproc) as was`);
    await client.query(rows[0]?.was.replace('524288', '99') ?? '');
    await client.end();
    expect(told(await storeFinding(database.url))).toEqual([expect.stringMatching(/^function enqueue\(.* make it$/)]);
  });

  it('leaves nothing behind, and does not wait for whoever has locked a table', async () => {
    await using database = await freshDatabase();
    await (await openTestStore(database.url)).close();
    const client = await plainClient(database.adminUrl);
    const objects = async (): Promise<unknown> =>
      (await client.query('select (select count(*) from pg_class), (select count(*) from pg_proc)')).rows;
    const before = await objects();
    await client.query('begin; lock table rota.jobs in access exclusive mode');
    const { found } = await storeFinding(database.url);
    expect(found).toMatch(/ at version \d+(; its tables were not compared: .*lock timeout)?$/);
    await client.query('rollback');
    expect(await objects()).toEqual(before);
    await client.end();
  });

  it('says so where it may not compare them', async () => {
    await using database = await freshDatabase();
    await (await openTestStore(database.url)).close();
    const client = await plainClient(database.adminUrl);
    const role = `poor_${database.name}`;
    await client.query(`create role ${role} login; revoke temporary on database ${database.name} from public;
      grant usage on schema rota to ${role}; grant select on rota.migrations to ${role}`);
    try {
      expect(await storeFinding(urlAs(database.url, role))).toMatchObject({
        ...{ state: 'warning', found: expect.stringContaining('were not compared: permission denied') },
        remedy: expect.stringContaining('grant temporary'),
      });
      await client.query(`grant temporary on database ${database.name} to ${role}`);
      expect(await storeFinding(urlAs(database.url, role))).toMatchObject({ state: 'ok' });
    } finally {
      await client.query(`drop owned by ${role}; drop role ${role}`);
      await client.end();
    }
  });
});

describe('rota doctor compares the tables of SQLite with those that the migrations make', () => {
  it.each(ON_SQLITE)('%s', async (sql, state, ...lines) => {
    const folder = mkdtempSync(join(tmpdir(), 'rota-drift-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'store.db');
    openDatabase({ path }).close();
    expect(await storeFinding(`sqlite:${path}`)).toEqual({
      ...{ what: 'store', state: 'ok', found: expect.not.stringContaining('\n') },
    });
    const db = new DatabaseSync(path);
    db.exec(sql);
    db.close();
    const finding = await storeFinding(`sqlite:${path}`);
    expect(told(finding)).toEqual(lines);
    expect(finding.state).toBe(state);
  });
});
