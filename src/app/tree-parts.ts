import { MessageChannel } from 'node:worker_threads';
import type { QueueKeeper } from '../actors/steward/steward.ts';
import type { AnyJobDefinition } from '../job/definition.ts';
import { RotaError } from '../kernel/error.ts';
import type { Json } from '../kernel/json.ts';
import { bridgePort } from '../messaging/local/port-bridge.ts';
import type { NodeRecord, NodeType } from '../store/job-store.ts';
import { isHostReady, type ThreadOptions, threadActor } from '../supervisor/supervisor.ts';
import { cachingEnv } from './caching-env.ts';
import type { PersistenceThreadData } from './persistence-thread.ts';
import { scheduleSet } from './schedule-set.ts';
import { siblingModule } from './sibling-module.ts';
import type { PersistenceMaker, World } from './world.ts';

/** The child id of a queue's supervisor. */
export const supervisorId = (queue: string): string => `queue:${queue}`;
const QUEUE_ID = /^queue:(.*)$/;

/** The queues that run here and how many of their jobs may at once: the setting's, else the config's. */
export function queueLimits({ settings, configuration }: World): ReadonlyMap<string, number> {
  return settings.queues ?? new Map([...configuration.queues].map(([name, { limit }]) => [name, limit]));
}

/** Warns of queues that run here and that nothing in the config names: most likely a slip in the setting. */
export function mentionUnnamedQueues({ settings, configuration, log }: World): void {
  const { queues, definitions, schedules } = configuration;
  const named = new Set([
    ...queues.keys(),
    ...[...definitions.values()].map(({ queue }) => queue),
    ...schedules.map(({ declaration }) => declaration.job.queue),
  ]);
  const unnamed = [...(settings.queues?.keys() ?? [])].filter((name) => !named.has(name));
  if (unnamed.length > 0) log.warn({ queues: unnamed }, 'queues run here that the config does not name');
}

/** The types whose handlers are here. */
export function runnableTypes({ configuration }: World): string[] {
  return [...configuration.definitions.values()].filter(({ run }) => run !== undefined).map(({ type }) => type);
}

/** How long a killed persistence thread may take to return from SQLite, which is not to be interrupted, in milliseconds. */
const KILL_GRACE_MS = 1_000;

/**
 * What the persistence thread may fill with new objects before it looks for those that live on, in MiB. V8 would take 96,
 * and more resident memory: measured under full load, 60 MiB more than with 48, which is no faster than 32. With 24 the rate is 8 % less.
 */
const YOUNG_MB = 32;

/** Persistence in a thread of its own, so that a slow disk holds nobody up. */
export const threadPersistence: PersistenceMaker = (world) => ({
  start: () => threadActor(persistenceThread(world)),
  ready: isHostReady,
});

/** A new thread for the store, with its own way to the bus. */
function persistenceThread({ settings, route, log }: World): ThreadOptions {
  const { port1, port2 } = new MessageChannel();
  const { store, node, prefix, leaseMs, beatMs, pollMs, eventHistoryMs, logLevel } = settings;
  const told = { leaseMs, beatMs, pollMs, eventsKept: eventHistoryMs !== undefined };
  const workerData: PersistenceThreadData = { port: port2, store, node, prefix, ...told, logLevel };
  bridgePort(port1, route, {
    onError: (error) => log.warn({ error: String(error) }, 'the bus refused something of the persistence thread'),
  });
  const url = siblingModule(import.meta.url, './persistence-thread');
  const resourceLimits = { maxYoungGenerationSizeMb: YOUNG_MB };
  const given = { workerData, transferList: [port2], resourceLimits, env: cachingEnv() };
  return { url, name: 'persistence', killGraceMs: KILL_GRACE_MS, ...given };
}

/** What this node says of itself in the registry: every queue and type that its config names, and what it runs. */
export function nodeRecord(world: World): Omit<NodeRecord, 'seenAt' | 'refused'> {
  const { settings, configuration, instance, startedAt, version } = world;
  const here = settings.roles.has('queues') ? queueLimits(world) : new Map<string, number>();
  const named = new Map([...configuration.queues].map(([name, { limit }]) => [name, limit]));
  // A queue that only a type or a schedule names is known too; nobody runs it here.
  for (const { queue } of configuration.definitions.values()) if (!named.has(queue)) named.set(queue, 0);
  for (const { declaration } of configuration.schedules)
    if (!named.has(declaration.job.queue)) named.set(declaration.job.queue, 0);
  for (const [name, limit] of here) named.set(name, limit);
  return {
    node: settings.node,
    instance,
    version,
    roles: [...settings.roles],
    startedAt,
    queues: [...named].map(([name, limit]) => ({ name, limit, runs: here.has(name) })),
    types: [...configuration.definitions.values()].map((definition) => nodeType(definition, here.size > 0)),
    ...(settings.roles.has('scheduler') ? { scheduleSet: scheduleSet(configuration.schedules) } : {}),
  };
}

/** A type as other nodes need to know it: they may enqueue it without having its definition. */
function nodeType(definition: AnyJobDefinition, runsQueues: boolean): NodeType {
  const { type, queue, schema, run, maxAttempts, timeoutMs, priority, backoff, unique } = definition;
  return {
    ...{ type, queue, hasSchema: schema !== undefined, runs: run !== undefined && runsQueues },
    ...jsonSchemaOf(schema),
    defaults: { maxAttempts, timeoutMs, priority, backoff, unique },
  };
}

/** The steward's view of the supervisors of queues, looked up afresh each time. */
export function queueKeeper(world: World): QueueKeeper {
  return {
    failed: () => {
      const children = world.root()?.supervisor('queues')?.whichChildren() ?? [];
      return children.filter(({ actor }) => actor === undefined).flatMap(({ id }) => QUEUE_ID.exec(id)?.[1] ?? []);
    },
    restart: async (queue) => {
      const keeper = world.root()?.supervisor('queues');
      if (keeper === undefined) throw new RotaError('unavailable', 'the supervisor of queues does not run');
      await keeper.restartChild(supervisorId(queue));
    },
  };
}

/** The JSON Schema of a type's args, where the schema library exports one (Standard JSON Schema, or a method of its own). */
function jsonSchemaOf(schema: object | undefined): { schema?: Json } {
  const standard = (
    schema as { '~standard'?: { jsonSchema?: { input?: (options: object) => unknown } } } | undefined
  )?.['~standard'];
  const own = (schema as { toJSONSchema?: () => unknown; toJsonSchema?: () => unknown } | undefined) ?? {};
  try {
    const made =
      standard?.jsonSchema?.input?.({ target: 'draft-2020-12' }) ?? own.toJSONSchema?.() ?? own.toJsonSchema?.();
    // Through its text, so that what is kept is JSON and nothing else.
    return made === undefined ? {} : { schema: JSON.parse(JSON.stringify(made)) };
  } catch {
    // A library that cannot say it as JSON Schema; hasSchema still tells that there is one.
    return {};
  }
}
