import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import { sleep, systemClock, type TimerHandle } from '../kernel/clock.ts';
import { type HostControls, HostExitError, type Hosted, type HostLogic, hostLogic } from './host.ts';
import { readLines } from './line-reader.ts';
import { isOfType } from './thread-host.ts';

/** How many of its last lines an error of the process tells. */
const LAST_LINES_MAX = 20;

/** After its exit its output is read for this long, should a process of its own still hold the pipes. */
const OUTPUT_AFTER_EXIT_MS = 500;

/** What runs as an operating system process of its own. */
export interface ProcessOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Default: this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Shown in errors. */
  readonly name: string;
  /** It is ready when this is true of a line that it wrote. */
  readonly readyWhen?: (line: string) => boolean;
  /** It is ready when this answers true; asked again every `probeEveryMs`. A rejection counts as not yet. */
  readonly probe?: () => Promise<boolean>;
  /** Default 100. */
  readonly probeEveryMs?: number;
  /** What asks it to stop. Default `SIGTERM`. */
  readonly stopSignal?: NodeJS.Signals;
  /** Each line that it writes, cut at 16384 characters. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** It is a Node.js program of ours that calls `hostedProcess`: it says when it is ready, and can be written to. */
  readonly ipc?: boolean;
  /** Whatever it sends but `{ type: 'ready' }`; with `ipc`. */
  readonly onMessage?: (message: unknown) => void;
  /** Called when it was spawned. */
  readonly onProcess?: (child: ChildProcess) => void;
}

/**
 * The logic of an actor that is an OS process. Each start spawns a new one.
 *
 * It is ready ({@link isHostReady}) as `readyWhen`, `probe` or, with `ipc`, its own word says; with none of them as soon as it was
 * spawned. `shutdown` sends `stopSignal`; a kill sends SIGKILL. It ends normally with exit code 0, or by `stopSignal`
 * after it was asked; anything else is an error that tells its last lines. When this process exits it is killed; a
 * program that uses `hostedProcess` also notices a parent that could not do that.
 */
export function processActor(options: ProcessOptions): HostLogic {
  return hostLogic((controls) => openProcess(options, controls));
}

/** A process without an actor around it, for those who keep many: what it tells goes to the controls. */
export function openProcess(options: ProcessOptions, controls: HostControls): Hosted {
  const { command, args = [], env, cwd, ipc = false, stopSignal = 'SIGTERM' } = options;
  const child = spawn(command, args, {
    ...(env && { env }),
    ...(cwd !== undefined && { cwd }),
    // A process group of its own: Ctrl-C in a terminal is for us, and we stop what we started in our order.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    ...(ipc && { serialization: 'advanced' }),
  });
  const gone = Promise.withResolvers<void>();
  const running = new AbortController();
  let asked = false;
  let cutOff: TimerHandle;
  let failure: { error: unknown } | undefined;
  const fail = (error: unknown): void => {
    failure ??= { error };
    child.kill('SIGKILL');
  };
  const lastLines = watchOutput(child, { options, controls, fail });
  child.on('message', (message) => {
    try {
      if (isOfType(message, 'ready')) controls.ready();
      else options.onMessage?.(message);
    } catch (error) {
      fail(error);
    }
  });
  child.on('error', (error) => {
    if (child.pid !== undefined) return; // a signal or message that did not arrive; the exit tells more
    gone.resolve();
    running.abort();
    controls.ended({ error });
  });
  child.on('exit', () => {
    survivors.delete(child);
    running.abort();
    gone.resolve();
    cutOff = systemClock.setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, OUTPUT_AFTER_EXIT_MS);
  });
  child.on('close', (exitCode, signal) => {
    systemClock.clearTimeout(cutOff);
    const fine = exitCode === 0 || (asked && isBySignal(stopSignal, { exitCode, signal }));
    if (!fine) failure ??= { error: new HostExitError(`process "${options.name}"`, { exitCode, signal, lastLines }) };
    controls.ended(failure);
  });
  if (child.pid !== undefined) {
    survivors.add(child);
    options.onProcess?.(child);
  }
  void awaitReady(options, controls, running.signal);
  return {
    ask: () => {
      asked = true;
      child.kill(stopSignal);
    },
    kill: () => void child.kill('SIGKILL'),
    post: (message) => {
      if (child.connected) child.send(message as object, () => {}); // lost when it is going: its exit tells
    },
    gone: gone.promise,
  };
}

function watchOutput(
  child: ChildProcess,
  { options, controls, fail }: { options: ProcessOptions; controls: HostControls; fail: (error: unknown) => void },
): readonly string[] {
  const lastLines: string[] = [];
  for (const stream of ['stdout', 'stderr'] as const) {
    const readable = child[stream];
    if (!readable) continue;
    readLines(readable, (line) => {
      lastLines.push(line);
      if (lastLines.length > LAST_LINES_MAX) lastLines.shift();
      try {
        options.onLine?.(line, stream);
        if (options.readyWhen?.(line)) controls.ready();
      } catch (error) {
        fail(error);
      }
    });
  }
  return lastLines;
}

async function awaitReady(options: ProcessOptions, controls: HostControls, running: AbortSignal): Promise<void> {
  const { probe, probeEveryMs = 100 } = options;
  if (options.readyWhen || (options.ipc && !probe)) return;
  await Promise.resolve(); // not inside the actor's own start
  while (!running.aborted) {
    if (!probe || (await probe().catch(() => false))) {
      if (!running.aborted) controls.ready();
      return;
    }
    await sleep(controls.clock, probeEveryMs, running);
  }
}

function isBySignal(name: NodeJS.Signals, end: { exitCode: number | null; signal: string | null }): boolean {
  // A program that catches the signal says so with 128 + its number, as shells do.
  return end.signal === name || end.exitCode === 128 + constants.signals[name];
}

/** The processes that would outlive this one. */
class Survivors {
  readonly #children = new Set<ChildProcess>();
  readonly #killAll = (): void => {
    for (const child of this.#children) child.kill('SIGKILL');
  };

  add(child: ChildProcess): void {
    if (this.#children.size === 0) process.on('exit', this.#killAll);
    this.#children.add(child);
  }

  delete(child: ChildProcess): void {
    this.#children.delete(child);
    if (this.#children.size === 0) process.off('exit', this.#killAll);
  }
}

const survivors = new Survivors();
