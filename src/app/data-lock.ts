import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { isRecord } from '../kernel/check.ts';
import { errorText, RotaError } from '../kernel/error.ts';

/** A data folder that this process owns. */
export interface DataLock {
  /** Gives it back. Once is enough; more does nothing. */
  release(): void;
}

/** The owner of a data folder, as the lock file tells it. */
interface Owner {
  readonly pid: number;
  /** Tells a process from a later one with its number; undefined where the system does not say. */
  readonly started: string | undefined;
}

/** How often a lock that vanishes between two looks is tried again. */
const TRIES_MAX = 100;
/** A starter that dies while taking over leaves a lock on that; so many of those on top of each other are taken over. */
const TAKEOVERS_MAX = 4;

/**
 * Locks a data folder (made when it is missing) against a second owner: `<folder>/rota.lock` holds the owner's process
 * number and, on Linux, when that process started. The lock of a dead owner is taken over; of several who try at once
 * exactly one gets it. It holds among processes that see each other: two containers must not share a data folder.
 * @throws {RotaError} `invalid_config` when a living process owns it or it cannot be written
 */
export function lockDataFolder(dataFolder: string): DataLock {
  const text = `${JSON.stringify({ pid: process.pid, started: startOf(process.pid) })}\n`;
  const file = join(madeFolder(dataFolder), 'rota.lock');
  try {
    acquire({ file, text, depth: 0 });
  } catch (error) {
    if (error instanceof RotaError) throw error;
    throw unusable(dataFolder, error);
  }
  let held = true;
  return {
    release: () => {
      if (held && readText(file) === text) rmSync(file, { force: true });
      held = false;
    },
  };
}

function madeFolder(dataFolder: string): string {
  try {
    mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
    return realpathSync(dataFolder);
  } catch (error) {
    throw unusable(dataFolder, error);
  }
}

function unusable(dataFolder: string, error: unknown): RotaError {
  const why = `the data folder ${resolve(dataFolder)} cannot be used: ${errorText(error)}`;
  return new RotaError('invalid_config', why, { cause: error });
}

interface Claim {
  readonly file: string;
  readonly text: string;
  readonly depth: number;
}

function acquire(claim: Claim): void {
  const { file } = claim;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (placeNew(claim)) return;
    const held = readText(file);
    if (held === undefined) continue; // given back meanwhile
    const owner = livingOwner(held);
    if (owner) throw inUse(file, owner);
    if (takeOver(claim, held)) return;
  }
  throw new Error(`${file} changes all the time`);
}

/** The lock appears with its content in one step: who sees it can read it. False when there is one. */
function placeNew({ file, text }: Claim): boolean {
  return withDraft(file, text, (draft) => {
    try {
      linkSync(draft, file);
      return true;
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  });
}

/**
 * Replaces a dead owner's lock. Only who holds the lock's own lock may do that, and only while it is still the lock that
 * was found dead: else the slower of two starters would replace the faster one's.
 */
function takeOver({ file, text, depth }: Claim, dead: string): boolean {
  if (depth >= TAKEOVERS_MAX) throw new Error(`too many starts died while taking over ${file}: remove ${file}*`);
  const right = `${file}.takeover`;
  acquire({ file: right, text, depth: depth + 1 });
  try {
    if (readText(file) !== dead) return false;
    withDraft(file, text, (draft) => renameSync(draft, file));
    return true;
  } finally {
    rmSync(right, { force: true });
  }
}

function withDraft<T>(file: string, text: string, use: (draft: string) => T): T {
  const folder = mkdtempSync(`${file}-`);
  try {
    const draft = join(folder, 'draft');
    writeFileSync(draft, text, { mode: 0o600 });
    return use(draft);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function inUse(file: string, { pid }: Owner): RotaError {
  const folder = resolve(file, '..');
  const who = pid === process.pid ? `this process (${pid})` : `process ${pid}`;
  return new RotaError(
    'invalid_config',
    `the data folder ${folder} is in use by ${who}: stop it, or choose another folder with --data ` +
      `(if process ${pid} is no Rota, remove ${file})`,
  );
}

/** Who a lock's text names, if that process lives. A lock always appears whole, so one that cannot be read is dead. */
function livingOwner(text: string): Owner | undefined {
  const owner = ownerIn(text);
  if (!owner || !isAlive(owner.pid)) return undefined;
  const started = startOf(owner.pid);
  const reused = owner.started !== undefined && started !== undefined && started !== owner.started;
  return reused ? undefined : owner;
}

function ownerIn(text: string): Owner | undefined {
  try {
    const owner: unknown = JSON.parse(text);
    if (!isRecord(owner) || !Number.isSafeInteger(owner.pid) || Number(owner.pid) <= 0) return undefined;
    return { pid: Number(owner.pid), started: typeof owner.started === 'string' ? owner.started : undefined };
  } catch {
    return undefined; // power was lost before it reached the disk
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
  return statFields(pid)?.[0] !== 'Z'; // a zombie answers signals, but has ended
}

/** When a process started: the boot, and the kernel's count since then. Linux only. */
function startOf(pid: number): string | undefined {
  const ticks = statFields(pid)?.[19];
  return ticks === undefined ? undefined : `${readText('/proc/sys/kernel/random/boot_id')?.trim()}/${ticks}`;
}

/**
 * The fields of /proc/<pid>/stat from the third, the state, on; the start is number 22 (proc(5)). The second is the
 * command in parentheses, which may hold anything.
 */
function statFields(pid: number): string[] | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
