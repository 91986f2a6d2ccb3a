import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';

const run = promisify(execFile);

/** How long a server left behind may take to stop by itself, in milliseconds; then it is killed. */
const TERM_MS = 5_000;
/** How long a killed process may take to go, in milliseconds. */
const KILL_MS = 5_000;
const LOOK_EVERY_MS = 25;

/** What is needed to recognise a server that a killed parent left behind. */
export interface OrphanSearch {
  readonly pidFile: string;
  readonly configFile: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The arguments that start a server on a config file. {@link runsOnConfig} recognises it by them. */
export function serverArgs(configFile: string): string[] {
  return ['-c', configFile];
}

/**
 * Whether a process is a server that was started on this config file. Its number alone says nothing: it may have been
 * given to another process since.
 * @param commandLine undefined when there is no such process
 */
export function runsOnConfig(commandLine: string | undefined, configFile: string): boolean {
  return commandLine?.endsWith(` ${serverArgs(configFile).join(' ')}`) ?? false;
}

/** The process number in a pid file's text; undefined for anything else. */
export function pidIn(text: string): number | undefined {
  const match = /^\s*([1-9]\d{0,9})\s*$/.exec(text);
  return match ? Number(match[1]) : undefined;
}

/**
 * Stops a server of this config file that a killed parent left behind: SIGTERM, after 5 s SIGKILL. The caller owns the
 * data folder, so nobody else is using that server.
 * @returns true when there was one; it is gone then
 * @throws {RotaError} `invalid_config` when it cannot be stopped
 */
export async function stopOrphan(search: OrphanSearch): Promise<boolean> {
  const { pidFile, configFile, clock, log } = search;
  const pid = existsSync(pidFile) ? pidIn(readFileSync(pidFile, 'utf8')) : undefined;
  if (pid === undefined) return false;
  const runs = async (): Promise<boolean> => runsOnConfig(await commandLineOf(pid), configFile);
  if (!(await runs())) return false;
  log.info({ pid }, 'stopping a nats-server that a killed Rota left behind');
  const goneWithin = async (ms: number): Promise<boolean> => {
    const untilMs = clock.monotonicMs() + ms;
    while (await runs()) {
      if (clock.monotonicMs() >= untilMs) return false;
      await sleep(clock, LOOK_EVERY_MS);
    }
    return true;
  };
  signal(pid, 'SIGTERM');
  if (await goneWithin(TERM_MS)) return true;
  signal(pid, 'SIGKILL');
  if (await goneWithin(KILL_MS)) return true;
  throw new RotaError('invalid_config', `${describe(pid)} does not end: end it, then start again`);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return; // it went by itself
    throw new RotaError('invalid_config', `${describe(pid)} cannot be stopped: ${errorText(error)}`, { cause: error });
  }
}

function describe(pid: number): string {
  return `process ${pid}, a nats-server that a killed Rota left behind on this data folder,`;
}

/** A process's command line, its words joined by blanks. Undefined when it does not run; a zombie's is empty. */
async function commandLineOf(pid: number): Promise<string | undefined> {
  try {
    if (existsSync('/proc/self/cmdline')) {
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replace(/\0$/, '').replaceAll('\0', ' ');
    }
    return (await run('ps', ['-ww', '-p', String(pid), '-o', 'args='])).stdout.trimEnd();
  } catch {
    return undefined;
  }
}
