import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SchedulerConfig } from '../app/configuration.ts';
import { type RawSettings, SETTINGS } from '../app/settings.ts';
import { errorText, RotaError } from '../kernel/error.ts';

/** A config file as it was read; whether its content is right is not known yet. */
export interface ConfigFile {
  readonly path: string;
  /** Where path patterns in it begin. */
  readonly folder: string;
  readonly config: SchedulerConfig;
}

/** Which config file is meant: the flag's, the environment's, or the usual one; an absolute path. */
export function configPath(
  given: RawSettings,
  { env, workingFolder }: { env: Readonly<Record<string, string | undefined>>; workingFolder: string },
): string {
  const variable = env[SETTINGS.config.env];
  const named = typeof given.config === 'string' ? given.config : variable;
  return resolve(workingFolder, named || (SETTINGS.config.fallback ?? ''));
}

/**
 * Imports a config file, TypeScript or JavaScript.
 * @throws RotaError `invalid_config` that names the file: it is missing, cannot be loaded, or has no default export
 */
export async function importConfig(path: string): Promise<ConfigFile> {
  if (!existsSync(path)) {
    throw new RotaError(
      'invalid_config',
      `there is no config file ${path}: name one with --config or ROTA_CONFIG, or run this where config/scheduler.ts is`,
    );
  }
  const loaded = await load(path);
  if (loaded.default === undefined) {
    throw new RotaError(
      'invalid_config',
      `${path} has no default export: end it with "export default defineScheduler({ … })"`,
    );
  }
  // It is checked, as what it is, before anything is done with it.
  return { path, folder: dirname(path), config: loaded.default as SchedulerConfig };
}

async function load(path: string): Promise<{ default?: unknown }> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (cause) {
    const issues = cause instanceof RotaError ? cause.issues : [];
    const text = `${path} cannot be loaded: ${errorText(cause)}${placeOf(cause, dirname(path))}`;
    throw new RotaError('invalid_config', text, { issues, cause });
  }
}

/** Where it happened, as far as the stack tells: in the config's own folder if it names a place there, else the first. */
function placeOf(cause: unknown, folder: string): string {
  const stack = cause instanceof Error ? (cause.stack ?? '') : '';
  const places = [...stack.matchAll(/(?:^|[\s(]|file:\/\/)(\/[^\s()]+?:\d+(?::\d+)?)(?=[\s)]|$)/gm)].map(
    ([, place]) => place,
  );
  const place = places.find((candidate) => candidate?.startsWith(`${folder}/`)) ?? places[0];
  return place === undefined ? '' : ` (${place})`;
}
