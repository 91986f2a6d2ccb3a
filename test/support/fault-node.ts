// A whole node as `src/app/start.ts` makes it, with fault points: see `fault-point.ts`.
import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { type Configuration, readConfiguration } from '../../src/app/configuration.ts';
import { lockDataFolder } from '../../src/app/data-lock.ts';
import { discoverIn } from '../../src/app/discovery.ts';
import { NatsLink } from '../../src/app/nats-link.ts';
import type { PersistenceThreadData } from '../../src/app/persistence-thread.ts';
import { readSettings } from '../../src/app/settings.ts';
import { startTree } from '../../src/app/tree-start.ts';
import { makeWorld, type PersistenceMaker } from '../../src/app/world.ts';
import type { AnyJobDefinition } from '../../src/job/definition.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { systemRandom as random, uuidSource } from '../../src/kernel/identity.ts';
import { createLogger } from '../../src/kernel/log.ts';
import { bridgePort } from '../../src/messaging/local/port-bridge.ts';
import { NatsBus } from '../../src/messaging/nats/nats-bus.ts';
import { Subjects } from '../../src/messaging/subjects.ts';
import { isHostReady, threadActor } from '../../src/supervisor/supervisor.ts';
import { withFaults } from './fault-bus.ts';
import { faultyHosts } from './fault-hosts.ts';
import { endsPersistence, passFaultPoint } from './fault-point.ts';
import { addStreamMakingFaults, withStreamFaults } from './fault-streams.ts';

/** Handlers with a point before and one after what they do. */
function faultyHandlers(configuration: Configuration): Configuration {
  const faulty = (definition: AnyJobDefinition): AnyJobDefinition => {
    const { run } = definition;
    if (run === undefined) return definition;
    const perform: typeof run = async (context) => {
      passFaultPoint('handler:before');
      const result = await run(context);
      passFaultPoint('handler:after');
      return result;
    };
    return { ...definition, run: perform };
  };
  const definitions = [...configuration.definitions].map(([type, definition]) => [type, faulty(definition)] as const);
  return { ...configuration, definitions: new Map(definitions) };
}

const faultyPersistence: PersistenceMaker = ({ settings, route }) => ({
  start: () => {
    const { port1, port2 } = new MessageChannel();
    const { store, node, prefix, leaseMs, beatMs, pollMs, logLevel } = settings;
    const workerData: PersistenceThreadData = {
      port: port2,
      store,
      node,
      prefix,
      leaseMs,
      beatMs,
      pollMs,
      logLevel,
    };
    bridgePort(port1, route);
    const url = new URL('./fault-persistence-thread.ts', import.meta.url);
    const onWorker = (worker: Worker): void => endsPersistence(() => void worker.terminate());
    return threadActor({ url, name: 'persistence', workerData, transferList: [port2], onWorker });
  },
  ready: isHostReady,
});

// For the threads and processes for jobs.
process.env.ROTA_TEST_NODE_PID = String(process.pid);
const settings = readSettings({ given: {}, env: process.env, config: {} });
const configFile = process.env.ROTA_CONFIG ?? '';
const config: unknown = (await import(pathToFileURL(configFile).href)).default;
const read = await readConfiguration(config, { now: clock.now(), discover: discoverIn(process.cwd()) });
await mkdir(settings.dataFolder, { recursive: true });
const lock = lockDataFolder(settings.dataFolder);
const { nats, route, credentials, inboxPrefix, node } = settings;
const subjects = new Subjects(settings.prefix);
const servers = nats.kind === 'servers' ? nats.servers : [];
const log = createLogger(settings.logLevel).child({ node });
const link = new NatsLink({
  nats: { servers, ...credentials, inboxPrefix, name: `rota ${node}` },
  ...{ route, subjects, clock, random, log },
});
const faultyLink = {
  connect: async () => {
    const bus = await link.connect();
    if (bus instanceof NatsBus) addStreamMakingFaults(bus.connection);
    return bus;
  },
  connection: link.connection,
  streams: withStreamFaults(link.streams),
};
const { dataFolder } = settings;
const world = makeWorld({
  ...{ settings, configuration: faultyHandlers(read), clock, random, subjects, link: faultyLink, log },
  jobHosts: faultyHosts({ configFile, configFolder: process.cwd(), dataFolder, parentPid: process.pid }, log),
  newId: uuidSource(clock),
  persistence: faultyPersistence,
  natsServer: undefined,
});
const rota = await startTree({ ...world, route: withFaults(world.route) }, { lock, ownsServices: true });
process.once('SIGTERM', async () => {
  await rota.stop();
  process.exit(0);
});
