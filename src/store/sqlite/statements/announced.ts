import type { StoreWorld, Verb } from '../verb.ts';

/** Terminal facts that are not known to be out, oldest first. */
export function unannounced(world: StoreWorld): Verb<'unannounced'> {
  return ({ after, limit }) => world.outbox.after(after, limit);
}

/** Forgets outbox entries: they are out. */
export function announced(world: StoreWorld): Verb<'announced'> {
  return ({ places }) => {
    for (const { from, to } of places) world.outbox.forget(from, to);
    return null;
  };
}
