import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, createSecureContext } from 'node:tls';
import {
  type Authenticator,
  credsAuthenticator,
  type NodeConnectionOptions,
  nkeyAuthenticator,
  nkeys,
} from '@nats-io/transport-node';
import { errorText, type Issue, RotaError } from '../../kernel/error.ts';
import { readServer, type ServerUrl } from './server-url.ts';

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
 * @throws RotaError `invalid_config` when a file of them cannot be used or a server's URL is none; its issues name the options
 */
export function natsConnectionOptions(settings: NatsSettings, reconnectDelayMs: () => number): NodeConnectionOptions {
  checkPairs(settings);
  checkTlsFiles(settings.tls ?? {});
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
  if (credsFile !== undefined) {
    const read = fileReader('credsFile', credsFile);
    if (!/-----BEGIN NATS USER JWT-----/.test(Buffer.from(read()).toString())) {
      throw unusable('credsFile', `${credsFile} is no credentials file: it holds no user JWT`);
    }
    found.push(credsAuthenticator(read));
  }
  if (nkey !== undefined) {
    const read = isSeed(nkey) ? () => Buffer.from(nkey) : fileReader('nkey', nkey);
    try {
      nkeys.fromSeed(read());
    } catch (cause) {
      const where = isSeed(nkey) ? 'this' : nkey;
      throw unusable('nkey', `${where} holds no nkey seed (SU…): ${errorText(cause)}`, cause);
    }
    found.push(nkeyAuthenticator(read));
  }
  return found;
}

function isSeed(text: string): boolean {
  return /^S[A-Z2-7]{57}$/.test(text);
}

/** Reads a file afresh each time, and what it held last when it cannot: an authenticator must never throw. */
function fileReader(option: string, path: string): () => Uint8Array {
  const read = (): Uint8Array => {
    const text = readFileSync(path, 'utf8').trim();
    return Buffer.from(text.startsWith('-') ? `${text}\n` : text);
  };
  let last: Uint8Array;
  try {
    last = read();
  } catch (cause) {
    throw unusable(option, `cannot be read: ${errorText(cause)}`, cause);
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

/** What only makes sense together. */
function checkPairs({ user, password, tls, servers }: NatsSettings): void {
  if (password !== undefined && user === undefined && !servers.some((server) => server.includes('@'))) {
    throw unusable('user', 'is missing: a password is given');
  }
  if (tls?.certFile !== undefined && tls.keyFile === undefined)
    throw unusable('tls.keyFile', 'is missing: a certificate is given');
  if (tls?.keyFile !== undefined && tls.certFile === undefined)
    throw unusable('tls.certFile', 'is missing: a key is given');
}

/** nats.js would find these faults at each connect anew, where they look like an outage. */
function checkTlsFiles({ caFile, certFile, keyFile }: NatsSettings['tls'] & object): void {
  const contentOf = (option: string, path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      throw unusable(option, `cannot be read: ${errorText(cause)}`, cause);
    }
  };
  const certificate = (option: string, path: string): string => {
    const text = contentOf(option, path);
    try {
      new X509Certificate(text);
    } catch (cause) {
      throw unusable(option, `${path} holds no certificate in PEM: ${errorText(cause)}`, cause);
    }
    return text;
  };
  if (caFile !== undefined) certificate('tls.caFile', caFile);
  if (certFile === undefined || keyFile === undefined) return;
  const cert = certificate('tls.certFile', certFile);
  const key = contentOf('tls.keyFile', keyFile);
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    throw unusable('tls.keyFile', `${keyFile} is no key of the certificate ${certFile}: ${errorText(cause)}`, cause);
  }
}

function unusable(path: string, message: string, cause?: unknown): RotaError {
  const issues: Issue[] = [{ path, message }];
  return new RotaError('invalid_config', `the NATS credentials cannot be used: ${message}`, { issues, cause });
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
