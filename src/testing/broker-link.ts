import type { Link } from '../app/world.ts';
import { RotaError } from '../kernel/error.ts';
import type { Bus } from '../messaging/bus.ts';
import type { MemoryConnectOptions } from '../messaging/memory/memory-broker.ts';
import type { Subjects } from '../messaging/subjects.ts';

/** What makes endpoints of a broker in memory. */
export interface Endpoints {
  connect(options: MemoryConnectOptions): Bus;
}

/** The way of a node to others over a broker in memory. Services that want a NATS connection are told that there is none. */
export function brokerLink(broker: Endpoints, options: { name: string; subjects: Subjects; noEcho: boolean }): Link {
  return {
    connect: async () => {
      // An endpoint in memory mends itself: only we close it.
      const closed = new Promise<never>(() => {});
      return Object.assign(broker.connect(options), { closed });
    },
    connection: new Proxy(
      {},
      {
        get: (_target, key) => {
          // A promise is recognised by its `then`; this is none, and being asked is no use of the connection.
          if (key === 'then') return undefined;
          throw new RotaError('unavailable', 'there is no NATS in a test: give testRota services of its own');
        },
      },
    ),
  };
}
