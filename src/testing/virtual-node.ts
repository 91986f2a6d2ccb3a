import { tmpdir } from 'node:os';
import { type Configuration, readConfiguration, type SchedulerConfig } from '../app/configuration.ts';
import { discoverIn } from '../app/discovery.ts';
import type { Rota } from '../app/rota.ts';
import { readSettings } from '../app/settings.ts';
import { startTree } from '../app/tree-start.ts';
import { makeWorld, type World } from '../app/world.ts';
import type { AnyJobDefinition, Services } from '../job/definition.ts';
import type { Clock } from '../kernel/clock.ts';
import { type Random, uuidSource } from '../kernel/identity.ts';
import type { Logger } from '../kernel/log.ts';
import { Subjects } from '../messaging/subjects.ts';
import type { JobStore } from '../store/job-store.ts';
import { brokerLink, type Endpoints } from './broker-link.ts';
import { inlinePersistence } from './inline-persistence.ts';

/** The world of a node without machine: time, chance, broker and store are given. */
export interface VirtualNodeOptions {
  clock: Clock;
  random: Random;
  /** Where endpoints are made: a broker in memory, or what stands before one. */
  broker: Endpoints;
  /** Called at each start of persistence, which closes the store when it stops. */
  openStore: () => JobStore;
  log: Logger;
  /** Instead of the config's; not closed at the stop. */
  services?: Services | undefined;
  /** As `start` takes them; they beat the config's. Clock, NATS and store are not asked of them. */
  settings?: Readonly<Record<string, unknown>>;
  /** Where path patterns in `jobs` begin; default the working folder. */
  configFolder?: string | undefined;
  /** What to make of each job type, for watching its handlers. */
  definition?: (definition: AnyJobDefinition) => AnyJobDefinition;
}

/** A node that stands. */
export interface VirtualNode {
  rota: Rota;
  world: World;
}

/**
 * Starts a whole node in this thread: the tree, actors and rules of a real one, on a given clock, broker and store, so
 * that it replays from its seed. The promise may need the clock to move on.
 * @throws RotaError `invalid_config` with every mistake and its place
 */
export async function startVirtualNode(config: SchedulerConfig, options: VirtualNodeOptions): Promise<VirtualNode> {
  const { clock, random, broker, openStore, services, configFolder = process.cwd(), definition } = options;
  const read = await readConfiguration(config, { now: clock.now(), discover: discoverIn(configFolder) });
  const given = { data: tmpdir(), node: 'test', ...options.settings, nats: 'nats://memory', store: 'sqlite::memory:' };
  const settings = readSettings({ given, env: {}, config: read.settings });
  const subjects = new Subjects(settings.prefix);
  const { node: name, route } = settings;
  const world = makeWorld(
    {
      ...{ settings, clock, random, subjects },
      configuration: definition === undefined ? read : withDefinitions(read, definition),
      newId: uuidSource(clock, random),
      log: options.log.child({ node: name }),
      link: brokerLink(broker, { name, subjects, noEcho: route === 'local' }),
      persistence: inlinePersistence(openStore),
      natsServer: undefined,
    },
    services,
  );
  const rota = await startTree(world, { lock: undefined, ownsServices: services === undefined });
  return { rota, world };
}

function withDefinitions(
  configuration: Configuration,
  make: (definition: AnyJobDefinition) => AnyJobDefinition,
): Configuration {
  const entries = [...configuration.definitions].map(([type, definition]) => [type, make(definition)] as const);
  return { ...configuration, definitions: new Map(entries) };
}
