import { describe, expect, test } from 'vitest';
import { hostAndPort, loopbackAddress } from '../../../src/actors/nats-server/listen-address.ts';

describe('the address of the embedded server', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.200.3.4', '127.200.3.4'],
    ['localhost', '127.0.0.1'],
    ['LocalHost', '127.0.0.1'],
    ['::1', '::1'],
    ['[::1]', '::1'],
    ['0:0:0:0:0:0:0:1', '0:0:0:0:0:0:0:1'],
  ])('may be %s', (host, address) => expect(loopbackAddress(host)).toBe(address));

  test.each(['0.0.0.0', '::', '[::]', '10.0.0.1', '128.0.0.1', '127.1', '127.0.0.1.example.org', 'example.org', ''])(
    'may not be "%s"',
    (host) => expect(() => loopbackAddress(host)).toThrow(/this machine only/),
  );

  test('is written with a port as in a URL', () => {
    expect(hostAndPort('127.0.0.1', 4222)).toBe('127.0.0.1:4222');
    expect(hostAndPort('::1', 4222)).toBe('[::1]:4222');
  });
});
