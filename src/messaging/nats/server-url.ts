import { RotaError } from '../../kernel/error.ts';

/** What the URL of a server says. */
export interface ServerUrl {
  host: string;
  tls: boolean;
  user: string | undefined;
  password: string | undefined;
}

/** Reads `nats://host:port`, `tls://host:port` or `host:port`. @throws RotaError `invalid_config` */
export function readServer(text: string): ServerUrl {
  const [, scheme = 'nats', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/i.exec(text.trim()) ?? [];
  const lowered = scheme.toLowerCase();
  if ((lowered !== 'nats' && lowered !== 'tls') || rest === '') {
    throw notAServer(text);
  }
  try {
    const { host, username, password } = new URL(`nats://${rest}`);
    return {
      host,
      tls: lowered === 'tls',
      user: username === '' ? undefined : decodeURIComponent(username),
      password: password === '' ? undefined : decodeURIComponent(password),
    };
  } catch {
    // Without the cause, which holds the whole URL with its password.
    throw notAServer(text);
  }
}

function notAServer(text: string): RotaError {
  const shown = JSON.stringify(shownServers([text]));
  return new RotaError('invalid_config', `${shown} is no NATS server: use nats://host:port`);
}

/** Where servers are, without what else their URLs say. Port 4222 where they name none. */
export function serverAddresses(servers: readonly string[]): { host: string; port: number }[] {
  return servers.map((server) => {
    const { hostname, port } = new URL(`nats://${readServer(server).host}`);
    return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 4_222 : Number(port) };
  });
}

/**
 * Servers as they may be shown: without users and passwords. A password may hold a comma, so what is before an `@` goes up to
 * the scheme that it stands behind.
 */
export function shownServers(servers: readonly string[]): string {
  const hidden = servers.join(',').replace(/((?:^|,)\s*[a-z]+:\/\/)(?:(?!,\s*[a-z]+:\/\/).)*@/gis, '$1');
  return hidden
    .split(',')
    .map((url) => url.trim().replace(/^([a-z]+:\/\/)?.*@/is, '$1'))
    .join(',');
}
