import type { Clock } from '../../kernel/clock.ts';
import type { Logger } from '../../kernel/log.ts';
import { hostAndPort, loopbackAddress } from './listen-address.ts';
import { serverArgs, stopOrphan } from './orphan.ts';
import { freePort } from './port-check.ts';
import { findServerProgram } from './program.ts';
import { canSyncEachWrite, prepareServerFiles, writeServerConfig } from './server-config.ts';

/** What the embedded server is to be. */
export interface NatsServerOptions {
  /** A loopback address, or `localhost`. */
  readonly host: string;
  /** 0 chooses a free one. */
  readonly port: number;
  /** The server's files go to `<dataFolder>/nats`. The caller holds the lock of this folder. */
  readonly dataFolder: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The program; default `nats-server`, on the PATH or where packages put it. */
  readonly command?: string;
}

/** A server that can be started, as often as need be, always on the same port and data. */
export interface PreparedServer {
  /** The program's full path. */
  readonly command: string;
  readonly args: readonly string[];
  readonly version: string;
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly configFile: string;
  /** Holds the server's process number once it runs. */
  readonly pidFile: string;
}

/**
 * Gets everything ready for an embedded nats-server: finds the program, stops a server that a killed parent left behind,
 * makes sure that the port is free, and writes the config file. Starts nothing.
 * @throws {RotaError} `invalid_config` that says what is in the way and what to do
 */
export async function prepareNatsServer(options: NatsServerOptions): Promise<PreparedServer> {
  const { dataFolder, clock, log } = options;
  const address = loopbackAddress(options.host);
  const { command, version } = await findServerProgram(options.command);
  const files = prepareServerFiles(dataFolder);
  const { configFile, pidFile } = files;
  await stopOrphan({ configFile, pidFile, clock, log });
  const port = await freePort({ address, port: options.port, clock });
  writeServerConfig({ address, port, version, files });
  if (!canSyncEachWrite(version)) {
    log.warn(
      { version },
      `nats-server ${version} cannot sync each write: an acknowledged durable intake message survives kill -9, but not ` +
        'power loss; version 2.10 or later can',
    );
  }
  const url = `nats://${hostAndPort(address, port)}`;
  return { command, args: serverArgs(configFile), version, url, configFile, pidFile };
}
