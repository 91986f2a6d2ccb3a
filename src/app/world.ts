import type { RemoteBus } from '../actors/connection/connection.ts';
import type { EventTeller } from '../actors/event-teller.ts';
import type { PreparedServer } from '../actors/nats-server/prepare.ts';
import { RotaClient } from '../client/rota-client.ts';
import type { Services } from '../job/definition.ts';
import { type Clock, type FollowingClock, followingClock } from '../kernel/clock.ts';
import { errorText } from '../kernel/error.ts';
import type { IdSource, Random } from '../kernel/identity.ts';
import type { Logger } from '../kernel/log.ts';
import type { DurableStreams } from '../messaging/durable-stream.ts';
import type { EventHistory } from '../messaging/event-history.ts';
import { LocalRoute } from '../messaging/local/local-route.ts';
import type { Subjects } from '../messaging/subjects.ts';
import type { ChildSpec, Supervisor } from '../supervisor/supervisor.ts';
import type { Configuration } from './configuration.ts';
import type { JobHosts } from './job-hosts.ts';
import { lastingTeller } from './lasting-teller.ts';
import type { Settings } from './settings.ts';
import { packageVersion } from './version.ts';

/** The way to other processes. */
export interface Link {
  /** Connects once. @throws RotaError `connection`, `invalid_config` */
  connect(): Promise<RemoteBus>;
  /** What services are given as `nats`. */
  readonly connection: object;
  /** Streams of the broker, where it can have some: without them there is no durable intake. */
  readonly streams?: DurableStreams;
  /** The broker's history of events, where it can have one. */
  readonly history?: EventHistory;
}

/** Where the store lives: how its actor is made and when it is ready. */
export type PersistenceMaker = (world: World) => Pick<ChildSpec, 'start' | 'ready'>;

/** What a node is given: in a fleet the machine's clock, NATS and a thread; in a test virtual time, memory and none. */
export interface WorldParts {
  settings: Settings;
  configuration: Configuration;
  clock: Clock;
  random: Random;
  newId: IdSource;
  log: Logger;
  subjects: Subjects;
  link: Link;
  persistence: PersistenceMaker;
  /** The embedded server, where there is one. */
  natsServer: PreparedServer | undefined;
  /** Threads and processes for jobs; left out, all handlers run in this thread. */
  jobHosts?: JobHosts | undefined;
}

/** Everything that the parts of one node share. */
export interface World extends WorldParts {
  /** The given clock, set by the store's time. */
  clock: FollowingClock;
  route: LocalRoute;
  client: RotaClient;
  tell: EventTeller;
  /** A new one for each start of the program. */
  instance: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  version: string;
  /** The config's services; made at the first call. */
  services(): Promise<Services>;
  /** The same where somebody has asked for them; undefined: nobody has. */
  madeServices(): Promise<Services> | undefined;
  /** The root of the tree, once it stands. */
  root(): Supervisor | undefined;
}

/** For how long the node's own client tries again when nobody answers, in milliseconds. */
const CLIENT_DEADLINE_MS = 30_000;

/**
 * Makes a node's world; nothing in it runs yet.
 * @param given services to take instead of the config's
 */
export function makeWorld(parts: WorldParts, given?: Services): World {
  const { settings, configuration, newId, log, subjects, link } = parts;
  const clock = followingClock(parts.clock);
  const { node, dataFolder } = settings;
  const onError = (error: unknown): void => log.error({ error: errorText(error) }, 'a listener of the bus failed');
  const route = new LocalRoute({ route: settings.route, clock, subjects, onError });
  const client = new RotaClient({
    ...{ bus: route, subjects, clock, newId },
    codec: 'msgpack',
    deadlineMs: CLIENT_DEADLINE_MS,
    close: async () => {},
  });
  const make = async (): Promise<Services> =>
    given ?? (await configuration.services?.({ dataFolder, nats: link.connection })) ?? {};
  const services = once(make);
  return {
    ...parts,
    clock,
    route,
    client,
    tell: lastingTeller({
      bus: route,
      subjects,
      clock,
      newId,
      node,
      eventsKept: settings.eventHistoryMs !== undefined,
    }),
    instance: newId(),
    startedAt: clock.now(),
    version: packageVersion(),
    services: services.get,
    madeServices: services.made,
    root: () => undefined,
  };
}

/** Makes a value at the first `get` and keeps it; a failure is not kept. */
function once<T>(make: () => Promise<T>): { get(): Promise<T>; made(): Promise<T> | undefined } {
  let made: Promise<T> | undefined;
  const get = (): Promise<T> => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
  return { get, made: () => made };
}
