import { connect, createServer } from 'node:net';
import type { Clock } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import { hostAndPort } from './listen-address.ts';

/** What is listening on a port: a nats-server, which greets everyone, or something else. */
export type Answerer =
  | { readonly kind: 'nats-server'; readonly version: string; readonly name: string }
  | { readonly kind: 'unknown' };

/** A nats-server greets at once; who says nothing for this long is none, in milliseconds. */
const GREETING_MS = 1_000;
/** A longer greeting is no nats-server's; in characters. */
const GREETING_LENGTH_MAX = 65_536;

/**
 * Makes sure that a server can listen on a port.
 * @param options `port` 0 chooses a free one
 * @returns the port
 * @throws {RotaError} `invalid_config` that says what answers there and what to do
 */
export async function freePort(options: { address: string; port: number; clock: Clock }): Promise<number> {
  const { address, port, clock } = options;
  const answerer = port === 0 ? undefined : await askPort({ address, port, clock });
  if (answerer) throw new RotaError('invalid_config', takenText(answerer, { address, port }));
  return await tryListening(address, port);
}

/** Connects and reads the greeting (`INFO {…}`). Undefined when nobody listens. */
export function askPort(options: { address: string; port: number; clock: Clock }): Promise<Answerer | undefined> {
  const { address, port, clock } = options;
  return new Promise((resolve) => {
    let greeting = '';
    let connected = false;
    const socket = connect({ host: address, port });
    const finish = (answerer: Answerer | undefined): void => {
      clock.clearTimeout(timer);
      socket.destroy();
      resolve(answerer);
    };
    const ended = (): void => finish(connected ? answererOf(greeting) : undefined);
    const timer = clock.setTimeout(ended, GREETING_MS);
    socket.setEncoding('utf8');
    socket.on('connect', () => {
      connected = true;
    });
    socket.on('data', (chunk: string) => {
      greeting += chunk;
      if (greeting.includes('\n') || greeting.length > GREETING_LENGTH_MAX) finish(answererOf(greeting));
    });
    socket.on('error', ended);
    socket.on('close', ended);
  });
}

/** Reads a greeting. */
export function answererOf(greeting: string): Answerer {
  const line = greeting.split('\n', 1)[0] ?? '';
  if (!line.startsWith('INFO ')) return { kind: 'unknown' };
  try {
    const info: unknown = JSON.parse(line.slice('INFO '.length));
    if (typeof info !== 'object' || info === null || !('version' in info)) return { kind: 'unknown' };
    const name = 'server_name' in info ? String(info.server_name) : '';
    return { kind: 'nats-server', version: String(info.version), name };
  } catch {
    return { kind: 'unknown' };
  }
}

function takenText(answerer: Answerer, at: { address: string; port: number }): string {
  const where = hostAndPort(at.address, at.port);
  const taken = `the embedded nats-server cannot listen on ${where}:`;
  if (answerer.kind === 'unknown') {
    return `${taken} an unknown program answers there; end it, or ${anotherPort(at.address)}`;
  }
  const name = answerer.name === '' ? '' : ` named "${answerer.name}"`;
  const useIt = `use that one with --nats nats://${where}`;
  return `${taken} nats-server ${answerer.version}${name} answers there; ${useIt}, or ${anotherPort(at.address)}`;
}

function anotherPort(address: string): string {
  return `choose another port with --nats embedded://${hostAndPort(address, 'PORT')}`;
}

/** Listens for a moment: finds a port that is bound but silent, forbidden, or of an address that is not here. */
function tryListening(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const why = `the embedded nats-server cannot listen on ${hostAndPort(address, port)}: ${errorText(error)}`;
      reject(new RotaError('invalid_config', `${why}; ${anotherPort(address)}`, { cause: error }));
    });
    server.listen({ host: address, port, exclusive: true }, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : port));
    });
  });
}
