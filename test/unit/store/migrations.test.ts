import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { statesAllowing } from '../../../src/job/life.ts';
import { type JOB_STATES, TERMINAL_STATES } from '../../../src/job/state.ts';
import { MIGRATIONS } from '../../../src/store/sqlite/migrate.ts';
import { isOneOf } from '../../../src/store/sqlite/verb.ts';
import { newJob, StoreDriver } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

/** Sums of what was shipped. A migration is never edited: what must change comes in a new one, with a new line here. */
const SHIPPED = [
  '8e8e473b25d6ec7a',
  'f87fc449f4e82283',
  '106bc742f8ff94b8',
  '76b19ed2491d9428',
  '1e8bd3e3cfff99cf',
  'c4ed26ab6cfbdc9d',
  '8cc9a0698ff3230c',
];

let here: StoreFolder;
beforeEach(() => {
  here = new StoreFolder();
});
afterEach(() => here.dispose());

it('has not changed what was shipped', () => {
  const sums = MIGRATIONS.map((sql) => createHash('sha256').update(sql).digest('hex').slice(0, 16));
  expect(sums).toEqual(SHIPPED);
});

it('brings a fresh database to the newest version, and opens it again as it is', async () => {
  const store = here.open();
  const job = newJob();
  await new StoreDriver(store).insert(job);
  await store.close();
  expect(versionOf()).toBe(MIGRATIONS.length);
  expect(await new StoreDriver(here.open()).job(job.id)).toMatchObject({ id: job.id });
});

it('goes on from every version in between', async () => {
  await here.open().close();
  const whole = schemaOf();
  for (let version = 0; version < MIGRATIONS.length; version++) {
    const between = new StoreFolder();
    const db = new DatabaseSync(between.path);
    for (const sql of MIGRATIONS.slice(0, version)) db.exec(sql);
    db.exec(`pragma application_id = ${version === 0 ? 0 : 0x526f7461}; pragma user_version = ${version}`);
    db.close();
    await between.open().close();
    expect(schemaOf(between.path)).toEqual(whole);
    await between.dispose();
  }
});

it('refuses a store that a newer Rota wrote', async () => {
  await here.open().close();
  withDatabase((db) => db.exec(`pragma user_version = ${MIGRATIONS.length + 1}`));
  expect(() => here.open()).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining('newer Rota') }),
  );
  expect(versionOf()).toBe(MIGRATIONS.length + 1);
});

it("refuses another program's database and leaves it alone", () => {
  withDatabase((db) => db.exec('create table theirs (id)'));
  expect(() => here.open()).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining('another program') }),
  );
  expect(schemaOf()).toEqual(['create table theirs (id)'.replace('create table', 'CREATE TABLE')]);
});

it('refuses what is no database, and a folder that is not there', () => {
  writeFileSync(here.path, 'not a database at all, but long enough to be read as the header of one'.repeat(20));
  expect(() => here.open()).toThrow(
    expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining('no SQLite database') }),
  );
  const path = `${here.folder}/none/store.db`;
  expect(() => here.open({ path })).toThrow(expect.objectContaining({ code: 'invalid_config' }));
});

it("has indexes for just the states that the rules of a job's life name", () => {
  const indexes = MIGRATIONS.join('\n').replaceAll(/\s+/g, ' ');
  const condition = (states: readonly (typeof JOB_STATES)[number][]) => isOneOf(states).slice(1, -1);
  expect(indexes).toContain(
    `jobs_claim on jobs (queue, priority, scheduled_at) where ${condition(statesAllowing('claim'))} and aside is null;`,
  );
  expect(indexes).toContain(`jobs_due on jobs (scheduled_at) where ${condition(statesAllowing('due'))};`);
  expect(indexes).toContain(`jobs_executing on jobs (runner) where ${condition(statesAllowing('release'))};`);
  expect(indexes).toContain(
    `jobs_deadline on jobs (deadline_at) where deadline_at is not null and (${condition(statesAllowing('expire'))});`,
  );
  expect(indexes).toContain(`jobs_finished on jobs (state, finished_at) where ${condition(TERMINAL_STATES)};`);
});

function withDatabase<T>(use: (db: DatabaseSync) => T, path = here.path): T {
  const db = new DatabaseSync(path);
  try {
    return use(db);
  } finally {
    db.close();
  }
}

const versionOf = () => withDatabase((db) => db.prepare('pragma user_version').get()?.user_version);

const schemaOf = (path = here.path) =>
  withDatabase((db) => {
    const rows = db.prepare('select sql from sqlite_schema where sql is not null order by name').all();
    return rows.map(({ sql }) => sql);
  }, path);
