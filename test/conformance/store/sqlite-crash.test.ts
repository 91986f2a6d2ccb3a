import { expect, it } from 'vitest';
import { killed, StoreFolder } from '../../unit/store/store-folder.ts';
import { StoreDriver } from './store-driver.ts';

it.each([5, 60, 200])('has every job that was acknowledged before a kill -9 after %i groups', async (groups) => {
  const here = new StoreFolder();
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
  await here.dispose();
});
