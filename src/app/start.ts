import { mkdir } from 'node:fs/promises';
import { eventTeller } from '../actors/event-teller.ts';
import { prepareNatsServer } from '../actors/nats-server/prepare.ts';
import { RotaClient } from '../client/rota-client.ts';
import type { Services } from '../job/definition.ts';
import { systemClock } from '../kernel/clock.ts';
import { errorText, RotaError } from '../kernel/error.ts';
import { systemRandom, uuidSource } from '../kernel/identity.ts';
import { createLogger, type Logger } from '../kernel/log.ts';
import { LocalRoute } from '../messaging/local/local-route.ts';
import { Subjects } from '../messaging/subjects.ts';
import { type Report, type Supervisor, startSupervisor } from '../supervisor/supervisor.ts';
import { type Configuration, readConfiguration, type SchedulerConfig } from './configuration.ts';
import { type DataLock, lockDataFolder } from './data-lock.ts';
import { discoverIn } from './discovery.ts';
import { NatsLink } from './nats-link.ts';
import { Rota } from './rota.ts';
import { type RawSettings, readSettings, type Settings } from './settings.ts';
import { treeOf } from './tree.ts';
import { packageVersion } from './version.ts';
import type { World } from './world.ts';

/** What may be given to {@link start}: settings by their names, and what a test or a host program brings itself. */
export interface StartOptions extends RawSettings {
  /** Instead of the config's `services`; not closed by us. */
  services?: Services;
  /** Instead of the standard logger. */
  logger?: Logger;
  /** Where path patterns in `jobs` begin; default the working folder. */
  configFolder?: string;
}

/** Names that are tried when a living node has the one wanted. */
const NODE_NAMES_MAX = 20;

/**
 * Starts a node: its tree, and with it whatever its roles and its config name. Resolves when all of it is ready.
 * @throws RotaError `invalid_config` with every mistake and its place, or why a part could not be started
 */
export async function start(config: SchedulerConfig, options: StartOptions = {}): Promise<Rota> {
  const { services, logger, configFolder = process.cwd(), ...given } = options;
  const configuration = await readConfiguration(config, { now: systemClock.now(), discover: discoverIn(configFolder) });
  const settings = readSettings({ given, env: process.env, config: configuration.settings });
  await mkdir(settings.dataFolder, { recursive: true });
  const owned = settings.roles.has('store') || settings.nats.kind === 'embedded';
  const lock = owned ? lockDataFolder(settings.dataFolder) : undefined;
  try {
    return await startNamed({ settings, configuration, services, logger, lock });
  } catch (error) {
    lock?.release();
    throw error;
  }
}

interface Checked {
  settings: Settings;
  configuration: Configuration;
  services: Services | undefined;
  logger: Logger | undefined;
  lock: DataLock | undefined;
}

/** A name that a living node has is made unique by a number. */
async function startNamed(checked: Checked): Promise<Rota> {
  const wanted = checked.settings.node;
  for (let number = 1; ; number += 1) {
    const node = number === 1 ? wanted : `${wanted}-${number}`;
    try {
      return await startTree({ ...checked, settings: Object.freeze({ ...checked.settings, node }) });
    } catch (error) {
      if (number >= NODE_NAMES_MAX || !isNameTaken(error)) throw error;
    }
  }
}

async function startTree(checked: Checked): Promise<Rota> {
  const world = await worldOf(checked);
  let root: Supervisor | undefined;
  const withRoot: World = { ...world, root: () => root };
  world.log.debug({ settings: { ...checked.settings, credentials: undefined } }, 'starting');
  try {
    root = await startSupervisor(treeOf(withRoot), { clock: world.clock, onReport: (report) => told(world, report) });
  } catch (error) {
    throw startError(error);
  }
  const rota = new Rota({ world: withRoot, root, lock: checked.lock, ownsServices: checked.services === undefined });
  rota.announce();
  return rota;
}

async function worldOf({ settings, configuration, services, logger }: Checked): Promise<World> {
  const clock = systemClock;
  const random = systemRandom;
  const newId = uuidSource(clock);
  const log = (logger ?? createLogger(settings.logLevel)).child({ node: settings.node });
  const subjects = new Subjects(settings.prefix);
  const { nats, dataFolder, route: routeName, credentials, inboxPrefix, node } = settings;
  const natsServer =
    nats.kind === 'embedded' ? await prepareNatsServer({ ...nats, dataFolder, clock, log }) : undefined;
  const servers = natsServer ? [natsServer.url] : nats.kind === 'servers' ? nats.servers : [];
  const onError = (error: unknown): void => log.error({ error: errorText(error) }, 'a listener of the bus failed');
  const route = new LocalRoute({ route: routeName, clock, subjects, onError });
  const link = new NatsLink({
    nats: { servers, ...credentials, inboxPrefix, name: `rota ${node}` },
    ...{ route: routeName, subjects, clock, random },
  });
  const close = async (): Promise<void> => {};
  const client = new RotaClient({
    bus: route,
    subjects,
    clock,
    newId,
    codec: 'msgpack',
    deadlineMs: CLIENT_DEADLINE_MS,
    close,
  });
  return {
    ...{ settings, configuration, clock, random, newId, log, subjects, route, link, client, natsServer },
    tell: eventTeller({ bus: route, subjects, clock, newId, node }),
    instance: newId(),
    startedAt: clock.now(),
    version: packageVersion(),
    services: once(
      async () => services ?? (await configuration.services?.({ dataFolder, nats: link.connection })) ?? {},
    ),
    root: () => undefined,
  };
}

/** For how long the node's own client tries again when nobody answers, in milliseconds. */
const CLIENT_DEADLINE_MS = 30_000;

/** Makes a value at the first call and keeps it; a failure is not kept. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make().catch((error: unknown) => {
      made = undefined;
      throw error;
    });
    return made;
  };
}

/** What the tree tells goes to the log and out as events. */
function told({ log, tell, settings }: World, { type, supervisor, id, incarnation, reason, leaked }: Report): void {
  const because = reason === undefined ? {} : { reason: errorText(reason) };
  const data = { supervisor, id, incarnation, ...because, ...(leaked ? { leaked } : {}) };
  const quiet = type === 'child-started' || (type === 'child-exited' && (reason === 'shutdown' || reason === 'normal'));
  if (quiet) log.debug(data, type);
  else log.warn(data, type);
  tell({ kind: 'supervisor', name: settings.node, what: type, about: `${supervisor}/${id}`, data });
}

/** The innermost cause of a failed start: what a person can do something about. */
function startError(error: unknown): unknown {
  let cause = error;
  while (cause instanceof Error && !(cause instanceof RotaError) && cause.cause !== undefined) cause = cause.cause;
  return cause instanceof RotaError ? cause : error;
}

function isNameTaken(error: unknown): boolean {
  return error instanceof RotaError && error.code === 'conflict';
}
