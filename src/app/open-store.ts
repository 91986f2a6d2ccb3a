import { type FollowingClock, systemClock } from '../kernel/clock.ts';
import type { RotaError } from '../kernel/error.ts';
import { systemRandom, uuidSource } from '../kernel/identity.ts';
import type { Logger } from '../kernel/log.ts';
import type { JobStore } from '../store/job-store.ts';
import type { StorePlace } from './settings.ts';

/** What opening a store takes. */
export interface OpenStoreWorld {
  /** Follows the store's time where the store has one of its own. */
  clock: FollowingClock;
  log: Logger;
  /** Gives up waiting for a server. */
  signal: AbortSignal;
  /** Hears that the store refuses everything until it is opened again. */
  onBroken(error: RotaError): void;
}

/**
 * Opens the store of a node. Of the two adapters only the one that is wanted is loaded.
 * @throws RotaError `invalid_config` when it can be no store of ours, `unavailable` when another process owns the file,
 * or the disk fails it
 */
export async function openStore(
  place: StorePlace,
  { clock, log, signal, onBroken }: OpenStoreWorld,
): Promise<JobStore> {
  const random = systemRandom;
  if (place.kind === 'sqlite') {
    const { openSqliteStore } = await import('../store/sqlite/sqlite-store.ts');
    return openSqliteStore({ path: place.path, random, onBroken });
  }
  const { openPostgresStore } = await import('../store/postgres/postgres-store.ts');
  const warn = (message: string): void => log.warn({}, message);
  return openPostgresStore({ url: place.url, random, clock, newId: uuidSource(systemClock), warn, signal });
}
