import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/free-port.ts';
import { Keeper } from '../support/postgres/keeper.ts';
import { binPath, loadBin } from '../unit/setup/load-bin.ts';

const FOLDER = fileURLToPath(new URL('peers', import.meta.url));
const STAMP = join(FOLDER, 'node_modules', '.rota-bench');

interface Ended {
  code: number;
  output: string;
}
interface RunModule {
  run(command: string, args: string[], options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<Ended>;
}
interface DependenciesModule {
  lockHash(text: string): string;
  npmEnvironment(env: NodeJS.ProcessEnv, root: string): NodeJS.ProcessEnv;
}
interface ProgramModule {
  ensureProgram(program: unknown, machine: { say: (line: string) => void }): Promise<string>;
}

/** Installs what `peers/package-lock.json` names, if that is not what is there. Says what it does. */
export async function installPeers(say: (line: string) => void): Promise<void> {
  const { lockHash, npmEnvironment } = await loadBin<DependenciesModule>('setup/dependencies.js');
  const { run } = await loadBin<RunModule>('setup/run.js');
  const hash = lockHash(readFileSync(join(FOLDER, 'package-lock.json'), 'utf8'));
  if (readStamp() === hash) return;
  say('installing the peers (npm ci)');
  const { code, output } = await run('npm', ['ci'], {
    cwd: FOLDER,
    env: npmEnvironment(process.env, fileURLToPath(binPath('..'))),
  });
  if (code !== 0) throw new Error(`the peers could not be installed: ${output.trim()}`);
  writeFileSync(STAMP, hash);
}

function readStamp(): string | undefined {
  try {
    return readFileSync(STAMP, 'utf8');
  } catch {
    return undefined;
  }
}

const REDIS = {
  name: 'redis-server',
  packages: { apt: 'redis-server', brew: 'redis' },
  // Debian starts the package as a service at once. Nobody asked for one.
  afterApt: async (privileged: (command: string, args: string[]) => Promise<unknown>) => {
    if (existsSync('/run/systemd/system')) await privileged('systemctl', ['disable', '--now', 'redis-server']);
  },
  extra: ['/usr/bin', '/usr/local/bin', '/opt/homebrew/bin'],
  byHand: 'install it yourself (Debian or Ubuntu: "apt-get install redis-server"; macOS: "brew install redis")',
};

/** A Redis of our own on a free loopback port and in a folder of its own. */
export interface RedisServer {
  port: number;
  pid: number;
  version: string;
  dispose(): Promise<void>;
}

/**
 * Starts Redis with the append-only file and without snapshots, which would only cost it; all else is its default.
 * @param appendfsync `everysec` may lose a second of acknowledged jobs when the power fails, `always` none
 */
export async function startRedis(
  appendfsync: 'everysec' | 'always',
  say: (line: string) => void,
): Promise<RedisServer> {
  const { ensureProgram } = await loadBin<ProgramModule>('setup/system-program.js');
  const program = await ensureProgram(REDIS, { say });
  const port = await freePort();
  // It ends Redis and removes its folder, however this process ends.
  const keeper = new Keeper({ name: 'redis', account: undefined, signal: 'TERM' });
  const address = ['--port', String(port), '--bind', '127.0.0.1', '--dir', keeper.folder];
  const child = spawn(program, [...address, '--appendonly', 'yes', '--appendfsync', appendfsync, '--save', ''], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  keeper.keep(child.pid);
  try {
    return { port, pid: child.pid ?? 0, version: await versionOf(port, child), dispose: () => keeper.dispose() };
  } catch (error) {
    await keeper.dispose();
    throw error;
  }
}

/** Asks until it answers, which it does once it has started; fails with it. */
async function versionOf(port: number, child: ChildProcess): Promise<string> {
  while (child.exitCode === null && child.signalCode === null) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
      socket.write('INFO server\r\n');
      const [data] = (await once(socket, 'data')) as [Buffer];
      const version = /redis_version:(\S+)/.exec(data.toString())?.[1];
      if (version !== undefined) return version;
    } catch {
      // It does not listen yet.
    } finally {
      socket.destroy();
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`redis-server ended with code ${child.exitCode} before it answered`);
}
