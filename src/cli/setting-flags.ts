import { type RawSettings, readSettings, SETTINGS, type SettingName, type Settings } from '../app/settings.ts';
import { RotaError } from '../kernel/error.ts';
import type { Flag, Flags } from './command.ts';

/** Every setting, for the commands that run or examine a node. */
export const ALL_SETTINGS = Object.keys(SETTINGS) as readonly SettingName[];

/** The settings that a command needs to reach a running Rota. */
export const CONNECTION_SETTINGS: readonly SettingName[] = ALL_SETTINGS.filter(
  (name) => name.startsWith('nats') || name === 'prefix' || name === 'logLevel',
);

/** The flag of a setting: its name in kebab case. */
export function flagName(setting: SettingName): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The flags of settings, described by the table that they are read with. */
export function settingFlags(names: readonly SettingName[]): Flags {
  return Object.fromEntries(names.map((name) => [flagName(name), settingFlag(name)]));
}

function settingFlag(name: SettingName): Flag {
  const { env, what, fallback } = SETTINGS[name];
  return { type: 'string', value: 'VALUE', what: `${what} [${env}${fallback === undefined ? '' : `, ${fallback}`}]` };
}

/**
 * The settings that say how to reach Rota: of flags and environment. A config file is not read for that.
 * @throws RotaError `invalid_config` that names flags where flags are at fault
 */
export function connectionSettings(given: RawSettings, env: Readonly<Record<string, string | undefined>>): Settings {
  const variables = CONNECTION_SETTINGS.map((name) => SETTINGS[name].env);
  const environment = Object.fromEntries(variables.map((variable) => [variable, env[variable]]));
  try {
    return readSettings({ given, env: environment, config: {} });
  } catch (error) {
    throw namingFlags(error, given);
  }
}

/** An error whose issues name the flags that are at fault (`--lease`) where it named the settings they gave. */
export function namingFlags(error: unknown, given: RawSettings): unknown {
  if (!(error instanceof RotaError) || error.issues.length === 0) return error;
  const flags = new Map(Object.keys(given).map((name) => [`settings.${name}`, `--${flagName(name as SettingName)}`]));
  const issues = error.issues.map(({ path, message }) => ({ path: flags.get(path) ?? path, message }));
  return new RotaError(error.code, error.message, { issues, cause: error });
}

/** Whether flags alone are at fault. */
export function blamesFlags(error: RotaError): boolean {
  return error.issues.length > 0 && error.issues.every(({ path }) => path.startsWith('--'));
}
