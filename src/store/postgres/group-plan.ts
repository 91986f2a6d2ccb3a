import type { StoreRequest, StoreVerb } from '../job-store.ts';

/** Requests of one verb that are run together, by their places in the group. */
export interface Batch {
  verb: StoreVerb;
  places: number[];
}

/**
 * The verbs that a later request of a verb may be moved over, to join an earlier one of its own. All requests of a group
 * are under way at once, so any order would do for who asked; only what one request of the group needs of one before it
 * must hold: a claim sees what was inserted, a reader what was written.
 */
const MOVES_OVER: Partial<Record<StoreVerb, ReadonlySet<StoreVerb>>> = {
  insert: new Set(['settle', 'touch', 'beat', 'progress']),
  settle: new Set(['insert', 'touch', 'claim']),
  touch: new Set(['insert', 'settle', 'claim', 'beat', 'progress']),
  beat: new Set(['insert', 'touch']),
  progress: new Set(['insert', 'touch']),
  claim: new Set(['touch', 'progress']),
  get: new Set(['touch', 'states']),
  states: new Set(['touch', 'get']),
};

const NOWHERE: ReadonlySet<StoreVerb> = new Set();

/**
 * Puts a group's requests into batches of one verb, so that a hundred inserts that came together are one statement. Order
 * stays but for what moves ahead harmlessly.
 */
export function planOf(requests: readonly StoreRequest[]): Batch[] {
  const batches: Batch[] = [];
  for (const [place, { verb }] of requests.entries()) {
    const over = MOVES_OVER[verb] ?? NOWHERE;
    let at = batches.length - 1;
    while (at >= 0 && batches[at]?.verb !== verb && over.has(batches[at]?.verb ?? verb)) at -= 1;
    const batch = batches[at];
    if (batch?.verb === verb) batch.places.push(place);
    else batches.push({ verb, places: [place] });
  }
  return batches;
}
