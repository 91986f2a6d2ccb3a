import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface NatsServerOptions {
  /** Lines of nats-server configuration (authorization, max_payload, tls, …). */
  config?: string;
  /** Default true. */
  jetStream?: boolean;
  /** A port that was free before; default: any free one. */
  port?: number;
  /** The store folder of another server that was stopped; default: a fresh one, removed at `dispose`. */
  storeFolder?: string;
}

/** A real nats-server on a free loopback port, which dies with this process, however that ends. */
export interface TestNatsServer {
  readonly port: number;
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly pid: number;
  readonly storeFolder: string;
  /** Stops it by its process id: `SIGTERM` as an operator would, `SIGKILL` as a crash would. Resolves when it has gone. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts it again on the same port and store, if need be stops it first. Resolves when it takes connections. */
  restart(config?: string): Promise<void>;
  /** Freezes and thaws it (SIGSTOP, SIGCONT): connections stay open and nothing comes. */
  freeze(): void;
  thaw(): void;
  /** Stops it and removes its folders. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** How long a frozen server may take to stand still, in milliseconds. */
const FREEZE_MS = 2_000;

/** Whether all threads of a process stand still; where the machine does not tell, they are taken to. */
function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every((task) => {
    const stat = readFileSync(join(tasks, task, 'stat'), 'utf8');
    return stat.at(stat.lastIndexOf(')') + 2) === 'T';
  });
}

/**
 * Holds the server's life to ours: the pipe on descriptor 3 closes when this process dies, even by SIGKILL, and then
 * the guard kills the server.
 */
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -9 $server 2>/dev/null; } &
guard=$!
wait $server
code=$?
kill $guard 2>/dev/null
exit $code
`;

/** Starts one. Rejects with its log when it does not come up. */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<TestNatsServer> {
  const folder = mkdtempSync(join(tmpdir(), 'rota-nats-'));
  const server = new Server(folder, options);
  await server.start();
  return server;
}

class Server implements TestNatsServer {
  readonly storeFolder: string;
  readonly #folder: string;
  readonly #jetStream: boolean;
  #config: string;
  #port: number | undefined;
  #pid = 0;
  #child: ChildProcess | undefined;
  #gone: Promise<unknown> = Promise.resolve();

  constructor(folder: string, options: NatsServerOptions) {
    this.#folder = folder;
    this.#config = options.config ?? '';
    this.#jetStream = options.jetStream ?? true;
    this.#port = options.port;
    this.storeFolder = options.storeFolder ?? join(folder, 'store');
  }

  get port(): number {
    if (this.#port === undefined) throw new Error('the server has not started');
    return this.#port;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#pid;
  }

  async start(): Promise<void> {
    const configFile = join(this.#folder, 'server.conf');
    const logFile = join(this.#folder, 'server.log');
    const portsFolder = mkdtempSync(join(this.#folder, 'ports-'));
    writeFileSync(configFile, this.#config);
    const args = ['-c', configFile, '-a', '127.0.0.1', '-p', String(this.#port ?? -1), '-l', logFile];
    args.push('--ports_file_dir', portsFolder, ...(this.#jetStream ? ['-js', '-sd', this.storeFolder] : []));
    const child = spawn('sh', ['-c', GUARD, 'guard', 'nats-server', ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
    this.#child = child;
    this.#gone = once(child, 'exit').then(() => child.stdin?.destroy());
    const early = this.#gone.then(() => {
      throw new Error(`nats-server did not start: ${readLog(logFile)}`);
    });
    const { pid, port } = await Promise.race([portsFile(portsFolder), early]);
    early.catch(() => {});
    this.#pid = pid;
    this.#port = port;
    await Promise.race([listening(port), early]);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    if (this.#child?.exitCode === null && this.#child.signalCode === null) process.kill(this.#pid, signal);
    await this.#gone;
  }

  async restart(config?: string): Promise<void> {
    await this.stop();
    this.#config = config ?? this.#config;
    await this.start();
  }

  freeze(): void {
    process.kill(this.#pid, 'SIGSTOP');
    // On a busy machine its threads go on until the signal has reached each of them.
    const until = performance.now() + FREEZE_MS;
    while (!isStopped(this.#pid) && performance.now() < until);
  }

  thaw(): void {
    process.kill(this.#pid, 'SIGCONT');
  }

  async dispose(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Waits for the file that nats-server writes once it listens: `nats-server_<pid>.ports`. */
function portsFile(folder: string): Promise<{ pid: number; port: number }> {
  return new Promise((resolve) => {
    const look = (): void => {
      const name = readdirSync(folder).find((entry) => entry.endsWith('.ports'));
      const text = name === undefined ? '' : readFileSync(join(folder, name), 'utf8');
      const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      const pid = /_(\d+)\.ports$/.exec(name ?? '')?.[1];
      if (port === undefined || pid === undefined) return;
      watcher.close();
      resolve({ pid: Number(pid), port: Number(port) });
    };
    const watcher = watch(folder, look);
    watcher.unref();
    look();
  });
}

/** The port takes connections when a first one has been greeted. */
function listening(port: number): Promise<void> {
  return new Promise((resolve) => {
    const attempt = (): void => {
      const socket = connect(port, '127.0.0.1');
      socket.once('data', () => {
        socket.destroy();
        resolve();
      });
      socket.once('error', () => setImmediate(attempt));
    };
    attempt();
  });
}

function readLog(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim().split('\n').slice(-5).join('\n');
  } catch {
    return '(it wrote no log)';
  }
}
