import type { EventTeller } from '../actors/event-teller.ts';
import type { PreparedServer } from '../actors/nats-server/prepare.ts';
import type { RotaClient } from '../client/rota-client.ts';
import type { Services } from '../job/definition.ts';
import type { Clock } from '../kernel/clock.ts';
import type { IdSource, Random } from '../kernel/identity.ts';
import type { Logger } from '../kernel/log.ts';
import type { LocalRoute } from '../messaging/local/local-route.ts';
import type { Subjects } from '../messaging/subjects.ts';
import type { Supervisor } from '../supervisor/supervisor.ts';
import type { Configuration } from './configuration.ts';
import type { NatsLink } from './nats-link.ts';
import type { Settings } from './settings.ts';

/** Everything that the parts of one node share. */
export interface World {
  settings: Settings;
  configuration: Configuration;
  clock: Clock;
  random: Random;
  newId: IdSource;
  log: Logger;
  subjects: Subjects;
  route: LocalRoute;
  link: NatsLink;
  client: RotaClient;
  tell: EventTeller;
  /** A new one for each start of the program. */
  instance: string;
  /** Milliseconds since the epoch. */
  startedAt: number;
  version: string;
  /** The embedded server, where there is one. */
  natsServer: PreparedServer | undefined;
  /** The config's services; made at the first call. */
  services(): Promise<Services>;
  /** The root of the tree, once it stands. */
  root(): Supervisor | undefined;
}
