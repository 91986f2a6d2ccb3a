import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { answererOf, askPort, freePort } from '../../../src/actors/nats-server/port-check.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { startNatsServer } from '../../support/nats-server.ts';
import { fastClock } from './world.ts';

const address = '127.0.0.1';

/** Something on a port, which does this with each caller. */
async function program(greet: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    greet(socket);
  });
  server.listen(0, address);
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : 0;
}

describe('the port of the embedded server', () => {
  test('is chosen when it is 0, and kept when it is free', async () => {
    const port = await freePort({ address, port: 0, clock: systemClock });
    expect(port).toBeGreaterThan(0);
    expect(await freePort({ address, port, clock: systemClock })).toBe(port);
    expect(await askPort({ address, port, clock: systemClock })).toBeUndefined();
  });

  test('is refused when a nats-server answers, with its version and the flag that uses it', async () => {
    await using server = await startNatsServer({ jetStream: false, config: 'server_name: "theirs"' });
    const refused = freePort({ address, port: server.port, clock: systemClock });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_config' });
    await expect(refused).rejects.toThrow(
      new RegExp(
        `nats-server \\d+\\.\\d+\\.\\d+ named "theirs" answers there; use that one with ` +
          `--nats ${server.url}, or choose another port with --nats embedded://127\\.0\\.0\\.1:PORT$`,
      ),
    );
  });

  test.each<[string, (socket: Socket) => void]>([
    ['is silent', () => {}],
    ['hangs up', (socket) => socket.destroy()],
    ['speaks first, but not NATS', (socket) => socket.write('220 mail.example.org ESMTP\r\n')],
    ['talks without end', (socket) => socket.write('x'.repeat(100_000))],
  ])('is refused when a program answers that %s', async (_what, greet) => {
    const port = await program(greet);
    const refused = freePort({ address, port, clock: fastClock });
    await expect(refused).rejects.toThrow(/an unknown program answers there; end it, or choose another port/);
  });

  test('is refused on an address that this machine does not have', async () => {
    const refused = freePort({ address: '192.0.2.1', port: 0, clock: systemClock });
    await expect(refused).rejects.toMatchObject({ code: 'invalid_config', message: /EADDRNOTAVAIL.*another port/ });
  });

  test.each([
    ['INFO {"version":"2.9.10","server_name":"a"}\r\n', { kind: 'nats-server', version: '2.9.10', name: 'a' }],
    ['INFO {"version":"2.0.0"}\r\n', { kind: 'nats-server', version: '2.0.0', name: '' }],
    ['INFO {"version":', { kind: 'unknown' }],
    ['INFO null\r\n', { kind: 'unknown' }],
    ['HTTP/1.1 400 Bad Request\r\n', { kind: 'unknown' }],
    ['', { kind: 'unknown' }],
  ])('greeting %j is %j', (greeting, answerer) => expect(answererOf(greeting)).toEqual(answerer));
});
