import { integer, text } from '../../cell.ts';
import type { Leadership } from '../../job-store.ts';
import type { Transaction } from '../transaction.ts';
import { type Asked, oneByOne, Refusal, type Verb } from '../verb.ts';

const READ = 'select node, instance, term, until from @leadership where one = 1';

interface Held {
  leader: Leadership | null;
  /** The newest term, also when nobody leads. */
  term: number;
}

/** Who leads; with `lock`, so that it stays so until the group has committed. */
async function heldIn(tx: Transaction, lock: '' | 'for share' | 'for update'): Promise<Held> {
  const [row] = await tx.rows(`${READ} ${lock}`);
  if (row === undefined) return { leader: null, term: 0 };
  const term = integer(row.term);
  if (row.node === null) return { leader: null, term };
  const { node, instance, until } = row;
  return { leader: { node: text(node), instance: text(instance), term, until: integer(until) }, term };
}

/** The term of whoever leads, who leads on until the group has committed; undefined: nobody. What ticks are fenced by. */
export async function currentTerm(tx: Transaction): Promise<number | undefined> {
  return (await heldIn(tx, 'for share')).leader?.term;
}

/** Refuses a leader that no longer leads. */
export function staleTerm(claimed: number, current: number | undefined): Refusal | undefined {
  if (claimed === current) return undefined;
  return new Refusal('conflict', `term ${claimed} does not lead; ${current ? `term ${current} does` : 'nobody does'}`);
}

const put = (tx: Transaction, { node, instance, term, until }: Leadership): Promise<number> =>
  tx.run('update @leadership set node = $1, instance = $2, term = $3, until = $4 where one = 1', [
    node,
    instance,
    term,
    until,
  ]);

/**
 * Takes or renews the lead. The holder keeps its term however late it renews, as long as nobody else came between; a
 * new holder gets a higher one.
 */
export const lead: Verb<'lead'> = oneByOne(async (tx, { options }: Asked<'lead'>) => {
  const { now, node, instance, leaseMs } = options;
  const { leader: held, term } = await heldIn(tx, 'for update');
  const mine = held !== null && held.node === node && held.instance === instance;
  if (held !== null && !mine && held.until > now) {
    if (held.until <= now + leaseMs) return held;
    // The clock stepped back: a lease must not outlive its length, or a silent leader would be waited for that long.
    const cut = { ...held, until: now + leaseMs };
    await put(tx, cut);
    return cut;
  }
  const next: Leadership = { node, instance, term: mine ? term : term + 1, until: now + leaseMs };
  await put(tx, next);
  return next;
});

/** Ends one's own lead at once; the term is kept, so that the next one is higher. */
export const resign: Verb<'resign'> = oneByOne(async (tx, { options: { node, instance } }: Asked<'resign'>) => {
  await tx.run('update @leadership set node = null, instance = null where node = $1 and instance = $2', [
    node,
    instance,
  ]);
  return null;
});

/** Who leads, also when the lease has run out and nobody took it; null: nobody. */
export const leader: Verb<'leader'> = oneByOne(async (tx, _asked: Asked<'leader'>) => (await heldIn(tx, '')).leader);
