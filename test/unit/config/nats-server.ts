import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Whether a `nats-server` can be run on this machine. */
export const hasNatsServer = spawnSync('nats-server', ['--version']).status === 0;

export interface TestServer extends AsyncDisposable {
  servers: string;
  stop(): Promise<void>;
}

/** A real nats-server on a port that it chose itself, ended (by its pid) and waited for when the scope ends. */
export async function startNatsServer(folder: string, options: { jetstream: boolean }): Promise<TestServer> {
  const jetstream = options.jetstream ? ['--jetstream', '--store_dir', join(folder, 'jetstream')] : [];
  const child = spawn('nats-server', ['--addr', '127.0.0.1', '--port', '-1', ...jetstream], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await exited;
  };
  let servers = '';
  const output: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    output.push(line);
    servers = /Listening for client connections on (\S+)/.exec(line)?.[1] ?? servers;
    if (!line.includes('Server is ready')) continue;
    child.stderr.resume();
    return { servers, stop, [Symbol.asyncDispose]: stop };
  }
  await stop();
  throw new Error(`nats-server ended before it was ready:\n${output.join('\n')}`);
}
