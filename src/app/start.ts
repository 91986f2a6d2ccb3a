import { mkdir } from 'node:fs/promises';
import { prepareNatsServer } from '../actors/nats-server/prepare.ts';
import type { Services } from '../job/definition.ts';
import { isRecord } from '../kernel/check.ts';
import { systemClock } from '../kernel/clock.ts';
import { errorText, type Issue, RotaError } from '../kernel/error.ts';
import { systemRandom, uuidSource } from '../kernel/identity.ts';
import { createLogger, type Logger } from '../kernel/log.ts';
import { Subjects } from '../messaging/subjects.ts';
import { type Configuration, invalidConfig, readConfiguration, type SchedulerConfig } from './configuration.ts';
import { type DataLock, lockDataFolder } from './data-lock.ts';
import { discoverIn } from './discovery.ts';
import { type ConfigPlace, configFolderOf, type IsolationOptions, jobHosts } from './job-hosts.ts';
import { mentionLeftHistory } from './left-history.ts';
import { NatsLink } from './nats-link.ts';
import type { Rota } from './rota.ts';
import { type RawSettings, readSettings, type Settings } from './settings.ts';
import { mentionUnnamedQueues, threadPersistence } from './tree-parts.ts';
import { startTree } from './tree-start.ts';
import { makeWorld, type WorldParts } from './world.ts';

/** What may be given to {@link start}: settings by their names, and what a test or a host program brings itself. */
export interface StartOptions extends RawSettings {
  /** Instead of the config's `services`, but not in threads and processes for jobs; not closed by us. */
  services?: Services;
  /** Instead of the standard logger. */
  logger?: Logger;
  /**
   * The module whose default export is the config. Needed for types with isolation `thread` or `process`: their threads
   * and processes import it. It must not start anything itself.
   */
  configFile?: string;
  /** Where path patterns in `jobs` begin; default the folder of `configFile`, else the working folder. */
  configFolder?: string;
  /** How many threads and processes run isolated jobs, and how much heap each may have. */
  isolation?: IsolationOptions;
}

/** Names that are tried when a living node has the one wanted. */
const NODE_NAMES_MAX = 20;

/**
 * Starts a node: its tree, and with it whatever its roles and its config name. Resolves when all of it is ready.
 * @throws RotaError `invalid_config` with every mistake and its place, or why a part could not be started
 */
export async function start(config: SchedulerConfig, options: StartOptions = {}): Promise<Rota> {
  const { services, logger, configFile, configFolder = configFolderOf(configFile), isolation, ...given } = options;
  const { configuration, settings } = await readAll(config, configFolder, given);
  const place = { configFile, configFolder };
  await makeDataFolder(settings.dataFolder);
  const ownsFile = settings.roles.has('store') && settings.store.kind === 'sqlite';
  const owned = ownsFile || settings.nats.kind === 'embedded';
  const lock = owned ? lockDataFolder(settings.dataFolder) : undefined;
  try {
    return await startNamed({ settings, configuration, services, logger, lock, isolation, place });
  } catch (error) {
    lock?.release();
    throw error;
  }
}

async function makeDataFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw invalidConfig([{ path: 'settings.data', message: `is no folder that can be used: ${errorText(error)}` }]);
  }
}

/** Reads config and settings, so that the mistakes of both are told at once. */
async function readAll(
  config: SchedulerConfig,
  configFolder: string,
  given: RawSettings,
): Promise<{ configuration: Configuration; settings: Settings }> {
  const issues: Issue[] = [];
  const collect = (error: unknown): undefined => {
    if (!(error instanceof RotaError) || error.code !== 'invalid_config') throw error;
    issues.push(...error.issues);
  };
  const world = { now: systemClock.now(), discover: discoverIn(configFolder) };
  const configuration = await readConfiguration(config, world).catch(collect);
  const named: unknown = isRecord(config) ? config.settings : undefined;
  let settings: Settings | undefined;
  try {
    settings = readSettings({ given, env: process.env, config: isRecord(named) ? named : {} });
  } catch (error) {
    collect(error);
  }
  if (configuration === undefined || settings === undefined) throw invalidConfig(issues);
  return { configuration, settings };
}

interface Checked {
  settings: Settings;
  configuration: Configuration;
  services: Services | undefined;
  logger: Logger | undefined;
  lock: DataLock | undefined;
  isolation: IsolationOptions | undefined;
  place: ConfigPlace;
}

/** A name that a living node has is made unique by a number. */
async function startNamed(checked: Checked): Promise<Rota> {
  const wanted = checked.settings.node;
  for (let number = 1; ; number += 1) {
    const node = number === 1 ? wanted : `${wanted}-${number}`;
    try {
      return await startHere({ ...checked, settings: Object.freeze({ ...checked.settings, node }) });
    } catch (error) {
      if (number >= NODE_NAMES_MAX || !isNameTaken(error)) throw error;
    }
  }
}

async function startHere(checked: Checked): Promise<Rota> {
  const { services, lock } = checked;
  const world = makeWorld(await partsOf(checked), services);
  const rota = await startTree(world, { lock, ownsServices: services === undefined });
  mentionLeftHistory(world);
  mentionUnnamedQueues(world);
  return rota;
}

/** What a node of a fleet is made of: the machine's clock and randomness, NATS, a thread for the store. */
async function partsOf({ settings, configuration, logger, isolation, place }: Checked): Promise<WorldParts> {
  const clock = systemClock;
  const random = systemRandom;
  const log = (logger ?? createLogger(settings.logLevel)).child({ node: settings.node });
  const pools = jobHosts({ configuration, settings, place, options: isolation, clock, log });
  const subjects = new Subjects(settings.prefix);
  const { nats, dataFolder, route, credentials, inboxPrefix, node } = settings;
  const natsServer =
    nats.kind === 'embedded' ? await prepareNatsServer({ ...nats, dataFolder, clock, log }) : undefined;
  const servers = natsServer ? [natsServer.url] : nats.kind === 'servers' ? nats.servers : [];
  const link = new NatsLink({
    nats: { servers, ...credentials, inboxPrefix, name: `rota ${node}` },
    ...{ route, subjects, clock, random, log, replicas: settings.natsReplicas },
  });
  const persistence = threadPersistence;
  return {
    ...{ settings, configuration, clock, random, log, subjects, link, natsServer, persistence },
    newId: uuidSource(clock),
    jobHosts: pools,
  };
}

function isNameTaken(error: unknown): boolean {
  return error instanceof RotaError && error.code === 'conflict';
}
