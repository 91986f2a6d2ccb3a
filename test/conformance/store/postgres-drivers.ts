import { Client } from 'pg';
import { afterEach, beforeEach } from 'vitest';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { assert } from '../../../src/kernel/error.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.ts';
import { withSettings } from '../../../src/store/postgres/settings.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { StoreDriver } from './store-driver.ts';

/** A fresh database for each test of a file, and stores that share it; all is gone after the test. */
export function usePostgresDrivers(): { url: () => string; driver: () => Promise<StoreDriver> } {
  let database: Awaited<ReturnType<typeof freshDatabase>> | undefined;
  const stores: StoreDriver['store'][] = [];
  const url = (): string => {
    assert(database !== undefined, 'a test is under way');
    return database.url;
  };
  beforeEach(async () => {
    database = await freshDatabase();
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await database?.[Symbol.asyncDispose]();
  });
  return {
    url,
    driver: async () => {
      const store = await openPostgresStore({
        ...{ url: url(), random: systemRandom, clock: followingClock(systemClock), newId: uuidSource(systemClock) },
      });
      stores.push(store);
      return new StoreDriver(store);
    },
  };
}

/** {@link usePostgresDrivers}, and a client of each test's database with the settings that a store's sessions have. */
export function usePostgresClient(): ReturnType<typeof usePostgresDrivers> & { client: () => Client } {
  const drivers = usePostgresDrivers();
  let client: Client | undefined;
  beforeEach(async () => {
    client = new Client({ connectionString: withSettings(drivers.url()) });
    await client.connect();
  });
  afterEach(() => client?.end());
  return {
    ...drivers,
    client: () => {
      assert(client !== undefined, 'a test is under way');
      return client;
    },
  };
}
