import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import { openPostgresStore } from '../../../src/store/postgres/postgres-store.ts';
import { freshDatabase } from '../../support/postgres/fresh-database.ts';
import { describeStore } from './store-conformance.ts';

const newId = uuidSource(systemClock);

describeStore('PostgreSQL', async () => {
  const database = await freshDatabase();
  return {
    open: () =>
      openPostgresStore({ url: database.url, random: systemRandom, clock: followingClock(systemClock), newId }),
    dispose: () => database.drop(),
  };
});
