import { BlockList, isIP, isIPv6 } from 'node:net';
import { RotaError } from '../../kernel/error.ts';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * The address to listen on. The embedded server asks nobody for a password, so it is for this machine only.
 * @param host an address (an IPv6 one with or without brackets) or `localhost`, which is 127.0.0.1
 * @throws {RotaError} `invalid_config` for anything but 127.0.0.0/8, ::1 and localhost
 */
export function loopbackAddress(host: string): string {
  const address = host.toLowerCase() === 'localhost' ? '127.0.0.1' : host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) !== 0 && loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) return address;
  throw new RotaError(
    'invalid_config',
    `the embedded nats-server listens on this machine only: "${host}" is neither in 127.0.0.0/8 nor ::1 nor localhost; ` +
      'for other machines run a nats-server of your own and name it with --nats nats://HOST:4222',
  );
}

/** `127.0.0.1:4222`, `[::1]:4222`; the port may be a word that stands for one. */
export function hostAndPort(address: string, port: number | 'PORT'): string {
  return `${isIPv6(address) ? `[${address}]` : address}:${port}`;
}
