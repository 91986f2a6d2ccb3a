import { readFileSync } from 'node:fs';
import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import { lookAtProcess, type ProcessLook } from './process-look.ts';

/** How a server left behind is stopped; a killed one may still take a while to go, on a busy disk. */
const STEPS = [
  { name: 'SIGTERM', withinMs: 5_000 },
  { name: 'SIGKILL', withinMs: 5_000 },
] as const;
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
 * Whether a process that a pid file names is a server that was started on this config file, or may be one that is just
 * ending. Its number alone says nothing: it may have been given to another process since.
 */
export function isServerOf(configFile: string, look: ProcessLook): boolean {
  if (look.kind !== 'runs') return look.kind === 'ending';
  return look.commandLine.endsWith(` ${serverArgs(configFile).join(' ')}`);
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
  const pid = pidIn(readPidFile(pidFile));
  if (pid === undefined) return false;
  const isThere = async (): Promise<boolean> => isServerOf(configFile, await lookAtProcess(pid));
  if (!(await isThere())) return false;
  log.info({ pid }, 'stopping a nats-server that a killed Rota left behind');
  for (const { name, withinMs } of STEPS) {
    signal(pid, name);
    const untilMs = clock.monotonicMs() + withinMs;
    do {
      if (!(await isThere())) return true;
      await sleep(clock, LOOK_EVERY_MS);
    } while (clock.monotonicMs() < untilMs);
  }
  throw new RotaError('invalid_config', `${describe(pid)} does not end: end it, then start again`);
}

function readPidFile(pidFile: string): string {
  try {
    return readFileSync(pidFile, 'utf8');
  } catch {
    return ''; // no server has run here, or what is there is no file
  }
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
