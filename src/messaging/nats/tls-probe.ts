import { readFileSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { connect as secure } from 'node:tls';
import { isRecord } from '../../kernel/check.ts';
import { type Clock, sleep } from '../../kernel/clock.ts';

/** Which server is asked, and with what of our own it is greeted. */
export interface TlsProbeOptions {
  host: string;
  port: number;
  tls: { certFile?: string; keyFile?: string };
  clock: Clock;
}

/** What a probe found: the server wants a certificate and we have none, it refused ours, or neither can be said. */
export type TlsProbeResult = 'wants-certificate' | 'refuses-certificate' | 'unknown';

/** How long a probe may take, in milliseconds. */
const PROBE_MS = 2_000;

/**
 * Finds out whether a server that does not answer over TLS does so for our certificate's sake. With TLS 1.3 it says that
 * after the handshake, where nats.js does not listen: its connect then runs into its time-out. Never rejects.
 */
export async function probeTls({ host, port, tls, clock }: TlsProbeOptions): Promise<TlsProbeResult> {
  const over = new AbortController();
  const socket = dial(port, host);
  try {
    return await Promise.race([judge(socket, tls), sleep(clock, PROBE_MS, over.signal).then(() => 'unknown' as const)]);
  } catch {
    return 'unknown';
  } finally {
    over.abort();
    socket.destroy();
  }
}

async function judge(socket: Socket, { certFile, keyFile }: TlsProbeOptions['tls']): Promise<TlsProbeResult> {
  const info = await greeting(socket);
  if (info.tls_verify !== true) return 'unknown';
  if (certFile === undefined || keyFile === undefined) return 'wants-certificate';
  const cert = readFileSync(certFile);
  const key = readFileSync(keyFile);
  return new Promise((resolve) => {
    // Nothing secret goes over it: whether the server is the right one is not what is asked here.
    const secured = secure({ socket, cert, key, rejectUnauthorized: false });
    secured.on('error', () => resolve('refuses-certificate'));
    secured.on('close', () => resolve('unknown'));
    secured.resume();
  });
}

/** The server's first line: `INFO {…}`. */
function greeting(socket: Socket): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let text = '';
    const read = (chunk: Buffer): void => {
      text += chunk.toString();
      const end = text.indexOf('\r\n');
      if (end < 0) return;
      socket.off('data', read);
      socket.pause();
      try {
        const info: unknown = JSON.parse(text.slice(text.indexOf('{'), end));
        resolve(isRecord(info) ? info : {});
      } catch (error) {
        reject(error);
      }
    };
    socket.on('data', read);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('it was closed')));
  });
}
