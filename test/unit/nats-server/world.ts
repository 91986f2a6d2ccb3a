import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { type Clock, systemClock } from '../../../src/kernel/clock.ts';
import type { Logger } from '../../../src/kernel/log.ts';

/** A folder that goes with the test. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rota-embedded-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program that prints a version and does nothing else. */
export function fakeServer(output: string, exitCode = 0): string {
  const file = join(tempFolder(), 'nats-server');
  writeFileSync(file, `#!/bin/sh\necho '${output}'\nexit ${exitCode}\n`, { mode: 0o755 });
  return file;
}

/** A logger that keeps `level message`. */
export function recordingLogger(): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const note = (level: string) => (_fields: object, message: string) => void lines.push(`${level} ${message}`);
  const log: Logger = {
    debug: note('debug'),
    info: note('info'),
    warn: note('warn'),
    error: note('error'),
    child: () => log,
  };
  return { log, lines };
}

/** The machine's clock at fifty times its speed, for deadlines of seconds on real processes. */
export const fastClock: Clock = {
  now: () => systemClock.now() * 50,
  monotonicMs: () => systemClock.monotonicMs() * 50,
  setTimeout: (fn, ms) => systemClock.setTimeout(fn, ms / 50),
  clearTimeout: (handle) => systemClock.clearTimeout(handle),
};

export interface Spawned {
  child: ChildProcess;
  pid: number;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Resolves with the first line of its output that matches. */
  line(pattern: RegExp): Promise<string>;
}

/** Starts a program that the test outlives. */
export function spawned(command: string, args: readonly string[]): Spawned {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} did not start`);
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  });
  const seen: string[] = [];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      seen.push(line);
      for (const look of waiting) look();
    });
  }
  const line = (pattern: RegExp): Promise<string> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = seen.find((entry) => pattern.test(entry));
        if (found === undefined) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  return { child, pid, exited, line };
}
