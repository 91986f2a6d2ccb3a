import { chmodSync, mkdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { errorText, RotaError } from '../../kernel/error.ts';
import { compareVersions, SYNC_VERSION_MIN } from './version.ts';

/** The name that the embedded server gives itself; nothing depends on it. */
const SERVER_NAME = 'rota-embedded';

/** The largest message, in bytes: NATS's own default, written down because the limits of jobs are made for it. */
const PAYLOAD_BYTES_MAX = 1_048_576;

/** Where the embedded server keeps what it has; all paths are absolute. */
export interface ServerFiles {
  readonly folder: string;
  readonly configFile: string;
  readonly pidFile: string;
  readonly storeFolder: string;
}

/**
 * Makes `<data>/nats`, for this user only.
 * @throws {RotaError} `invalid_config` when it cannot be made
 */
export function prepareServerFiles(dataFolder: string): ServerFiles {
  const wanted = join(resolve(dataFolder), 'nats');
  try {
    mkdirSync(wanted, { recursive: true, mode: 0o700 });
    // A real path, so that a server left behind is recognised also when the folder is now named another way.
    const folder = realpathSync(wanted);
    chmodSync(folder, 0o700);
    return {
      folder,
      configFile: join(folder, 'nats-server.conf'),
      pidFile: join(folder, 'nats-server.pid'),
      storeFolder: join(folder, 'jetstream'),
    };
  } catch (error) {
    throw new RotaError('invalid_config', `the folder ${wanted} cannot be used: ${errorText(error)}`, { cause: error });
  }
}

/** What goes into the config file. */
export interface ServerConfig {
  readonly address: string;
  readonly port: number;
  /** The server's: older ones refuse what they do not know. */
  readonly version: string;
  readonly files: ServerFiles;
}

/** True when this server can sync each JetStream write, so that an acknowledged message survives power loss. */
export function canSyncEachWrite(version: string): boolean {
  return compareVersions(version, SYNC_VERSION_MIN) >= 0;
}

/** The text of the config file. No monitoring port: who needs one runs a server of their own. */
export function serverConfigText({ address, port, version, files }: ServerConfig): string {
  return [
    '# Written by Rota at each start: changes are lost.',
    `host: ${quoted(address)}`,
    `port: ${port}`,
    `server_name: ${quoted(SERVER_NAME)}`,
    `max_payload: ${PAYLOAD_BYTES_MAX}`,
    `pid_file: ${quoted(files.pidFile)}`,
    'jetstream {',
    `  store_dir: ${quoted(files.storeFolder)}`,
    ...(canSyncEachWrite(version) ? ['  sync_interval: always'] : []),
    '}',
    '',
  ].join('\n');
}

/**
 * Writes the config file in one step, for this user only.
 * @throws {RotaError} `invalid_config` when it cannot be written
 */
export function writeServerConfig(config: ServerConfig): void {
  const { configFile } = config.files;
  try {
    writeFileSync(`${configFile}.new`, serverConfigText(config), { mode: 0o600 });
    chmodSync(`${configFile}.new`, 0o600); // it may have been there
    renameSync(`${configFile}.new`, configFile);
  } catch (error) {
    throw new RotaError('invalid_config', `${configFile} cannot be written: ${errorText(error)}`, { cause: error });
  }
}

/** nats-server's double quotes know \\, \", \n, \r, \t and \xHH; unlike bare words they refer to no variable. */
function quoted(text: string): string {
  const escaped = (character: string): string =>
    character === '\\' || character === '"'
      ? `\\${character}`
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is escaped
  return `"${text.replace(/[\\"\x00-\x1f\x7f]/g, escaped)}"`;
}
