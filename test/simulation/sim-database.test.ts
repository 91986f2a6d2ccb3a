import { expect, test } from 'vitest';
import type { StoreAnswer } from '../../src/store/job-store.ts';
import { seededRandom, VirtualClock } from '../../src/testing/testing.ts';
import { SimDatabase } from './sim-database.ts';

const NOW = Date.UTC(2026, 0, 1);

/** A database of which, with each owner, something is changed that owners keep in memory. */
function databaseOf({ shared }: { shared: boolean }) {
  let takenOver = 0;
  const database = new SimDatabase({
    ...{ clock: new VirtualClock(NOW), random: seededRandom(1), shared },
    mutation: {
      ...{ name: 'other-limit', what: 'each owner finds another limit', seedsMax: 1 },
      reopened: (db) => db.exec('update queues set global_limit = global_limit + 10'),
    },
    onTakenOver: () => {
      takenOver += 1;
    },
  });
  const limit = async (): Promise<number | null | undefined> => {
    const queues = (await database.read({ verb: 'queues' })) as StoreAnswer<'queues'>;
    return queues[0]?.globalLimit;
  };
  return { database, limit, takenOver: () => takenOver };
}

test('what an only owner kept in memory dies with it', async () => {
  const { database, limit, takenOver } = databaseOf({ shared: false });
  database.open();
  await database.perform([{ verb: 'changeQueue', now: NOW, queue: 'q', change: { globalLimit: 2 } }], 'n1.1');
  expect(await limit()).toBe(2);
  database.open();
  expect(await limit()).toBe(12);
  expect(takenOver()).toBe(1);
  await database.left('n1.2');
  database.open();
  expect(await limit(), 'the next one after an end in order reads it too').toBe(22);
  expect(takenOver(), 'and takes over from nobody').toBe(1);
  database.close();
});

test('a store of several owners outlives each of them', async () => {
  const { database, limit, takenOver } = databaseOf({ shared: true });
  database.open();
  await database.perform([{ verb: 'changeQueue', now: NOW, queue: 'q', change: { globalLimit: 2 } }], 'n1.1');
  database.open();
  expect(await limit()).toBe(2);
  expect(takenOver()).toBe(0);
  database.close();
});
