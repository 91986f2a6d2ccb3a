import { AuthorizationError, ConnectionError, UserAuthenticationExpiredError } from '@nats-io/transport-node';
import type { Clock } from '../../kernel/clock.ts';
import { errorText, type Issue } from '../../kernel/error.ts';
import type { NatsSettings } from './nats-settings.ts';
import { serverAddresses } from './server-url.ts';
import { probeTls } from './tls-probe.ts';

/** What nats.js says, without a code, of a server that offers no TLS to one who wants it. */
const NO_TLS = "server does not support 'tls'";
/** Node's codes for a certificate of a server that no authority of ours vouches for. */
const UNTRUSTED = /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|CERT_SIGNATURE_|CERT_UNTRUSTED|CERT_REJECTED)/;
const OUT_OF_DATE = /^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/;
const OTHER_NAME = 'ERR_TLS_CERT_ALTNAME_INVALID';

/**
 * Why a server that is there does not let us in, as the option to look at; undefined when it is an outage or cannot be
 * told from one.
 * @param error what nats.js said
 */
export function refusalOf(error: unknown, settings: NatsSettings): Issue | undefined {
  if (error instanceof AuthorizationError || error instanceof UserAuthenticationExpiredError) {
    return credentialsIssue(settings, error.message);
  }
  if (error instanceof ConnectionError && error.message === NO_TLS) {
    return { path: 'tls', message: 'is wanted, but the server offers no TLS' };
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (UNTRUSTED.test(code)) return untrusted(settings, errorText(error));
  if (OUT_OF_DATE.test(code)) return { path: 'servers', message: `the server's certificate: ${errorText(error)}` };
  if (code === OTHER_NAME) {
    return { path: 'servers', message: `the server's certificate is for another name: ${errorText(error)}` };
  }
  return undefined;
}

/** The same for a server that does not answer in time, which is asked whether it wants a certificate. Never rejects. */
export async function silentRefusalOf(settings: NatsSettings, clock: Clock): Promise<Issue | undefined> {
  const tls = settings.tls ?? {};
  const probes = serverAddresses(settings.servers).map((address) => probeTls({ ...address, tls, clock }));
  for (const found of await Promise.all(probes)) {
    if (found === 'wants-certificate')
      return { path: 'tls.certFile', message: 'the server wants a certificate of ours' };
    if (found === 'refuses-certificate') {
      return { path: 'tls.certFile', message: 'the server does not accept this certificate of ours' };
    }
  }
  return undefined;
}

function credentialsIssue(settings: NatsSettings, text: string): Issue {
  const { user, token, credsFile, nkey, servers } = settings;
  const refused = (path: string, what: string): Issue => ({ path, message: `the server refuses ${what}: ${text}` });
  if (credsFile !== undefined) return refused('credsFile', 'these credentials, or they have expired');
  if (nkey !== undefined) return refused('nkey', 'this nkey');
  if (token !== undefined) return refused('token', 'this token');
  if (user !== undefined) return refused('password', 'this user and password');
  if (servers.some((server) => server.includes('@'))) return refused('servers', 'the user and password in the URL');
  return refused('user', 'who gives no credentials: it wants a user, token, nkey or credentials file');
}

function untrusted({ tls }: NatsSettings, text: string): Issue {
  const message =
    tls?.caFile === undefined
      ? `name the authority that signed the server's certificate: ${text}`
      : `this authority does not vouch for the server's certificate: ${text}`;
  return { path: 'tls.caFile', message };
}
