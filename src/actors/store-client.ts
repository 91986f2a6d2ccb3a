import type { Bus } from '../messaging/bus.ts';
import { ask } from '../messaging/reply.ts';
import type { Subjects } from '../messaging/subjects.ts';
import type { StoreAnswer, StoreOptions, StoreVerb } from '../store/job-store.ts';

/** How long an actor waits for the store before it counts as away. */
export const STORE_TIMEOUT_MS = 15_000;

/** Asks the persistence actor, wherever it is. */
export interface StoreClient {
  /** @throws RotaError `unavailable`, `timeout`, `overloaded`, or what the verb refuses with */
  ask<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>>;
}

/** A client of the store over the bus. */
export function storeClient(bus: Bus, subjects: Subjects, timeoutMs: number = STORE_TIMEOUT_MS): StoreClient {
  return {
    async ask<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>> {
      const reply = await ask(bus, subjects.store(verb), { value: options, timeoutMs });
      // The persistence actor is ours and answers each verb in its own shape.
      return (reply as { answer: StoreAnswer<V> }).answer;
    },
  };
}
