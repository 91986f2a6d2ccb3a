import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { promisify } from 'node:util';
import { errorText, RotaError } from '../../kernel/error.ts';
import { compareVersions, VERSION_MIN, versionIn } from './version.ts';

const run = promisify(execFile);

/** A nats-server that can be run here. */
export interface ServerProgram {
  /** Its full path. */
  readonly command: string;
  /** Without a leading "v". */
  readonly version: string;
}

/** Where packages put nats-server even though an ordinary user's PATH may not have it. */
const EXTRA_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

/** Printing a version takes milliseconds; a program that does not end is not nats-server. */
const VERSION_TIMEOUT_MS = 10_000;

const HOW_TO_INSTALL =
  'in a checkout of Rota run "node bin/setup.js"; on Debian or Ubuntu "apt-get install nats-server"; on macOS ' +
  '"brew install nats-server"; or use a server that runs elsewhere with --nats nats://HOST:4222';

/**
 * Finds nats-server and reads its version.
 * @param name a name to look for, or a path
 * @param path the folders to look in first, as in PATH
 * @throws {RotaError} `invalid_config` when there is none, it cannot be run, or it is older than 2.9.4
 */
export async function findServerProgram(name = 'nats-server', path = process.env.PATH ?? ''): Promise<ServerProgram> {
  const command = findProgram(name, path);
  if (command === undefined) {
    throw new RotaError('invalid_config', `${name} was not found on this machine: ${HOW_TO_INSTALL}`);
  }
  const version = await versionOf(command);
  if (compareVersions(version, VERSION_MIN) < 0) {
    throw new RotaError(
      'invalid_config',
      `${command} is nats-server ${version}; Rota needs ${VERSION_MIN} or later: ${HOW_TO_INSTALL}`,
    );
  }
  return { command, version };
}

function findProgram(name: string, path: string): string | undefined {
  if (name.includes('/')) return isProgram(resolve(name)) ? resolve(name) : undefined;
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...EXTRA_FOLDERS];
  return folders.map((folder) => resolve(folder, name)).find(isProgram);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

async function versionOf(command: string): Promise<string> {
  const refusal = (why: string, cause?: unknown): RotaError =>
    new RotaError('invalid_config', `${command} --version ${why}; is it nats-server? ${HOW_TO_INSTALL}`, { cause });
  const output = await run(command, ['--version'], { timeout: VERSION_TIMEOUT_MS }).catch((error: unknown) => {
    throw refusal(`failed (${errorText(error).trim()})`, error);
  });
  const version = versionIn(output.stdout + output.stderr);
  if (version === undefined) throw refusal('tells no version');
  return version;
}
