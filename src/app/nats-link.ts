import type { RemoteBus } from '../actors/connection/connection.ts';
import type { Clock } from '../kernel/clock.ts';
import { RotaError } from '../kernel/error.ts';
import type { Random } from '../kernel/identity.ts';
import type { DurableStreams } from '../messaging/durable-stream.ts';
import { connectNats } from '../messaging/nats/connect-nats.ts';
import type { NatsBus } from '../messaging/nats/nats-bus.ts';
import { openNatsStream } from '../messaging/nats/nats-durable-streams.ts';
import type { NatsSettings } from '../messaging/nats/nats-settings.ts';
import type { Subjects } from '../messaging/subjects.ts';

/** Where NATS is and for whom. */
export interface NatsLinkOptions {
  nats: NatsSettings;
  route: 'local' | 'broker';
  subjects: Subjects;
  clock: Clock;
  random: Random;
}

/** How long one connect is tried before the connection actor hears of it, in milliseconds. */
const CONNECT_MS = 5_000;

/** Makes the node's NATS connections and knows the present one, for the services that use NATS themselves. */
export class NatsLink {
  readonly #options: NatsLinkOptions;
  #bus: NatsBus | undefined;
  /**
   * The present connection, whichever it is at the time of use, so that services made once outlive a connection.
   * Using it while there is none throws a RotaError `unavailable`.
   */
  readonly connection: object;
  /** Streams over the present connection; one that is open ends with its connection. */
  readonly streams: DurableStreams = {
    openStream: async (options) => {
      const bus = this.#bus;
      if (bus?.state !== 'up') throw new RotaError('unavailable', 'there is no NATS connection at the moment');
      const { clock, nats } = this.#options;
      return openNatsStream(bus, { ...options, clock, inboxPrefix: nats.inboxPrefix });
    },
  };

  constructor(options: NatsLinkOptions) {
    this.#options = options;
    this.connection = new Proxy(
      {},
      {
        get: (_target, key) => {
          // A promise is recognised by its `then`; this is none, and being asked is no use of the connection.
          if (key === 'then') return undefined;
          const connection = this.#bus?.connection;
          if (connection === undefined) throw new RotaError('unavailable', 'there is no NATS connection at the moment');
          const value: unknown = Reflect.get(connection, key);
          return typeof value === 'function' ? value.bind(connection) : value;
        },
      },
    );
  }

  /** Version of the server that we are or were last connected to; undefined before the first. */
  get serverVersion(): string | undefined {
    return this.#bus?.serverVersion;
  }

  /** Connects once. @throws RotaError `connection`, `invalid_config` */
  async connect(): Promise<RemoteBus> {
    const { nats, route, subjects, clock, random } = this.#options;
    const bus = await connectNats({
      ...nats,
      subjects,
      clock,
      random,
      noEcho: route === 'local',
      timeoutMs: CONNECT_MS,
    });
    this.#bus = bus;
    return bus;
  }
}
