import { Client } from 'pg';
import { onTestFinished } from 'vitest';
import { followingClock, systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom, uuidSource } from '../../../src/kernel/identity.ts';
import type { JobStore } from '../../../src/store/job-store.ts';
import { openPostgresStore, type PostgresStoreOptions } from '../../../src/store/postgres/postgres-store.ts';

const newId = uuidSource(systemClock);

/** A store on a database, closed at the end of the test. */
export async function openTestStore(url: string, options: Partial<PostgresStoreOptions> = {}): Promise<JobStore> {
  const clock = followingClock(systemClock);
  const store = await openPostgresStore({ url, random: systemRandom, clock, newId, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** A plain connection, as any program has one; ended at the end of the test. */
export async function plainClient(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** The URL of a database for another role. */
export function urlAs(url: string, user: string, password = ''): string {
  const as = new URL(url);
  as.username = user;
  as.password = password;
  return as.href;
}
