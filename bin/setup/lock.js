import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { SetupError } from './run.js';

/** Beside node_modules, because `npm ci` empties that. */
const LOCK = '.rota-setup-lock';
const POLL_MS = 200;
/** Longer than any install takes. A lock from another host (a shared folder) is believed for as long. */
const WAIT_MS_MAX = 15 * 60_000;
/** Taking over a dead owner's lock is a few file calls; whoever died in the middle of it is not waited for. */
const TAKEOVER_MS_MAX = 10_000;

/**
 * Does something while no other setup of this checkout does. The lock is a folder that appears with its content in one
 * step and names the processes behind it; when all of them are dead it is taken over.
 * @param {string} root of the checkout
 * @param {(line: string) => void} say
 * @param {(lock: { addProcess: (pid: number) => void }) => Promise<void>} work `addProcess` names a child whose life
 *   holds the lock too, so that an install that outlives its setup is waited for
 */
export async function withLock(root, say, work) {
  const folder = join(root, LOCK);
  const deadline = Date.now() + WAIT_MS_MAX;
  for (let waits = 0; !acquire(folder); waits++) {
    if (waits === 0) say('waiting for another setup of this checkout');
    if (Date.now() > deadline) throw new SetupError(`another setup holds ${folder} for too long; remove that folder`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const owners = [process.pid];
  const release = () => releaseLock(folder);
  process.once('exit', release);
  try {
    await work({
      addProcess: (pid) => {
        owners.push(pid);
        writeOwner(folder, owners);
      },
    });
  } finally {
    process.removeListener('exit', release);
    release();
  }
}

/**
 * Takes the lock when it is free or its owner is dead.
 * @param {string} folder
 * @returns {boolean} whether this process has it now
 */
export function acquire(folder) {
  const prepared = mkdtempSync(`${folder}-`);
  writeFileSync(join(prepared, '.gitignore'), '*\n');
  writeOwner(prepared, [process.pid]);
  try {
    // A folder cannot be renamed onto one that has content, so exactly one of several gets through.
    renameSync(prepared, folder);
    return true;
  } catch {
    rmSync(prepared, { recursive: true, force: true });
    return takeOver(folder);
  }
}

function takeOver(folder) {
  if (ownerLives(folder)) return false;
  const right = join(folder, 'takeover');
  try {
    mkdirSync(right);
  } catch {
    if (ageMs(right) > TAKEOVER_MS_MAX) rmSync(right, { recursive: true, force: true });
    return false;
  }
  try {
    // Another may have taken over between the look and the mkdir.
    if (ownerLives(folder)) return false;
    writeOwner(folder, [process.pid]);
    return true;
  } finally {
    rmdirSync(right);
  }
}

function writeOwner(folder, pids) {
  const file = join(folder, 'owner');
  const processes = pids.map((pid) => ({ pid, started: startOf(pid) }));
  writeFileSync(`${file}.${process.pid}`, JSON.stringify({ host: hostname(), processes }));
  renameSync(`${file}.${process.pid}`, file);
}

/** A folder that vanished meanwhile counts as living: the next try finds it free. */
function ownerLives(folder) {
  try {
    const { host, processes } = JSON.parse(readFileSync(join(folder, 'owner'), 'utf8'));
    if (host !== hostname()) return ageMs(join(folder, 'owner')) < WAIT_MS_MAX;
    return processes.some(({ pid, started }) => isAlive(pid) && startOf(pid) === started);
  } catch (error) {
    return error?.code === 'ENOENT';
  }
}

/** When a process started, in the kernel's own count: tells a process from a later one with its number. Linux only. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses, which may hold spaces; the start is field 22.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error?.code === 'EPERM';
  }
}

function ageMs(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/**
 * Gives the lock back in one step, so that nobody sees half of it.
 * @param {string} folder
 */
export function releaseLock(folder) {
  const gone = `${folder}-${process.pid}-released`;
  try {
    renameSync(folder, gone);
    rmSync(gone, { recursive: true, force: true });
  } catch {
    // It is gone already.
  }
}
