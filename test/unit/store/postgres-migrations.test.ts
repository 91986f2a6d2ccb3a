import { expect, it } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import { examineSchema } from '../../../src/store/postgres/examine-schema.ts';
import { checksumOf, MIGRATIONS, MIGRATIONS_TABLE } from '../../../src/store/postgres/migrate.ts';
import { Statements } from '../../../src/store/postgres/statements.ts';
import { newJob, StoreDriver } from '../../conformance/store/store-driver.ts';
import { runAs } from '../../support/postgres/database.ts';
import { openTestStore } from '../../support/postgres/enqueuer.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';

const NEWEST = MIGRATIONS.length;

/** Makes a schema as it was when there were only so many migrations. */
async function schemaAt(url: string, version: number): Promise<void> {
  const statements = new Statements('rota', false);
  const texts = MIGRATIONS.slice(0, version).flatMap((migration, index) => [
    statements.text(migration.sql),
    statements.text(`insert into @migrations (version, name, checksum)
      values (${index + 1}, '${migration.name}', '${checksumOf(migration)}')`),
  ]);
  await runAs(url, ['create schema rota', ...(version === 0 ? [] : [statements.text(MIGRATIONS_TABLE), ...texts])]);
}

/** The insert of a job as the first version did it. */
const rowOf = ({ id, queue, type, priority }: NewJob): string => `insert into rota.jobs (id, scheduled_at, inserted_at,
    attempted_at, finished_at, max_attempts, priority, state, queue, type, args)
  values ('${id}', 1, 1, 1, 1, 20, ${priority}, 'available', '${queue}', '${type}', '{}')`;

it.each(MIGRATIONS.map(({ name }, version) => [version, name] as const))(
  'goes on from version %i, before the migration "%s"',
  async (version) => {
    await using database = await freshDatabase();
    await schemaAt(database.url, version);
    const old = newJob();
    if (version > 0) await runAs(database.url, [rowOf(old)]);
    // What is there is told to be right at each version, and brought to the newest.
    const before = { version, known: NEWEST, drifted: [], drift: { differences: [] } };
    expect(await examineSchema(database.url)).toMatchObject(before);
    const driver = new StoreDriver(await openTestStore(database.url));
    expect(await examineSchema(database.url)).toMatchObject({ ...before, version: NEWEST });
    const job = newJob();
    await driver.insert(job);
    const claimed = (await driver.claim({ limit: 5 })).map(({ id }) => id);
    expect(claimed).toEqual((version > 0 ? [old, job] : [job]).map(({ id }) => id));
    await driver.store.close();
  },
);
