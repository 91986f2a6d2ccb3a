import { availableParallelism } from 'node:os';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AttemptHosts, inlineHost } from '../actors/executor/attempt.ts';
import { HostPool } from '../actors/executor/hosts/host-pool.ts';
import type { OpenHost } from '../actors/executor/hosts/pooled-host.ts';
import type { Service } from '../actors/service.ts';
import type { AnyJobDefinition } from '../job/definition.ts';
import { type Check, Issues, integer, object, optional } from '../kernel/check.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Logger } from '../kernel/log.ts';
import { openProcess, openThread } from '../supervisor/supervisor.ts';
import { type Configuration, invalidConfig } from './configuration.ts';
import type { JobHostData } from './job-host-data.ts';
import type { Settings } from './settings.ts';
import { siblingModule } from './sibling-module.ts';

/** How many threads and processes run isolated jobs, and how much heap each may have. */
export interface IsolationOptions {
  /** Threads for jobs with isolation `thread`, 1 to 256; default one a core, at most 16. */
  threads?: number;
  /** Processes for jobs with isolation `process`, 1 to 256; default one a core, at most 16. */
  processes?: number;
  /** The heap of a thread in MiB; default Node's. */
  threadMemoryMb?: number;
  /** The heap of a process in MiB; default Node's. */
  processMemoryMb?: number;
}

/** Where the config is, so that threads and processes can import it. */
export interface ConfigPlace {
  configFile: string | undefined;
  /** Where its path patterns begin. */
  configFolder: string;
}

/** Where the jobs of a node run. */
export interface JobHosts {
  /** For executors. */
  readonly hosts: AttemptHosts;
  /** The life of the pools: for the tree. */
  start(): Service;
}

/** How long a stop of the pools can take, in milliseconds. */
export const JOB_HOSTS_SHUTDOWN_MS = 10_000;

const SIZE_MAX = 16;
const size = integer(1, 256);
const memoryMb = integer(8, 1_048_576);
const isolationCheck: Check<IsolationOptions> = object({
  threads: optional(size),
  processes: optional(size),
  threadMemoryMb: optional(memoryMb),
  processMemoryMb: optional(memoryMb),
});

/** What making pools needs. */
export interface JobHostsWorld {
  configuration: Configuration;
  settings: Settings;
  place: ConfigPlace;
  options: unknown;
  clock: Clock;
  log: Logger;
}

/** Everything in this thread: for nodes without isolated types, and for tests of handlers. */
export const INLINE_HOSTS: AttemptHosts = { inline: inlineHost, thread: inlineHost, process: inlineHost };

/**
 * The pools of a node; undefined when nothing that runs here asks for one.
 * @throws RotaError `invalid_config` when a type asks for one and nobody said where the config is
 */
export function jobHosts({ configuration, settings, place, options, clock, log }: JobHostsWorld): JobHosts | undefined {
  const issues = new Issues();
  const given = isolationCheck(options ?? {}, 'isolation', issues);
  const isolated = [...configuration.definitions.values()].filter(
    ({ run, isolation }) => run !== undefined && isolation !== 'inline' && settings.roles.has('queues'),
  );
  if (isolated.length > 0 && place.configFile === undefined)
    for (const definition of isolated) issues.add('configFile', missingFile(definition));
  if (!issues.none) throw invalidConfig(issues.list);
  if (isolated.length === 0 || place.configFile === undefined) return undefined;

  const configFile = resolve(place.configFile);
  const { dataFolder } = settings;
  const data = { configFile, configFolder: resolve(place.configFolder), dataFolder, parentPid: process.pid };
  const { threads, processes, threadMemoryMb, processMemoryMb } = given ?? {};
  const sizeDefault = Math.min(availableParallelism(), SIZE_MAX);
  const thread = new HostPool({
    ...{ kind: 'thread', open: threadOpener(data, threadMemoryMb), clock, log },
    size: threads ?? sizeDefault,
  });
  const process_ = new HostPool({
    ...{ kind: 'process', open: processOpener(data, processMemoryMb), clock, log },
    size: processes ?? sizeDefault,
  });
  const pools = [thread, process_];
  return {
    hosts: { inline: inlineHost, thread, process: process_ },
    start: () => {
      for (const pool of pools) pool.start();
      return {
        stop: async () => void (await Promise.all(pools.map((pool) => pool.stop()))),
        kill: () => {
          for (const pool of pools) pool.kill();
        },
      };
    },
  };
}

/** Where path patterns of a config begin when nobody said: beside its file, else in the working folder. */
export function configFolderOf(configFile: string | undefined): string {
  return configFile === undefined ? process.cwd() : dirname(resolve(configFile));
}

/** Starts threads that run attempts. */
export function threadOpener(data: JobHostData, memoryMb?: number): OpenHost {
  const url = siblingModule(import.meta.url, './job-host-thread');
  return ({ controls, onMessage }) =>
    openThread(
      {
        ...{ url, name: 'job-host', workerData: data, onMessage },
        ...(memoryMb !== undefined && { resourceLimits: { maxOldGenerationSizeMb: memoryMb } }),
      },
      controls,
    );
}

/** Starts processes that run attempts. */
export function processOpener(data: JobHostData, memoryMb?: number): OpenHost {
  const entry = siblingModule(import.meta.url, './job-host-process');
  // As child_process.fork does; a debugger's port is the node's own.
  const inherited = process.execArgv.filter((arg) => !arg.startsWith('--inspect'));
  const limits = memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`];
  const args = [...inherited, ...limits, fileURLToPath(entry), JSON.stringify(data)];
  return ({ controls, onMessage, onLine }) =>
    openProcess({ command: process.execPath, args, name: 'job-host', ipc: true, onMessage, onLine }, controls);
}

const missingFile = ({ type, isolation }: AnyJobDefinition): string =>
  `is needed: the type "${type}" runs in a ${isolation}, which imports the config itself; ` +
  'give start the path of the module that exports it by default';
