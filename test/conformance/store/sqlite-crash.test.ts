import { afterEach, beforeEach, expect, it } from 'vitest';
import { killed, StoreFolder } from '../../unit/store/store-folder.ts';
import { StoreDriver, T0 } from './store-driver.ts';

let here: StoreFolder;
beforeEach(() => {
  here = new StoreFolder();
});
afterEach(() => here.dispose());

it.each([5, 60, 200])('has every job that was acknowledged before a kill -9 after %i groups', async (groups) => {
  const { process: writer, lines } = here.child('insert');
  const acknowledged: string[] = [];
  expect((await lines.next()).value).toBe('open');
  for (let group = 0; group < groups; group++) {
    const { value } = await lines.next();
    expect(value).not.toBe('refused');
    acknowledged.push(...value.split(' '));
  }
  await killed(writer);
  // What was written to the pipe before the end is acknowledged too.
  for await (const line of lines) acknowledged.push(...line.split(' '));
  const driver = new StoreDriver(here.open());
  const found = await driver.do('get', { ids: acknowledged.filter((id) => id.length === 36) });
  expect(found.length).toBe(acknowledged.filter((id) => id.length === 36).length);
  expect(found.length).toBeGreaterThan(groups);
  // A group that was cut off is there whole or not at all, and the sums are right.
  await driver.expectCountsHold();
});

it('keeps every settlement that was acknowledged, over several kills, and its sums and outbox are right', async () => {
  const acknowledged = new Set<string>();
  for (const rounds of [3, 40, 90]) {
    const { process: worker, lines } = here.child('work');
    expect((await lines.next()).value).toBe('open');
    for (let round = 0; round < rounds; round++) {
      const { value } = await lines.next();
      for (const id of value.split(' ')) acknowledged.add(id);
    }
    await killed(worker);
    const driver = new StoreDriver(here.open());
    await driver.expectCountsHold();
    const ids = [...acknowledged];
    const jobs = await driver.do('get', { ids });
    expect(jobs.map(({ id, state, run }) => [id, state, run])).toEqual(ids.map((id) => [id, 'completed', 1]));
    const facts = await driver.do('unannounced', { after: 0, limit: 1_000_000 });
    const { byState } = await driver.do('count', { filter: {} });
    // Discarded is what an earlier life was killed over between its claim and its settlement; see below.
    expect(facts).toHaveLength(byState.completed + byState.discarded);
    // What the dead process had claimed and not settled is nobody's until it is rescued.
    const rescue = { now: T0 + 3_600_000, deadBefore: T0 + 3_000_000, limit: 1_000 };
    expect((await driver.do('rescue', rescue)).rescued).toBe(byState.executing);
    for (const job of await driver.claim({ limit: 1_000 }))
      await driver.settle(job, { outcome: 'discard', reason: 'r' });
    await driver.store.close();
  }
});
