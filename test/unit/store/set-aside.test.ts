import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newJob, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

let here: StoreFolder;
beforeEach(() => {
  here = new StoreFolder();
});
afterEach(() => here.dispose());

const jobsOf = (types: string[], count: number) =>
  Array.from({ length: count }, (_, at) =>
    newJob({ type: types[at % types.length] ?? '', scheduledAt: T0 - count + at }),
  );

/** How many rows are set aside, once the store is closed. */
async function asideAfter(use: (driver: StoreDriver) => Promise<unknown>): Promise<number> {
  const driver = new StoreDriver(here.open());
  await use(driver);
  await driver.store.close();
  const db = new DatabaseSync(here.path);
  const row = db.prepare('select count(*) as jobs from jobs where aside is not null').get();
  db.close();
  return Number(row?.jobs);
}

it('sets aside what a claim could not take at the head, so that the next one does not walk past it', async () => {
  const aside = await asideAfter(async (driver) => {
    await driver.insert(...jobsOf(['theirs', 'others'], 300), ...jobsOf(['mine'], 2));
    expect(await driver.claim({ types: ['mine'], limit: 1 })).toHaveLength(1);
  });
  expect(aside).toBe(300);
});

it('leaves a queue of mixed types as it is, and one that is claimed from without types', async () => {
  const aside = await asideAfter(async (driver) => {
    await driver.insert(...jobsOf(['theirs', 'mine'], 300));
    for (const type of ['mine', 'theirs', 'mine', 'theirs']) {
      expect(await driver.claim({ types: [type], limit: 40 })).toHaveLength(40);
    }
    await driver.claim({ limit: 40 });
  });
  expect(aside).toBe(0);
});

it('does not mind a few', async () => {
  const aside = await asideAfter(async (driver) => {
    await driver.insert(...jobsOf(['theirs'], 63), ...jobsOf(['mine'], 1));
    expect(await driver.claim({ types: ['mine'] })).toHaveLength(1);
  });
  expect(aside).toBe(0);
});

it('is no longer aside once it was claimed', async () => {
  const aside = await asideAfter(async (driver) => {
    await driver.insert(...jobsOf(['theirs'], 100));
    await driver.claim({ types: ['mine'] });
    expect(await driver.claim({ types: ['theirs'], limit: 100 })).toHaveLength(100);
  });
  expect(aside).toBe(0);
});
