import { pathToFileURL } from 'node:url';
import type { JobHostWork } from '../actors/executor/hosts/job-host.ts';
import { systemClock } from '../kernel/clock.ts';
import { invalidConfig, readConfiguration } from './configuration.ts';
import { discoverIn } from './discovery.ts';

/** What a thread or process that runs attempts is given by the node. Plain data. */
export interface JobHostData {
  /** The config's module; its default export is the config. */
  configFile: string;
  /** Where path patterns in it begin. */
  configFolder: string;
  dataFolder: string;
  /** The node's process: a process ends when it has gone. */
  parentPid: number;
}

/**
 * Imports the config here and makes its services, without NATS.
 * @throws RotaError `invalid_config`, or what the config or its services throw
 */
export async function loadJobHost({ configFile, configFolder, dataFolder }: JobHostData): Promise<JobHostWork> {
  const module = (await import(pathToFileURL(configFile).href)) as { default?: unknown };
  if (module.default === undefined)
    throw invalidConfig([{ path: '', message: `has no default export in ${configFile}` }]);
  const world = { now: systemClock.now(), discover: discoverIn(configFolder) };
  const { definitions, services } = await readConfiguration(module.default, world);
  return { definitions, services: (await services?.({ dataFolder, nats: undefined })) ?? {} };
}
