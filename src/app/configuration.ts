import type { AnyJobDefinition, Services } from '../job/definition.ts';
import { checkArgs } from '../job/job-request.ts';
import { at, type Check, Issues, integer, isRecord, object } from '../kernel/check.ts';
import { RotaError } from '../kernel/error.ts';
import { isToken, TOKEN_RULE } from '../kernel/identity.ts';
import { anchorOf } from '../scheduler/occurrences.ts';
import type { DeclaredSchedule } from '../scheduler/schedule.ts';
import { scheduleDeclaration } from '../scheduler/schedule-check.ts';
import { entryWire, isScheduleEntry, type ScheduleEntry } from '../scheduler/schedule-entry.ts';
import { timeZone } from '../scheduler/time-zone.ts';

/** What a config's `services` is given: the data folder, and the NATS connection where the thread has one. */
export interface ServicesContext {
  dataFolder: string;
  // The connection of @nats-io; its type stays out of here so that only the adapter knows the library.
  // biome-ignore lint/suspicious/noExplicitAny: users give it the type of their own NATS library.
  nats: any;
}

/** Makes what handlers are given as `services`; called once per thread or process. `close` is called at stop. */
export type ServicesFactory = (context: ServicesContext) => Services | Promise<Services>;

/** A queue as declared: how many of its jobs run here at once. */
export type QueueDeclaration = number | { limit: number };

/** What an installation runs: the argument of {@link defineScheduler}. */
export interface SchedulerConfig {
  /** The zone of schedules that name none; an IANA name, default `UTC`. */
  timezone?: string;
  /** Default `{ default: 10 }`. */
  queues?: Readonly<Record<string, QueueDeclaration>>;
  services?: ServicesFactory;
  /** Types beyond those of the schedules; a text is a path pattern beside the config file: `./jobs/*.ts`. */
  jobs?: readonly (AnyJobDefinition | string)[];
  schedules?: Readonly<Record<string, ScheduleEntry>>;
  /** Settings in camel case, under flags and environment: `{ node: 'a', pollMs … }` as `rota start` names them. */
  settings?: Readonly<Record<string, unknown>>;
}

/** Declares what an installation runs. Checked when it is started, all mistakes at once. */
export function defineScheduler(config: SchedulerConfig): SchedulerConfig {
  return config;
}

/** A schedule of the config; `anchorAt` is where its `every` would count from if it were new. */
export interface ConfiguredSchedule extends DeclaredSchedule {
  anchorAt: number;
}

/** A config that passed the check. */
export interface Configuration {
  timezone: string;
  queues: ReadonlyMap<string, { limit: number }>;
  services: ServicesFactory | undefined;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  schedules: readonly ConfiguredSchedule[];
  settings: Readonly<Record<string, unknown>>;
}

/** How many jobs of one queue may run on one node at once, at most. */
export const QUEUE_LIMIT_MAX = 10_000;
const QUEUES_DEFAULT = { default: 10 };

const KEYS = ['timezone', 'queues', 'services', 'jobs', 'schedules', 'settings'];
const queueLimit = integer(1, QUEUE_LIMIT_MAX);
const queueObject = object({ limit: queueLimit });
const queueDeclaration: Check<{ limit: number }> = (value, path, issues) => {
  if (isRecord(value)) return queueObject(value, path, issues);
  const limit = queueLimit(value, path, issues);
  return limit === undefined ? undefined : { limit };
};

/** What reading a config needs from around it. */
export interface ConfigurationWorld {
  /** Milliseconds since the epoch. */
  now: number;
  /** Imports what a path pattern names. Without it patterns are refused. */
  discover?: (pattern: string) => Promise<AnyJobDefinition[]>;
}

/**
 * Checks a config.
 * @throws RotaError `invalid_config` with every mistake and its place (`schedules.cache-cleanup.spec.cron`)
 */
export async function readConfiguration(config: unknown, world: ConfigurationWorld): Promise<Configuration> {
  if (!isRecord(config)) throw invalidConfig([{ path: '', message: 'must be what defineScheduler returns' }]);
  const issues = new Issues();
  for (const key of Object.keys(config)) {
    if (!KEYS.includes(key)) issues.add(key, `is not a known field; known are ${KEYS.join(', ')}`);
  }
  const { timezone = 'UTC' } = config;
  const zone = typeof timezone === 'string' && timeZone(timezone) !== undefined ? timezone : 'UTC';
  if (zone !== timezone) issues.add('timezone', 'must be the name of an IANA zone, like "Europe/Berlin"');
  const queues = readQueues(config.queues ?? QUEUES_DEFAULT, issues);
  const definitions = new Map<string, AnyJobDefinition>();
  await readJobs(config.jobs ?? [], { definitions, issues, world });
  const entries = readEntries(config.schedules ?? {}, definitions, issues);
  const schedules = await readSchedules(entries, { timezone: zone, definitions, issues, now: world.now });
  if (config.services !== undefined && typeof config.services !== 'function') {
    issues.add('services', 'must be a function that makes the services');
  }
  if (config.settings !== undefined && !isRecord(config.settings)) issues.add('settings', 'must be an object');
  if (!issues.none) throw invalidConfig(issues.list);
  return {
    timezone: zone,
    queues,
    services: config.services as ServicesFactory | undefined,
    definitions,
    schedules,
    settings: (config.settings as Record<string, unknown> | undefined) ?? {},
  };
}

/** The error that names every mistake of a config and its place. */
export function invalidConfig(issues: readonly { path: string; message: string }[]): RotaError {
  const lines = issues.map(({ path, message }) => `  ${path === '' ? 'the config' : path} ${message}`);
  const count = issues.length === 1 ? 'a mistake' : `${issues.length} mistakes`;
  return new RotaError('invalid_config', `the configuration has ${count}:\n${lines.join('\n')}`, { issues });
}

function readQueues(value: unknown, issues: Issues): Map<string, { limit: number }> {
  const queues = new Map<string, { limit: number }>();
  if (!isRecord(value)) {
    issues.add('queues', 'must be an object of names and limits, like { default: 10 }');
    return queues;
  }
  for (const [name, declared] of Object.entries(value)) {
    if (!isToken(name)) issues.add(at('queues', name), `is no queue name: use ${TOKEN_RULE}`);
    const queue = queueDeclaration(declared, at('queues', name), issues);
    if (queue !== undefined) queues.set(name, queue);
  }
  return queues;
}

interface JobsInput {
  definitions: Map<string, AnyJobDefinition>;
  issues: Issues;
  world: ConfigurationWorld;
}

async function readJobs(value: unknown, { definitions, issues, world }: JobsInput): Promise<void> {
  if (!Array.isArray(value)) {
    issues.add('jobs', 'must be an array of what defineJob returns');
    return;
  }
  for (const [index, entry] of value.entries()) {
    const path = at('jobs', index);
    if (typeof entry === 'string') {
      for (const found of await discovered(entry, { path, issues, world }))
        addDefinition(found, { path, definitions, issues });
    } else {
      addDefinition(entry, { path, definitions, issues });
    }
  }
}

async function discovered(
  pattern: string,
  { path, issues, world }: { path: string; issues: Issues; world: ConfigurationWorld },
): Promise<AnyJobDefinition[]> {
  try {
    const found = (await world.discover?.(pattern)) ?? [];
    if (found.length === 0) issues.add(path, `"${pattern}" names no file that exports what defineJob returns`);
    return found;
  } catch (error) {
    issues.add(path, `"${pattern}" cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

function addDefinition(
  value: unknown,
  { path, definitions, issues }: { path: string; definitions: Map<string, AnyJobDefinition>; issues: Issues },
): void {
  if (!isDefinition(value)) {
    issues.add(path, 'must be what defineJob returns, or a path pattern');
    return;
  }
  const known = definitions.get(value.type);
  if (known !== undefined && known !== value) issues.add(path, `declares the type "${value.type}" a second time`);
  else definitions.set(value.type, value);
}

/** Whether a value is what defineJob returns. */
export function isDefinition(value: unknown): value is AnyJobDefinition {
  return (
    isRecord(value) &&
    typeof value.type === 'string' &&
    'isolation' in value &&
    'maxAttempts' in value &&
    'schema' in value
  );
}

function readEntries(
  value: unknown,
  definitions: Map<string, AnyJobDefinition>,
  issues: Issues,
): [string, ScheduleEntry][] {
  if (!isRecord(value)) {
    issues.add('schedules', 'must be an object of names and what cron, every or at return');
    return [];
  }
  return Object.entries(value).flatMap(([name, entry]) => {
    const path = at('schedules', name);
    if (!isToken(name)) issues.add(path, `is no schedule name: use ${TOKEN_RULE}`);
    if (!isScheduleEntry(entry)) {
      issues.add(path, 'must be what cron, every or at return');
      return [];
    }
    if (typeof entry.job !== 'string') addDefinition(entry.job, { path: at(path, 'job'), definitions, issues });
    return [[name, entry] as [string, ScheduleEntry]];
  });
}

interface SchedulesInput {
  timezone: string;
  definitions: ReadonlyMap<string, AnyJobDefinition>;
  issues: Issues;
  now: number;
}

async function readSchedules(
  entries: readonly [string, ScheduleEntry][],
  input: SchedulesInput,
): Promise<ConfiguredSchedule[]> {
  const { timezone, definitions, issues, now } = input;
  const check = scheduleDeclaration({
    timezone,
    knownType: (type) => definitions.has(type),
    queueOf: (type) => definitions.get(type)?.queue,
  });
  const schedules: ConfiguredSchedule[] = [];
  for (const [name, entry] of entries) {
    const path = at('schedules', name);
    const declared = check(entryWire(entry), path, issues);
    if (declared === undefined) continue;
    const args = await checkArgs(definitions.get(declared.job.type), declared.job.args ?? {}, {
      path: at(path, 'args'),
      issues,
    });
    if (args === undefined) continue;
    const declaration = { ...declared, job: { ...declared.job, args } };
    schedules.push({ name, declaration, anchorAt: anchorOf(declaration, now) });
  }
  return schedules;
}
