import { Persistence } from '../actors/persistence/persistence.ts';
import { isServiceReady, serviceActor } from '../actors/service.ts';
import type { PersistenceMaker } from '../app/world.ts';
import type { JobStore } from '../store/job-store.ts';

/**
 * Persistence in the node's own thread, on the node's clock and bus: the same actor that a node otherwise runs in a
 * thread of its own.
 * @param openStore called at each start of the actor, which closes the store when it stops
 */
export function inlinePersistence(openStore: () => JobStore): PersistenceMaker {
  return ({ route: bus, subjects, clock, settings, log }) => ({
    start: () =>
      serviceActor('persistence', async () => {
        const { node, leaseMs, beatMs, pollMs, eventHistoryMs } = settings;
        const part = log.child({ part: 'persistence' });
        const persistence = new Persistence({
          ...{ store: openStore(), bus, subjects, clock, node, leaseMs, beatMs, pollMs },
          eventsKept: eventHistoryMs !== undefined,
          log: part,
        });
        await persistence.start();
        return persistence;
      }),
    ready: isServiceReady,
  });
}
