import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { reasonIn, run, SetupError } from './run.js';

/** The oldest Node that runs Rota. */
const NODE_MAJOR_MIN = 24;

const pinnedNode = (root) => join(root, 'node_modules', '.bin', 'node');
const stampFile = (root) => join(root, 'node_modules', '.rota-setup');

/**
 * What an install depends on, as a short text: the lockfile and the machine's kind.
 * @param {string} lockText the content of package-lock.json
 */
export function lockHash(lockText) {
  return createHash('sha256').update(`${process.platform} ${process.arch}\n${lockText}`).digest('hex');
}

/**
 * Whether node_modules is what the lockfile says.
 * - `ready`: our stamp says so, and the Node that it saw run is still there
 * - `adopt`: npm's own record says so (somebody ran `npm ci` by hand): only Node is left to be looked at
 * - `install`: neither
 * @param {{ stamp?: { lock: string, node: string }, hash: string, node?: string, installedText?: string, lockText: string }} found
 *   `node` identifies the pinned program as it is now
 * @returns {'ready' | 'adopt' | 'install'}
 */
export function decideInstall({ stamp, hash, node, installedText, lockText }) {
  if (stamp?.lock === hash) return node !== undefined && stamp.node === node ? 'ready' : 'adopt';
  return installedText !== undefined && fitsLock(installedText, lockText) ? 'adopt' : 'install';
}

/** npm's record of what it installed has the lockfile's packages; the optional ones of other machines may be missing. */
function fitsLock(installedText, lockText) {
  const { packages: wanted = {} } = parse(lockText) ?? {};
  const { packages: installed } = parse(installedText) ?? {};
  if (!installed) return false;
  const same = ([path, entry]) =>
    wanted[path]?.version === entry.version && wanted[path]?.integrity === entry.integrity;
  const there = ([path, entry]) => path === '' || entry.optional === true || path in installed;
  return Object.entries(installed).every(same) && Object.entries(wanted).every(there);
}

function inspect(root) {
  const lockText = read(join(root, 'package-lock.json')) ?? '';
  const hash = lockHash(lockText);
  const installedText = () => read(join(root, 'node_modules', '.package-lock.json'));
  const found = { stamp: parse(read(stampFile(root))), hash, node: identityOf(pinnedNode(root)), lockText };
  const quick = decideInstall(found);
  return { hash, decision: quick === 'install' ? decideInstall({ ...found, installedText: installedText() }) : quick };
}

/**
 * Whether nothing is left to do. Cheap: reads two small files, starts no process.
 * @param {string} root of the checkout
 */
export function dependenciesReady(root) {
  return inspect(root).decision === 'ready';
}

/**
 * Brings node_modules to what the lockfile says, with a Node in it that runs.
 * @param {string} root of the checkout
 * @param {{ say: (line: string) => void, onChild?: (pid: number) => void }} options
 */
export async function installDependencies(root, { say, onChild }) {
  const { hash, decision } = inspect(root);
  const env = npmEnvironment(process.env, root);
  const start = (command, args, cwd = root) => run(command, args, { cwd, env, onChild });
  if (decision === 'install') {
    say('installing the locked dependencies (npm ci)');
    rmSync(stampFile(root), { force: true });
    const { code, output } = await start('npm', ['ci', '--include=dev']);
    if (code !== 0) throw new SetupError(`npm ci failed: ${code === 127 ? 'npm was not found' : reasonIn(output)}`);
  }
  await ensureNode(root, { say, start });
  writeFileSync(stampFile(root), `${JSON.stringify({ lock: hash, node: identityOf(pinnedNode(root)) })}\n`);
}

/**
 * The environment for npm: without this checkout's node_modules on the PATH, since `npm ci` removes the Node in there,
 * and without what an outer npm (`npm pack --dry-run`, `npm install --global`) was told.
 * @param {Record<string, string | undefined>} env
 * @param {string} root
 */
export function npmEnvironment(env, root) {
  const inside = join(root, 'node_modules') + sep;
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => !`${folder}${sep}`.startsWith(inside));
  const { npm_config_dry_run, npm_config_global, npm_config_json, npm_config_loglevel, ...rest } = env;
  return { ...rest, PATH: folders.join(delimiter) };
}

/**
 * npm package `node` brings the program by an install script, which npm may be told to skip: then it is run here.
 * Where that Node cannot be had or does not run (another C library), a new enough one that runs this takes its place.
 */
async function ensureNode(root, { say, start }) {
  const runs = async () => nodeFits((await start(pinnedNode(root), ['--version'])).output);
  if (await runs()) return;
  const folder = join(root, 'node_modules', 'node');
  let reason = 'its package is not installed';
  if (existsSync(folder)) {
    say(`installing Node ${NODE_MAJOR_MIN} (npm package "node")`);
    // What is there does not run, but npm would take it for up to date.
    for (const stale of ['bin', 'node_modules']) rmSync(join(folder, stale), { recursive: true, force: true });
    const { code, output } = await start('node', ['installArchSpecificPackage.js'], folder);
    if (existsSync(join(folder, 'bin', 'node'))) linkNode(root, join('..', 'node', 'bin', 'node'));
    if (await runs()) return;
    reason = code === 0 ? 'what npm installed does not run on this machine' : reasonIn(output);
  }
  if (nodeFits(process.version) && !process.execPath.startsWith(join(root, 'node_modules') + sep)) {
    linkNode(root, process.execPath);
    if (await runs()) return say(`using the Node ${process.versions.node} that runs this`);
  }
  throw new SetupError(
    `Node ${NODE_MAJOR_MIN} could not be installed into node_modules (${reason}); ` +
      `install Node ${NODE_MAJOR_MIN} or newer on this machine and run this again with it`,
  );
}

/**
 * Whether what `node --version` wrote is new enough.
 * @param {string} text
 */
export function nodeFits(text) {
  const match = /^v(\d+)\.\d+\.\d+/.exec(text.trim());
  return match !== null && Number(match[1]) >= NODE_MAJOR_MIN;
}

function linkNode(root, target) {
  mkdirSync(join(root, 'node_modules', '.bin'), { recursive: true });
  rmSync(pinnedNode(root), { force: true });
  symlinkSync(target, pinnedNode(root));
}

/** Size and time of a file: a program that was seen to run and has these still is taken to run. */
function identityOf(file) {
  try {
    const { size, mtimeMs } = statSync(file);
    return `${size} ${Math.floor(mtimeMs)}`;
  } catch {
    return undefined;
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function parse(text) {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}
