import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LogOutput } from '../../../src/kernel/log.ts';
import type { LogOrder } from './logging-program.ts';

const PROGRAM = fileURLToPath(new URL('./logging-program.ts', import.meta.url));

describe('a program that logs', () => {
  const started: ChildProcess[] = [];
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL');
  });

  async function start(stdout: 'pipe' | number = 'pipe') {
    const child = spawn(process.execPath, [PROGRAM], { stdio: ['ignore', stdout, 'inherit', 'ipc'] });
    started.push(child);
    await once(child, 'message');
    return {
      child,
      order: async (wanted: LogOrder): Promise<void> => {
        const done = once(child, 'message');
        child.send(wanted);
        await done;
      },
      /** Answers its exit code. */
      exit: async (wanted: LogOrder & { exit: number }): Promise<number | null> => {
        const exited = once(child, 'exit');
        child.send(wanted);
        const [code] = await exited;
        return code;
      },
    };
  }

  /** The reader of its output goes; it is gone when the file is closed. */
  async function stopReading({ stdout }: ChildProcess): Promise<void> {
    if (stdout === null) throw new Error('the output is no pipe');
    stdout.destroy();
    await once(stdout, 'close');
  }

  it('ends when its reader is gone and what it logs last is the first that it learns it by', async () => {
    const program = await start();
    await stopReading(program.child);
    expect(await program.exit({ lines: 3, exit: 7 })).toBe(7);
  });

  it('does its work without its reader, and ends', async () => {
    const program = await start();
    await program.order({ lines: 1 });
    await stopReading(program.child);
    for (let times = 0; times < 20; times++) await program.order({ lines: 2 });
    expect(await program.exit({ lines: 1, exit: 8 })).toBe(8);
  });

  it('does its work and ends where its lines find no room on the disk', async () => {
    const full = openSync('/dev/full', 'w');
    const program = await start(full);
    closeSync(full);
    for (let times = 0; times < 20; times++) await program.order({ lines: 2 });
    expect(await program.exit({ lines: 1, exit: 9 })).toBe(9);
  });

  it('writes all lines, those before its exit too', async () => {
    const program = await start();
    const counts: number[] = [];
    const reading = createInterface({ input: program.child.stdout ?? process.stdin });
    reading.on('line', (line) => counts.push(JSON.parse(line).count));
    const ended = once(reading, 'close');
    await program.order({ lines: 2_000 });
    expect(await program.exit({ lines: 2_000, exit: 0 })).toBe(0);
    await ended;
    // What a write had under way at the exit may come after the rest.
    expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 4_000 }, (_, count) => count));
  });

  it('keeps lines for a slow reader up to a bound, and tells how many it dropped beyond', async () => {
    const program = await start();
    const lines = 20_000;
    await program.order({ lines, characters: 1_000 });
    const seen = { lines: 0, dropped: 0 };
    const whole = Promise.withResolvers<void>();
    const reading = createInterface({ input: program.child.stdout ?? process.stdin });
    reading.on('line', (line) => {
      const { count, lines: dropped } = JSON.parse(line);
      if (count === undefined) seen.dropped += dropped;
      else seen.lines += 1;
      if (seen.lines + seen.dropped === lines) whole.resolve();
    });
    await whole.promise;
    expect(seen.dropped).toBeGreaterThan(0);
    // Of 16 MiB about so many are kept.
    expect(seen.lines).toBeGreaterThan(15_000);
    expect(await program.exit({ lines: 0, exit: 0 })).toBe(0);
  });
});

describe('an output whose reader takes nothing at the moment', () => {
  let folder: string;
  /** Read and written at once by this process; full, it says so at once. */
  let pipe: number;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'rota-log-'));
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  });
  afterEach(() => {
    closeSync(pipe);
    rmSync(folder, { recursive: true });
  });

  /** All that stands in the pipe. */
  function taken(): string {
    const buffer = Buffer.alloc(1024 * 1024);
    try {
      return buffer.toString('utf8', 0, readSync(pipe, buffer));
    } catch {
      return '';
    }
  }

  const LINES = Array.from({ length: 10_000 }, (_, line) => `${line} ${'x'.repeat(30)}\n`);

  it('tries again, and loses nothing', async () => {
    const output = new LogOutput(pipe);
    for (const line of LINES) output.write(line);
    const read: string[] = [];
    const more = (): number => read.push(taken()) && read.join('').length;
    await expect.poll(more, { timeout: 10_000 }).toBe(LINES.join('').length);
    expect(read.join('')).toBe(LINES.join(''));
    output.write('and on\n');
    await expect.poll(taken).toBe('and on\n');
  });

  it('gives up at the end', () => {
    const output = new LogOutput(pipe, { sync: true });
    for (const line of LINES.slice(0, 1_000)) output.write(line);
    output.write('x'.repeat(1024 * 1024));
    expect(taken().startsWith('0 xxx')).toBe(true);
    output.write('\nand on\n');
    expect(taken()).toBe('\nand on\n');
  });
});
