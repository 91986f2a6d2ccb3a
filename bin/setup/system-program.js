import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { reasonIn, run, SetupError } from './run.js';

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
 * How a program can be installed here. Only through the system's own package manager: nothing is downloaded past it.
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
 * What a program is to setup.
 * @typedef {object} Program
 * @property {string} name what is looked for on the PATH
 * @property {{ apt: string, brew: string }} packages what brings it
 * @property {string[]} extra folders where packages put it even though an ordinary user's PATH may not have them
 * @property {string} byHand what a person can do instead
 * @property {(privileged: (command: string, args: string[]) => Promise<unknown>) => Promise<void>} [afterApt]
 *
 * The machine; a test gives its own.
 * @typedef {object} Machine
 * @property {(line: string) => void} say
 * @property {string} [path] a PATH
 * @property {string[]} [extra] instead of the program's
 * @property {boolean} [root] whether this is the administrator
 * @property {typeof run} [runCommand]
 */

/**
 * Finds a program, or installs it.
 * @param {Program} program
 * @param {Machine} machine
 * @returns {Promise<string>} its full path
 */
export async function ensureProgram(program, machine) {
  const { name, packages, byHand } = program;
  const { say, path, extra = program.extra, root = process.getuid?.() === 0, runCommand = run } = machine;
  const find = () => findProgram(name, { path, extra });
  const found = find();
  if (found) return found;
  const has = (other) => findProgram(other, { path }) !== undefined;
  const sudo = !root && has('sudo') && (await runCommand('sudo', ['-n', 'true'])).code === 0;
  const way = wayToInstall({ has, root, sudo });
  if (way === 'by-hand') throw new SetupError(`${name} was not found and cannot be installed from here; ${byHand}`);
  say(`installing ${name} (${way === 'brew' ? 'Homebrew' : "the system's package"})`);
  const privileged = (command, args) =>
    way === 'sudo-apt' ? runCommand('sudo', ['-n', command, ...args]) : runCommand(command, args);
  const ended =
    way === 'brew'
      ? await runCommand('brew', ['install', packages.brew])
      : await aptInstall(packages.apt, { privileged, after: program.afterApt });
  const installed = find();
  if (ended.code === 0 && installed) return installed;
  const reason = ended.code === 0 ? 'the package holds no such program' : reasonIn(ended.output);
  throw new SetupError(`installing ${name} failed (${reason}); ${byHand}`);
}

async function aptInstall(name, { privileged, after }) {
  const aptGet = (...args) =>
    privileged('env', ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-o', 'DPkg::Lock::Timeout=120', ...args]);
  const install = () => aptGet('install', '-y', '--no-install-recommends', name);
  let ended = await install();
  if (ended.code !== 0) {
    // A fresh machine or container has no package lists yet.
    await aptGet('update');
    ended = await install();
  }
  if (ended.code === 0) await after?.(privileged);
  return ended;
}
