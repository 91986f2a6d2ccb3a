import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { reasonIn, run, SetupError } from './run.js';

/** Where packages put nats-server even though an ordinary user's PATH may not have it. */
const EXTRA_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

const BY_HAND =
  'install it yourself (Debian or Ubuntu: "apt-get install nats-server"; macOS: "brew install nats-server"; else put the ' +
  'nats-server program on the PATH) or set ROTA_NATS=nats://host:4222 to use a server that runs elsewhere';

/**
 * The full path of a program, or undefined.
 * @param {string} name
 * @param {{ path?: string, extra?: string[] }} [where] `path` is a PATH; `extra` folders are tried after it
 */
export function findProgram(name, { path = process.env.PATH ?? '', extra = [] } = {}) {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ''), ...extra];
  return folders.map((folder) => join(folder, name)).find(isProgram);
}

function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

/**
 * How nats-server can be installed here. Only through the system's own package manager: nothing is downloaded past it.
 * @param {{ has: (program: string) => boolean, root: boolean, sudo: boolean }} machine
 * @returns {'apt' | 'sudo-apt' | 'brew' | 'by-hand'}
 */
export function wayToInstall({ has, root, sudo }) {
  if (has('apt-get') && root) return 'apt';
  if (has('apt-get') && sudo) return 'sudo-apt';
  if (has('brew')) return 'brew';
  return 'by-hand';
}

/**
 * Finds nats-server, or installs it.
 * @param {{ say: (line: string) => void, path?: string, extra?: string[], root?: boolean, runCommand?: typeof run }} options
 * @returns {Promise<string>} its full path
 */
export async function ensureNatsServer(options) {
  const { say, path, extra = EXTRA_FOLDERS, root = process.getuid?.() === 0, runCommand = run } = options;
  const find = () => findProgram('nats-server', { path, extra });
  const found = find();
  if (found) return found;
  const has = (program) => findProgram(program, { path }) !== undefined;
  const sudo = !root && has('sudo') && (await runCommand('sudo', ['-n', 'true'])).code === 0;
  const way = wayToInstall({ has, root, sudo });
  if (way === 'by-hand')
    throw new SetupError(`nats-server was not found and cannot be installed from here; ${BY_HAND}`);
  say(`installing nats-server (${way === 'brew' ? 'Homebrew' : "the system's package"})`);
  const ended = way === 'brew' ? await runCommand('brew', ['install', 'nats-server']) : await apt(way, runCommand);
  const installed = find();
  if (ended.code === 0 && installed) return installed;
  const reason = ended.code === 0 ? 'the package holds no such program' : reasonIn(ended.output);
  throw new SetupError(`installing nats-server failed (${reason}); ${BY_HAND}`);
}

async function apt(way, runCommand) {
  const privileged = (command, args) =>
    way === 'sudo-apt' ? runCommand('sudo', ['-n', command, ...args]) : runCommand(command, args);
  const aptGet = (...args) =>
    privileged('env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args]);
  const install = () => aptGet('install', '-y', '--no-install-recommends', 'nats-server');
  let ended = await install();
  if (ended.code !== 0) {
    // A fresh machine or container has no package lists yet.
    await aptGet('update');
    ended = await install();
  }
  if (ended.code === 0 && existsSync('/run/systemd/system')) {
    // Debian starts the package as a service at once. Nobody asked for one, and it would take Rota's port.
    await privileged('systemctl', ['disable', '--now', 'nats-server']);
  }
  return ended;
}
