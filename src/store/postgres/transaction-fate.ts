import { type Clock, sleep } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/identity.ts';
import { Connection } from './connection.ts';
import { faultOf, isInFuture } from './fault.ts';
import type { ServerPool } from './server-pool.ts';

/** How long a server that cannot be reached is tried, in milliseconds. */
export const REACH_MS = 5_000;
/** About how long after a try the next one comes, in milliseconds. */
export const REACH_EVERY_MS = 150;

/** A transaction whose connection broke. */
export interface LostTransaction {
  xid: string;
  /** Of its connection. */
  life: string;
}

/** What became of a transaction; null where nobody can say. */
export type Fate = 'committed' | 'aborted' | null;

/**
 * Asks what became of a transaction, for as long as a server is tried. After a crash or a failover its number may be
 * another's, for it is given anew where nothing of it had reached the disk or the standby: then a commit may be the
 * other's, and all else means that ours came to nothing.
 */
export async function fateOf(
  { xid, life }: LostTransaction,
  pool: ServerPool,
  { clock, random }: { clock: Clock; random: Random },
): Promise<Fate> {
  const giveUpAt = clock.monotonicMs() + REACH_MS;
  while (clock.monotonicMs() < giveUpAt) {
    try {
      const connection = await Connection.of(pool);
      try {
        const [row] = await connection.lists({ text: 'select pg_xact_status($1::text::xid8)' }, [xid]);
        const status = row?.[0];
        if (connection.life !== life) return status === 'committed' ? null : 'aborted';
        // The backend may still be at it.
        if (status === 'committed' || status === 'aborted') return status;
        if (status === null) return null;
      } finally {
        connection.release();
      }
    } catch (thrown) {
      // It was given to nobody yet.
      if (isInFuture(thrown)) return 'aborted';
      if (faultOf(thrown) !== 'connection') return null;
    }
    await sleep(clock, REACH_EVERY_MS * (0.5 + random()));
  }
  return null;
}
