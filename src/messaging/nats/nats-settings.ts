import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity } from 'node:tls';
import {
  type Authenticator,
  credsAuthenticator,
  type NodeConnectionOptions,
  nkeyAuthenticator,
} from '@nats-io/transport-node';
import { errorText, RotaError } from '../../kernel/error.ts';

/** Where the NATS servers are and how to be let in. */
export interface NatsSettings {
  /** `nats://host:port`, `tls://host:port` or `host:port`; a user and password in a URL count for all of them. */
  servers: readonly string[];
  /** What the server's monitoring shows for this connection. */
  name?: string;
  user?: string;
  password?: string;
  token?: string;
  /** The path of a credentials file (JWT and seed), read again at each connect. */
  credsFile?: string;
  /** An nkey seed (`SU…`), or the path of a file that holds one, read again at each connect. */
  nkey?: string;
  /** Files in PEM. Any of them, or a `tls://` server, makes TLS required. */
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
  /** The first tokens of our reply subjects. Default `_INBOX`. */
  inboxPrefix?: string;
}

/** A connection that has heard nothing is asked after this long, in milliseconds; twice unanswered, it is dead. */
const PING_INTERVAL_MS = 5_000;
const PINGS_UNANSWERED_MAX = 2;

/**
 * Our settings in nats.js's words. Reconnects are unlimited, and being refused does not end them: a password may be
 * mended at the server.
 * @param reconnectDelayMs how long to wait before a server is tried again
 * @throws RotaError `invalid_config` when a credentials file cannot be read or a server's URL is none
 */
export function natsConnectionOptions(settings: NatsSettings, reconnectDelayMs: () => number): NodeConnectionOptions {
  const urls = settings.servers.map(readServer);
  const user = settings.user ?? urls.find(({ user }) => user !== undefined)?.user;
  const pass = settings.password ?? urls.find(({ password }) => password !== undefined)?.password;
  const secure = settings.tls !== undefined || urls.some((url) => url.tls);
  const tls = secure ? { tls: tlsOptions(settings.tls, urls) } : {};
  return {
    servers: urls.map(({ host }) => host),
    ...(settings.name === undefined ? {} : { name: settings.name }),
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(settings.token === undefined ? {} : { token: settings.token }),
    ...(settings.inboxPrefix === undefined ? {} : { inboxPrefix: settings.inboxPrefix }),
    authenticator: authenticators(settings),
    ...tls,
    reconnect: true,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: reconnectDelayMs,
    ignoreAuthErrorAbort: true,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_UNANSWERED_MAX,
    // Keeping a stack for each request costs more than the request.
    noAsyncTraces: true,
  };
}

function authenticators({ credsFile, nkey }: NatsSettings): Authenticator[] {
  const found: Authenticator[] = [];
  if (credsFile !== undefined) found.push(credsAuthenticator(fileReader(credsFile)));
  if (nkey !== undefined) found.push(nkeyAuthenticator(isSeed(nkey) ? () => Buffer.from(nkey) : fileReader(nkey)));
  return found;
}

function isSeed(text: string): boolean {
  return /^S[A-Z2-7]{57}$/.test(text);
}

/** Reads a file afresh each time, and what it held last when it cannot: an authenticator must never throw. */
function fileReader(path: string): () => Uint8Array {
  const read = (): Uint8Array => {
    const text = readFileSync(path, 'utf8').trim();
    return Buffer.from(text.startsWith('-') ? `${text}\n` : text);
  };
  let last: Uint8Array;
  try {
    last = read();
  } catch (cause) {
    throw new RotaError('invalid_config', `cannot read the NATS credentials in ${path}: ${errorText(cause)}`, {
      cause,
    });
  }
  return () => {
    try {
      last = read();
    } catch {
      // It is being replaced, or gone: try with what it held.
    }
    return last;
  };
}

/**
 * nats.js hands these to Node as they are. For a server named by its address it gives Node no name to check, so that
 * Node takes `localhost`: a certificate is then also right when it is one for an address that we were given.
 */
function tlsOptions(files: NatsSettings['tls'], urls: readonly ServerUrl[]): NodeConnectionOptions['tls'] & object {
  const addresses = urls.map(({ host }) => new URL(`nats://${host}`).hostname.replace(/^\[|\]$/g, '')).filter(isIP);
  const identity: Pick<ConnectionOptions, 'checkServerIdentity'> = {
    checkServerIdentity(host, certificate) {
      const refusal = checkServerIdentity(host, certificate);
      if (refusal === undefined || host !== 'localhost') return refusal;
      const fits = addresses.some((address) => checkServerIdentity(address, certificate) === undefined);
      return fits ? undefined : refusal;
    },
  };
  return { ...files, ...identity };
}

interface ServerUrl {
  host: string;
  tls: boolean;
  user: string | undefined;
  password: string | undefined;
}

function readServer(text: string): ServerUrl {
  const [, scheme = 'nats', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/i.exec(text.trim()) ?? [];
  const lowered = scheme.toLowerCase();
  if ((lowered !== 'nats' && lowered !== 'tls') || rest === '') {
    throw new RotaError('invalid_config', `${JSON.stringify(text)} is no NATS server: use nats://host:port`);
  }
  try {
    const { host, username, password } = new URL(`nats://${rest}`);
    return {
      host,
      tls: lowered === 'tls',
      user: username === '' ? undefined : decodeURIComponent(username),
      password: password === '' ? undefined : decodeURIComponent(password),
    };
  } catch (cause) {
    throw new RotaError('invalid_config', `${JSON.stringify(text)} is no NATS server: use nats://host:port`, { cause });
  }
}
