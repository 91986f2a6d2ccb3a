import { createServer, connect as dial, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Bus, BusState } from '../../../src/messaging/bus.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seeded } from '../../conformance/messaging/bus-worlds.ts';
import { startNatsServer } from '../../support/nats-server.ts';

const SEED = Number(process.env.ROTA_SEED ?? 20_261_122);
const ROUNDS = 150;
const subjects = new Subjects('jobs');

/** A way to a server that breaks after a number of bytes; what comes beyond is lost, as on a cut cable. */
async function cuttable(port: number) {
  const pairs = new Set<[Socket, Socket]>();
  let leftBytes = Number.POSITIVE_INFINITY;
  const cut = (): void => {
    leftBytes = Number.POSITIVE_INFINITY;
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  const proxy = createServer((near) => {
    const far = dial(port, '127.0.0.1');
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      for (const socket of pair) socket.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    far.on('data', (bytes) => near.write(bytes));
    near.on('data', (bytes) => {
      if (bytes.length < leftBytes) {
        leftBytes -= bytes.length;
        far.write(bytes);
        return;
      }
      // What went before has been written; it arrives, then the end does.
      far.end(bytes.subarray(0, leftBytes));
      leftBytes = Number.POSITIVE_INFINITY;
      near.destroy();
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  return {
    url: `nats://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    cutAfter: (bytes: number) => {
      leftBytes = bytes;
    },
    async close() {
      cut();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}

function becomes(bus: Bus, wanted: BusState): Promise<void> {
  if (bus.state === wanted) return Promise.resolve();
  return new Promise((resolve) => {
    const leave = bus.onState((state) => {
      if (state !== wanted) return;
      leave();
      resolve();
    });
  });
}

test(`what a flush vouched for has reached the broker, wherever the connection breaks (seed ${SEED})`, async () => {
  const random = seeded(SEED);
  await using server = await startNatsServer({ jetStream: false });
  const way = await cuttable(server.port);
  const far = await connectNats({ servers: [server.url], clock, random, subjects });
  const near = await connectNats({ servers: [way.url], clock, random: () => 0, subjects, noEcho: true });
  const route = new LocalRoute({ route: 'local', clock, subjects });
  route.attach(near);
  const seen = new Set<unknown>();
  far.subscribe('jobs.truth', {}, (message) => void seen.add(message.body.value));
  await far.flush();
  const vouched: string[] = [];
  let refused = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const names = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, n) => `${round}.${n}`);
    // Sometimes the connection breaks and mends between publish and flush: a first publish has over 25 bytes.
    const between = random() < 0.1;
    const broken = between ? becomes(route, 'down') : Promise.resolve();
    if (between) way.cutAfter(Math.floor(random() * 25));
    else if (random() < 0.4) way.cutAfter(Math.floor(random() * 250));
    for (const name of names) route.publish('jobs.truth', { body: Body.of(name, 'json') });
    await broken;
    if (between) await becomes(route, 'up');
    try {
      await route.flush();
      vouched.push(...names);
    } catch {
      refused += 1;
      await becomes(route, 'up');
    }
  }
  await far.flush();
  expect(vouched.filter((name) => !seen.has(name))).toEqual([]);
  expect(vouched.length).toBeGreaterThan(ROUNDS / 2);
  expect(refused).toBeGreaterThan(10);
  for (const bus of [route, near, far]) await bus.close();
  await way.close();
});
