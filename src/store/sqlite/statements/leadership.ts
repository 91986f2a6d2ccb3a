import type { StatementSync } from 'node:sqlite';
import { integer, text } from '../../cell.ts';
import type { Leadership } from '../../job-store.ts';
import { Refusal, type StoreWorld, type Verb } from '../verb.ts';

const READ = 'select node, instance, term, until from leadership where one = 1';

interface Held {
  leader: Leadership | null;
  /** The newest term, also when nobody leads. */
  term: number;
}

function heldIn(read: StatementSync): Held {
  const row = read.get();
  if (row === undefined) return { leader: null, term: 0 };
  const term = integer(row.term);
  if (row.node === null) return { leader: null, term };
  const { node, instance, until } = row;
  return { leader: { node: text(node), instance: text(instance), term, until: integer(until) }, term };
}

/** The term of whoever leads; undefined when nobody does. What ticks are fenced by. */
export function currentTerm(world: StoreWorld): () => number | undefined {
  const read = world.rows(READ);
  return () => heldIn(read).leader?.term;
}

/** Refuses a leader that no longer leads. */
export function staleTerm(claimed: number, current: number | undefined): Refusal | undefined {
  if (claimed === current) return undefined;
  return new Refusal('conflict', `term ${claimed} does not lead; ${current ? `term ${current} does` : 'nobody does'}`);
}

/**
 * Takes or renews the lead. The holder keeps its term however late it renews, as long as nobody else came between; a
 * new holder gets a higher one.
 */
export function lead(world: StoreWorld): Verb<'lead'> {
  const read = world.rows(READ);
  const put = world.rows('insert or replace into leadership (one, node, instance, term, until) values (1, ?, ?, ?, ?)');
  return ({ now, node, instance, leaseMs }) => {
    const { leader, term } = heldIn(read);
    const mine = leader !== null && leader.node === node && leader.instance === instance;
    if (leader !== null && !mine && leader.until > now) {
      if (leader.until <= now + leaseMs) return leader;
      // The clock stepped back: a lease must not outlive its length, or a silent leader would be waited for that long.
      put.run(leader.node, leader.instance, leader.term, now + leaseMs);
      return { ...leader, until: now + leaseMs };
    }
    const next: Leadership = { node, instance, term: mine ? term : term + 1, until: now + leaseMs };
    put.run(next.node, next.instance, next.term, next.until);
    return next;
  };
}

/** Ends one's own lead at once; the term is kept, so that the next one is higher. */
export function resign(world: StoreWorld): Verb<'resign'> {
  const end = world.rows('update leadership set node = null, instance = null where node = ? and instance = ?');
  return ({ node, instance }) => {
    end.run(node, instance);
    return null;
  };
}

/** Who leads, also when the lease has run out and nobody took it; null: nobody. */
export function leader(world: StoreWorld): Verb<'leader'> {
  const read = world.rows(READ);
  return () => heldIn(read).leader;
}
