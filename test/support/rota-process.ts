import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import { programEnv } from './program-env.ts';

/** One JSON line of a node's log. */
export interface LogLine {
  level: number;
  msg: string;
  [field: string]: unknown;
}

export interface RotaProcessOptions {
  /** The program to run instead of the launcher. */
  program?: string;
  /** The config file that it runs; default `crash-config.ts` beside this file. */
  config?: string;
  /** A server of one's own instead of the embedded one. */
  nats?: string;
  /** Where its handlers write down what they did; default: a file of its own. */
  notesFile?: string;
  /** Settings by their environment variables; read again at each start. */
  env?: Record<string, string>;
}

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** What a handler wrote down. */
export interface Note {
  what: string;
  id: string;
  run: number;
}

/** What handlers wrote down in a file, in order. */
export function readNotes(file: string): Note[] {
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => {
    const [what = '', id = '', run] = line.split(' ');
    return { what, id, run: Number(run) };
  });
}

const HERE = fileURLToPath(new URL('.', import.meta.url));
const LAUNCHER = join(HERE, '../../bin/rota.js');

const FAST = {
  ...{ ROTA_LEASE: '2s', ROTA_BEAT: '500ms', ROTA_POLL: '200ms', ROTA_GRACE: '1s', ROTA_LEADER_LEASE: '2s' },
  ...{ ROTA_LOG_LEVEL: 'debug', ROTA_NODE: 'test' },
};

/** A whole node as a process of its own, on its own data folder and port, which it keeps over all its lives. */
export class RotaProcess {
  /** The data folder. */
  readonly folder: string;
  /** Where handlers write down what they did. */
  readonly notesFile: string;
  /** Where NATS is. */
  readonly url: string;
  /** Everything that it has logged in all its lives. */
  readonly lines: LogLine[] = [];
  /** What it wrote that is no log line. */
  readonly stray: string[] = [];
  readonly #options: RotaProcessOptions;
  readonly #watchers = new Set<() => void>();
  #child: ChildProcess | undefined;
  #exited: Promise<Exit> = Promise.resolve({ code: 0, signal: null });

  /** Prepares one on a free port; `start` starts it. */
  static async make(options: RotaProcessOptions = {}): Promise<RotaProcess> {
    return new RotaProcess(options, options.nats ?? `nats://127.0.0.1:${await freePort()}`);
  }

  private constructor(options: RotaProcessOptions, url: string) {
    this.#options = options;
    this.url = url;
    this.folder = mkdtempSync(join(tmpdir(), 'rota-process-'));
    this.notesFile = options.notesFile ?? join(this.folder, 'notes');
    writeFileSync(this.notesFile, '', { flag: 'a' });
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The process number of the embedded nats-server. */
  get natsPid(): number {
    const file = join(this.folder, 'nats', 'nats-server.pid');
    return existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  }

  /** Starts it, again on the same folder and port. Resolves when it says that it has started. */
  async start(): Promise<void> {
    await Promise.race([this.launch('started'), this.#failed()]);
  }

  /** Starts it without waiting for more than a first line with this message. */
  async launch(msg: string): Promise<LogLine> {
    const { program = LAUNCHER, config = join(HERE, 'crash-config.ts'), nats, env } = this.#options;
    const from = this.lines.length;
    const child = spawn(process.execPath, [program, 'start'], {
      cwd: this.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...programEnv(),
        ...FAST,
        ...{ ROTA_CONFIG: config, ROTA_DATA: this.folder, ROTA_TEST_NOTES: this.notesFile },
        ...{ ROTA_NATS: nats ?? this.url.replace('nats:', 'embedded:'), ...env },
      },
    });
    this.#child = child;
    const kill = (): void => void child.kill('SIGKILL');
    process.once('exit', kill);
    this.#exited = once(child, 'exit').then(([code, signal]) => {
      process.off('exit', kill);
      return { code, signal };
    });
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#read(line));
    }
    return this.line((line) => line.msg === msg, from);
  }

  /** Resolves with the first line that fits, from a place in {@link lines} on. */
  line(fits: (line: LogLine) => boolean, from = 0): Promise<LogLine> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.lines.slice(from).find(fits);
        if (found === undefined) return;
        this.#watchers.delete(look);
        resolve(found);
      };
      this.#watchers.add(look);
      look();
    });
  }

  /** Sends a signal to the node alone. */
  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  /** How its present life ends. */
  get exited(): Promise<Exit> {
    return this.#exited;
  }

  /** `kill -9` of the node alone: its nats-server is left behind. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.#exited;
  }

  /** What handlers wrote down: `start id run` and `end id run`, in order. */
  notes(): Note[] {
    return readNotes(this.notesFile);
  }

  /** Resolves when what handlers wrote down fits. */
  noted(fits: (notes: Note[]) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!fits(this.notes())) return;
        watcher.close();
        resolve();
      };
      const watcher = watch(this.notesFile, look);
      look();
    });
  }

  /** Ends whatever of it still lives, by process number, and removes its folder. */
  async dispose(): Promise<void> {
    if (this.running) await this.kill();
    const orphan = this.natsPid;
    if (orphan > 0 && commandOf(orphan).includes(this.folder)) process.kill(orphan, 'SIGKILL');
    // What its node started, and what outlived it, may still write there for a moment.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #failed(): Promise<never> {
    const { code, signal } = await this.#exited;
    throw new Error(`the node ended (${signal ?? code}) before it started:\n${this.#tail()}`);
  }

  #tail(): string {
    return [...this.lines.slice(-10).map((line) => JSON.stringify(line)), ...this.stray.slice(-20)].join('\n');
  }

  #read(line: string): void {
    try {
      this.lines.push(JSON.parse(line));
    } catch {
      this.stray.push(line);
    }
    for (const look of [...this.#watchers]) look();
  }
}

/** Whether a process number is of a living process that is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
