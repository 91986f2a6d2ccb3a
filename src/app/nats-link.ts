import type { RemoteBus } from '../actors/connection/connection.ts';
import type { Clock } from '../kernel/clock.ts';
import { errorText, RotaError } from '../kernel/error.ts';
import type { Random } from '../kernel/identity.ts';
import type { Logger } from '../kernel/log.ts';
import type { DurableStreams } from '../messaging/durable-stream.ts';
import type { EventHistory } from '../messaging/event-history.ts';
import { connectNats } from '../messaging/nats/connect-nats.ts';
import type { NatsBus } from '../messaging/nats/nats-bus.ts';
import { openNatsStream } from '../messaging/nats/nats-durable-streams.ts';
import { natsEventHistory } from '../messaging/nats/nats-event-history.ts';
import type { NatsSettings } from '../messaging/nats/nats-settings.ts';
import type { Replicas } from '../messaging/nats/stream-making.ts';
import type { Subjects } from '../messaging/subjects.ts';
import { issuesText, namingNatsSettings } from './nats-setting-names.ts';

/** Where NATS is and for whom. */
export interface NatsLinkOptions {
  nats: NatsSettings;
  route: 'local' | 'broker';
  subjects: Subjects;
  clock: Clock;
  random: Random;
  log: Logger;
  /** On how many servers of a cluster streams are kept, where they are made by us. Default `auto`. */
  replicas?: Replicas;
}

/** How long one connect is tried before the connection actor hears of it, in milliseconds. */
const CONNECT_MS = 5_000;
/** Refusals of the server that are logged, each once: one that repeats with every message says nothing new. */
const TOLD_MAX = 100;

/** Makes the node's NATS connections and knows the present one, for the services that use NATS themselves. */
export class NatsLink {
  readonly #options: NatsLinkOptions;
  #bus: NatsBus | undefined;
  readonly #told = new Set<string>();
  /**
   * The present connection, whichever it is at the time of use, so that services made once outlive a connection.
   * Using it while there is none throws a RotaError `unavailable`.
   */
  readonly connection: object;
  /** Streams over the present connection; one that is open ends with its connection. */
  readonly streams: DurableStreams = {
    openStream: async (options) => {
      const { clock, nats, replicas = 'auto' } = this.#options;
      return openNatsStream(this.#presentBus(), { ...options, clock, inboxPrefix: nats.inboxPrefix, replicas });
    },
  };
  /** The history of events over the present connection. */
  readonly history: EventHistory = {
    keep: async (options) => this.#presentHistory().keep(options),
    isKept: async (stream) => this.#presentHistory().isKept(stream),
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

  /**
   * Connects once.
   * @throws RotaError `connection` in an outage, `invalid_config` for what nobody but a person can mend: credentials that
   * cannot be used or that the server refuses. Once we have been let in, a refusal is an outage: it may be mended there.
   */
  async connect(): Promise<RemoteBus> {
    const { nats, route, subjects, clock, random } = this.#options;
    try {
      const bus = await connectNats({
        ...nats,
        subjects,
        clock,
        random,
        noEcho: route === 'local',
        timeoutMs: CONNECT_MS,
        onError: (error) => this.#refused(error),
      });
      this.#bus = bus;
      return bus;
    } catch (error) {
      if (!(error instanceof RotaError) || error.issues.length === 0) throw error;
      const named = namingNatsSettings(error);
      // With its issues in one sentence, for the log of the tree shows no more than that.
      const text = `${named.message}: ${issuesText(named)}`;
      const fatal = this.#bus === undefined || named.code === 'invalid_config';
      const code = fatal ? 'invalid_config' : named.code;
      throw new RotaError(code, text, { issues: named.issues, cause: error });
    }
  }

  #presentHistory(): EventHistory {
    return natsEventHistory(this.#presentBus(), this.#options.replicas ?? 'auto');
  }

  #presentBus(): NatsBus {
    const bus = this.#bus;
    if (bus?.state !== 'up') throw new RotaError('unavailable', 'there is no NATS connection at the moment');
    return bus;
  }

  #refused(error: unknown): void {
    const text = errorText(error);
    if (this.#told.has(text) || this.#told.size >= TOLD_MAX) return;
    this.#told.add(text);
    this.#options.log.error({ error: text }, 'the NATS server refuses something of ours; it is told once');
  }
}
