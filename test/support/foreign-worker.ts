import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('../worker/example.py', import.meta.url));

/** How long a worker may take to leave before it is ended, in milliseconds. */
const LEAVE_MS = 5_000;
/** How long a line may take to come, in milliseconds. */
const LINE_MS = 30_000;

/** The example worker in Python, as a process. It writes a line for each thing that happens to it. */
export class ForeignWorker {
  /** What it has written, oldest first. */
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #watchers = new Set<() => void>();

  /** Starts one for a queue; `graceSeconds` is how long its handlers may run on at a stop. */
  static async start(url: string, queue: string, graceSeconds = 10): Promise<ForeignWorker> {
    const worker = new ForeignWorker(url, queue, graceSeconds);
    await worker.line('ready');
    return worker;
  }

  private constructor(url: string, queue: string, graceSeconds: number) {
    const args = ['-B', PROGRAM, url, queue, String(graceSeconds), '--with-parent'];
    const child = spawn('python3', args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.#exited = once(child, 'exit').then(([code]) => code as number | null);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.lines.push(line);
        for (const look of [...this.#watchers]) look();
      });
    }
  }

  /** Resolves when it has written this line. Fails with all it wrote when it ends before, or takes `LINE_MS`. */
  async line(text: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.lines.includes(text)) resolve();
    };
    const fail = (why: string): void => reject(new Error(`${why} without "${text}":\n${this.lines.join('\n')}`));
    this.#watchers.add(look);
    look();
    this.#exited.then((code) => {
      look();
      fail(`the worker ended (${code})`);
    });
    const timer = setTimeout(fail, LINE_MS, `the worker went on for ${LINE_MS} ms`);
    await promise.finally(() => {
      clearTimeout(timer);
      this.#watchers.delete(look);
    });
  }

  /** Sends it a signal. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Its exit code once it has ended; null when a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  /**
   * Asks it to leave, also where it is frozen, and ends it when it does not. A worker that is killed while its claim
   * waits would be handed a later test's job.
   */
  async dispose(): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), LEAVE_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}
