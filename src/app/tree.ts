import { startConnection } from '../actors/connection/connection.ts';
import { startDurableIntake } from '../actors/durable-intake/durable-intake.ts';
import { StoreRequests } from '../actors/durable-intake/store-requests.ts';
import { startEventHistory } from '../actors/event-history/event-history.ts';
import { Executor, STOP_MARGIN_MS } from '../actors/executor/executor.ts';
import { startIntake } from '../actors/intake/intake.ts';
import { startJanitor } from '../actors/janitor/janitor.ts';
import { natsServerSpec } from '../actors/nats-server/spec.ts';
import { startNode } from '../actors/node/node.ts';
import { Queue } from '../actors/queue/queue.ts';
import { Scheduler } from '../actors/scheduler/scheduler.ts';
import { isServiceReady, type ServiceStart, serviceActor } from '../actors/service.ts';
import { startSteward } from '../actors/steward/steward.ts';
import { storeClient } from '../actors/store-client.ts';
import type { DurableStreams } from '../messaging/durable-stream.ts';
import { type ChildSpec, type SupervisorOptions, supervisor } from '../supervisor/supervisor.ts';
import { INLINE_HOSTS, JOB_HOSTS_SHUTDOWN_MS, type JobHosts } from './job-hosts.ts';
import { scheduleSet } from './schedule-set.ts';
import { nodeRecord, queueKeeper, queueLimits, runnableTypes, supervisorId } from './tree-parts.ts';
import type { World } from './world.ts';

/** How long a part may take to be ready, in milliseconds: then its start has failed. */
const START_TIMEOUT_MS = 30_000;
/** How long persistence may take to write and tell what it has, in milliseconds. */
const PERSISTENCE_SHUTDOWN_MS = 10_000;

/**
 * The whole tree of a node, on one page. The order governs start (down) and stop (up): each part serves what the parts
 * below it ask for. They find each other by subject, so a part that restarts alone (one_for_one) is an outage of a
 * moment to the others and no reason to restart them.
 */
export function treeOf(world: World): SupervisorOptions {
  const { settings, natsServer, log } = world;
  const { roles } = settings;
  return {
    name: 'rota',
    strategy: 'one_for_one',
    // A dying broker is restarted with a backoff of up to 5 s: a real fault gives up in half a minute, a burst does not.
    intensity: 5,
    periodSeconds: 30,
    children: [
      ...(natsServer ? [natsServerSpec(natsServer, { log: log.child({ part: 'nats-server' }) })] : []),
      connection(world),
      ...eventHistory(world),
      ...(roles.has('store') ? [persistence(world)] : []),
      node(world),
      ...(roles.has('intake') ? [intake(world), ...durableIntake(world), ...sqlIntake(world)] : []),
      ...(world.jobHosts ? [hosts(world.jobHosts)] : []),
      ...(roles.has('queues') ? [queues(world)] : []),
      ...(roles.has('scheduler') ? [scheduling(world)] : []),
    ],
  };
}

function connection({ link, route, clock, log }: World): ChildSpec {
  return service('connection', (scope) => startConnection({ connect: () => link.connect(), route, clock, log }, scope));
}

/** Only where events shall be kept, and the bus is a broker's that can. */
function eventHistory({ route: bus, subjects, clock, settings, link, log }: World): ChildSpec[] {
  const { eventHistoryMs: keepMs } = settings;
  const { history } = link;
  if (history === undefined || keepMs === undefined) return [];
  return [service('event-history', () => startEventHistory({ bus, history, subjects, clock, keepMs, log }))];
}

function persistence(world: World): ChildSpec {
  return {
    id: 'persistence',
    ...world.persistence(world),
    startTimeoutMs: START_TIMEOUT_MS,
    shutdown: PERSISTENCE_SHUTDOWN_MS,
    // A store that is busy or on a full disk is tried again with growing waits before the root gives up.
    backoff: { minMs: 100, maxMs: 5_000, jitter: 0.2 },
  };
}

function node(world: World): ChildSpec {
  const { route: bus, subjects, clock, settings, log, root } = world;
  const { beatMs, leaseMs: livingMs } = settings;
  const tree = (): unknown => ({ node: settings.node, ...root()?.tree() });
  const { startTimeoutMs, ...spec } = service('node', ({ signal }) =>
    startNode({ bus, subjects, clock, beatMs, livingMs, record: nodeRecord(world), tree, log }, signal),
  );
  // A node whose store is elsewhere may be started first: it waits.
  return settings.roles.has('store') ? { ...spec, ...(startTimeoutMs === undefined ? {} : { startTimeoutMs }) } : spec;
}

function intake({ route: bus, subjects, clock, newId, settings, configuration }: World): ChildSpec {
  const { node: name, leaseMs: livingMs, pollMs } = settings;
  const { definitions, queues: declared, timezone } = configuration;
  const names = new Set(declared.keys());
  return service('intake', () =>
    startIntake({ bus, subjects, clock, newId, node: name, definitions, queues: names, timezone, livingMs, pollMs }),
  );
}

/** None where the bus is not a broker's that keeps messages. */
function durableIntake(world: World): ChildSpec[] {
  const { streams } = world.link;
  return streams === undefined ? [] : [intakeOf('durable-intake', world, streams)];
}

/** What programs wrote into the store's database. None beside a file that is this node's alone. */
function sqlIntake(world: World): ChildSpec[] {
  const { route: bus, subjects, clock, settings, log } = world;
  const { roles, store: place, pollMs } = settings;
  if (roles.has('store') && place.kind !== 'postgres') return [];
  const store = storeClient(bus, subjects);
  return [intakeOf('sql-intake', world, new StoreRequests({ store, bus, subjects, clock, pollMs, log }))];
}

function intakeOf(name: 'durable-intake' | 'sql-intake', world: World, streams: DurableStreams): ChildSpec {
  const { route: bus, subjects, clock, settings, configuration } = world;
  const { node: nodeName, leaseMs, eventHistoryMs } = settings;
  const { definitions, queues: declared } = configuration;
  const shared = { name, bus, streams, subjects, clock, node: nodeName, eventsKept: eventHistoryMs !== undefined };
  const known = { definitions, queues: new Set(declared.keys()), livingMs: leaseMs };
  const log = world.log.child({ part: name });
  return service(name, (scope) => startDurableIntake({ ...shared, ...known, leaseMs, log }, scope));
}

/** Threads and processes for jobs. They outlive the executors, which hand them attempts, and end after them. */
function hosts(jobHosts: JobHosts): ChildSpec {
  return { ...service('hosts', () => jobHosts.start()), shutdown: JOB_HOSTS_SHUTDOWN_MS };
}

function queues(world: World): ChildSpec {
  const { clock, tell, log } = world;
  const keeper = queueKeeper(world);
  return supervised({
    name: 'queues',
    // A supervisor per queue, so that restarts are counted per queue. One that gives up ends cleanly and is not
    // restarted here: the steward brings it back after its cool-down.
    strategy: 'one_for_one',
    intensity: 5,
    periodSeconds: 30,
    children: [
      ...[...queueLimits(world)].map(([name, limit]) => queue(world, name, limit)),
      // Last, so that it is stopped first: to it a queue that is being stopped would look like one that gave up.
      service('steward', () => startSteward({ clock, keeper, tell, log })),
    ],
  });
}

function queue(world: World, name: string, limit: number): ChildSpec {
  const { route: bus, subjects, clock, newId, settings, configuration, client } = world;
  const { node: nodeName, beatMs, graceMs, pollMs, roles, route } = settings;
  const { definitions } = configuration;
  const log = world.log.child({ queue: name });
  const storeIsHere = roles.has('store') && route === 'local';
  const shared = { bus, subjects, clock, node: nodeName, queue: name, storeIsHere, log };
  const makeExecutor: ServiceStart = async () => {
    const services = await world.services();
    const { enqueue } = client;
    const where = world.jobHosts?.hosts ?? INLINE_HOSTS;
    return new Executor({ ...shared, worker: newId(), definitions, services, enqueue, hosts: where, beatMs, graceMs });
  };
  return {
    ...supervised({
      name: supervisorId(name),
      // The executor goes on when the queue actor crashes; a queue actor whose executor is gone begins anew with it.
      strategy: 'rest_for_one',
      intensity: 3,
      periodSeconds: 10,
      children: [
        { ...service('executor', makeExecutor), shutdown: graceMs + STOP_MARGIN_MS },
        service('queue', () => new Queue({ ...shared, limit, types: runnableTypes(world), pollMs })),
      ],
    }),
    restart: 'transient',
  };
}

function scheduling(world: World): ChildSpec {
  const { route: bus, subjects, clock, newId, settings, configuration, instance, startedAt, log } = world;
  const { node: name, leaderLeaseMs, pollMs, leaseMs, keepMs } = settings;
  const { definitions, schedules } = configuration;
  const shared = { bus, subjects, clock, pollMs, log };
  const fleet = { livingMs: leaseMs, scheduleSet: scheduleSet(schedules) };
  const self = { newId, node: name, instance };
  return supervised({
    name: 'scheduling',
    // Neither needs the other: a crash of one costs the other nothing.
    strategy: 'one_for_one',
    intensity: 5,
    periodSeconds: 30,
    children: [
      service(
        'scheduler',
        ({ fail }) =>
          new Scheduler({ ...shared, ...self, ...fleet, startedAt, definitions, schedules, leaderLeaseMs, fail }),
      ),
      service('janitor', () => startJanitor({ ...shared, leaseMs, keepMs })),
    ],
  });
}

function service(id: string, start: ServiceStart): ChildSpec {
  return { id, start: () => serviceActor(id, start), ready: isServiceReady, startTimeoutMs: START_TIMEOUT_MS };
}

function supervised(options: SupervisorOptions): ChildSpec {
  return { id: options.name, type: 'supervisor', start: () => supervisor(options) };
}
