import { afterEach, beforeEach, expect, it } from 'vitest';
import type { StoreOptions } from '../../../src/store/job-store.ts';
import { newJob, StoreDriver, T0 } from '../../conformance/store/store-driver.ts';
import { StoreFolder } from './store-folder.ts';

// What holds within one opening of a store is a case of the conformance suite.

let here: StoreFolder;
let driver: StoreDriver;
beforeEach(() => {
  here = new StoreFolder();
  driver = new StoreDriver(here.open());
});
afterEach(() => here.dispose());

const sweep = (part: Partial<StoreOptions<'sweep'>>) =>
  driver.do('sweep', { now: T0, action: 'delete', filter: {}, terminate: false, limit: 2, ...part });
const remove = ({ id }: { id: string }) => driver.do('delete', { now: T0, id });
async function reopened(): Promise<void> {
  await driver.store.close();
  driver = new StoreDriver(here.open());
}

it.each(['before', 'after'])(
  'a sweep goes on in a store that was opened again: the newest job is gone %s',
  async (when) => {
    const jobs = Array.from({ length: 6 }, () => newJob());
    await driver.insert(...jobs);
    const { cursor } = await sweep({});
    if (cursor === null) throw new Error('there is more');
    if (when === 'before') for (const job of jobs.slice(4)) await remove(job);
    await reopened();
    if (when === 'after') for (const job of jobs.slice(4)) await remove(job);
    const later = [newJob(), newJob(), newJob()];
    await driver.insert(...later);
    // Of this opening, as long as the other.
    expect((await sweep({ now: T0 + 1, filter: { type: 'test.none' } })).done).toBe(0);
    const step = await sweep({ now: T0 + 1, cursor, limit: 1 });
    expect(step).toMatchObject({ done: 1, cursor: expect.any(String) });
    const last = await sweep({ now: T0 + 1, cursor: step.cursor ?? '', limit: 9 });
    expect(last).toMatchObject({ done: 1, cursor: null });
    const left = await driver.do('list', { filter: {}, order: 'asc', limit: 9 });
    expect(left.jobs.map(({ id }) => id)).toEqual(later.map(({ id }) => id));
  },
);

it('the cursor of a store of before, which did not say which opening it is of, is taken', async () => {
  await driver.insert(newJob(), newJob(), newJob());
  await reopened();
  await driver.insert(newJob());
  expect(await sweep({ cursor: '1.4', limit: 9 })).toMatchObject({ done: 2, cursor: null });
});
