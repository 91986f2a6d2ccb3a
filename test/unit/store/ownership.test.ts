import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { newJob, StoreDriver } from '../../conformance/store/store-driver.ts';
import { killed, StoreFolder } from './store-folder.ts';

let here: StoreFolder;
beforeEach(() => {
  here = new StoreFolder();
});
afterEach(() => here.dispose());

it('refuses a store that another living process owns, and takes it when that process is killed', async () => {
  const { process: owner, lines } = here.child('hold');
  expect((await lines.next()).value).toBe('open');
  expect(() => here.open()).toThrow(expect.objectContaining({ code: 'unavailable' }));
  await killed(owner);
  const driver = new StoreDriver(here.open());
  await driver.insert(newJob());
});

it('refuses a store that this process has open already, and takes it after a close', async () => {
  const store = here.open();
  expect(() => here.open()).toThrow(/owned by another living process/);
  await store.close();
  here.open();
});

it('takes the store of a thread that was terminated', async () => {
  const program = new URL('store-child.ts', import.meta.url);
  const thread = new Worker(program, { argv: [here.path, 'hold'], stdout: true });
  await new Promise((resolve) => thread.stdout.once('data', resolve));
  expect(() => here.open()).toThrow(expect.objectContaining({ code: 'unavailable' }));
  await thread.terminate();
  here.open();
});
