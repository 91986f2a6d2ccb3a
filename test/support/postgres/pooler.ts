import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../free-port.ts';
import { Keeper } from './keeper.ts';
import { pgbouncerProgram, serverAccount } from './programs.ts';

const run = promisify(execFile);

/** A pgbouncer in transaction mode, which dies with this process, however that ends. */
export interface Pooler {
  /** The same database as the same user, through the pooler. */
  readonly url: string;
  readonly port: number;
  /** Holds its configuration and log. */
  readonly folder: string;
  /** Stops it and removes its folder. */
  dispose(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const LOOK_EVERY_MS = 5;

/**
 * Starts a pooler in front of a database. Each transaction may get another connection to the server, and prepared
 * statements are not kept: what a session sets or prepares is not there for its next transaction.
 * @param url of a user who is asked for no password
 * @param options `poolSize`: connections to the server, default 4
 */
export async function startPooler(url: string, options: { poolSize?: number } = {}): Promise<Pooler> {
  const [program, account, port] = [await pgbouncerProgram(), await serverAccount(), await freePort()];
  const { stdout: version } = await run(program, ['--version']);
  const keeper = new Keeper({ name: 'pgbouncer', account, signal: 'TERM' });
  const configFile = join(keeper.folder, 'pgbouncer.ini');
  const logFile = join(keeper.folder, 'pgbouncer.log');
  writeFileSync(configFile, configOf(url, { port, poolSize: options.poolSize ?? 4, version }));
  const log = openSync(logFile, 'a');
  const child = spawn(program, [configFile], { ...account, cwd: '/', detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  keeper.keep(child.pid);
  const gone = once(child, 'exit').then(() => keeper.keep(undefined));
  const dispose = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await gone;
    await keeper.dispose();
  };
  const early = gone.then(() => {
    throw new Error(`pgbouncer did not start: ${readFileSync(logFile, 'utf8').trim()}`);
  });
  early.catch(() => {});
  try {
    await Promise.race([listening(port, () => child.exitCode === null), early]);
  } catch (error) {
    await dispose();
    throw error;
  }
  const through = new URL(url);
  through.host = `127.0.0.1:${port}`;
  return { url: through.href, port, folder: keeper.folder, dispose, [Symbol.asyncDispose]: dispose };
}

function configOf(url: string, options: { port: number; poolSize: number; version: string }): string {
  const { hostname, port, username, pathname } = new URL(url);
  // Releases from 1.21 on can keep prepared statements, and do from 1.24 on; older ones refuse the setting.
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(options.version) ?? [];
  const keepsNothing = Number(major) * 100 + Number(minor) >= 121 ? 'max_prepared_statements = 0' : '';
  // `auth_type = any` takes any user for the one that the database's line names.
  return `
[databases]
${pathname.slice(1)} = host=${hostname} port=${port || 5432} dbname=${pathname.slice(1)} user=${username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${options.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${options.poolSize}
max_client_conn = 500
${keepsNothing}
ignore_startup_parameters = extra_float_digits
`;
}

/** Waits until connections are taken. */
async function listening(port: number, runs: () => boolean): Promise<void> {
  while (runs() && !(await takesConnections(port))) await sleep(LOOK_EVERY_MS);
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const finish = (took: boolean): void => {
      socket.destroy();
      resolve(took);
    };
    socket.once('connect', () => finish(true));
    socket.once('error', () => finish(false));
  });
}
