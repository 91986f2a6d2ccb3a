import { MessageChannel } from 'node:worker_threads';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import type { Random } from '../../../src/kernel/identity.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { Bus } from '../../../src/messaging/bus.ts';
import { LocalRoute, type Route } from '../../../src/messaging/local/local-route.ts';
import { bridgePort } from '../../../src/messaging/local/port-bridge.ts';
import { PortBus } from '../../../src/messaging/local/port-bus.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { startNatsServer } from '../../support/nats-server.ts';
import type { BusWorld, Stranger } from './bus-conformance.ts';

export const subjects = new Subjects('jobs');

/** A broker to build worlds over. */
export interface Ground {
  connect(name: string, noEcho: boolean): Promise<Bus>;
  stranger: Stranger;
  outage: { begin(): Promise<void>; end(): Promise<void> };
  dispose(): Promise<void>;
}

/** The same numbers every time (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export async function memoryGround(): Promise<Ground> {
  const broker = new MemoryBroker({ clock, random: seeded(1) });
  return {
    connect: async (name, noEcho) => broker.connect({ name, subjects, noEcho }),
    stranger: {
      publish: (subject, reply) => broker.inject(subject, { body: Body.of({}, 'json') }, reply),
      async subscribe(subject, listener) {
        broker.connect({ name: 'stranger', subjects }).subscribe(subject, {}, (message) => listener(message.subject));
      },
    },
    outage: { begin: async () => broker.down(), end: async () => broker.up() },
    dispose: async () => {},
  };
}

/** A nats-server of its own for each world: outages must not touch others. */
export async function natsGround(): Promise<Ground> {
  const server = await startNatsServer({ jetStream: false });
  const buses: Bus[] = [];
  const stranger: NatsConnection = await connect({ servers: server.url, maxReconnectAttempts: -1 });
  return {
    async connect(name, noEcho) {
      const bus = await connectNats({ servers: [server.url], name, noEcho, clock, random: seeded(2), subjects });
      buses.push(bus);
      return bus;
    },
    stranger: {
      publish: (subject, reply) => stranger.publish(subject, '{}', { reply }),
      async subscribe(subject, listener) {
        stranger.subscribe(subject, { callback: (_error, msg) => listener(msg.subject) });
        await stranger.flush();
      },
    },
    outage: {
      async begin() {
        const down = Promise.all(buses.map((bus) => becomes(bus, 'down')));
        await server.stop('SIGKILL');
        await down;
      },
      end: () => server.restart(),
    },
    async dispose() {
      await stranger.close();
      await Promise.all(buses.map((bus) => bus.close()));
      await server.dispose();
    },
  };
}

function becomes(bus: Bus, state: Bus['state']): Promise<void> {
  return new Promise((resolve) => {
    if (bus.state === state) return resolve();
    const leave = bus.onState((now) => {
      if (now !== state) return;
      leave();
      resolve();
    });
  });
}

function worldOf(ground: Ground, buses: { near: Bus; far: Bus }, others: Bus[] = []): BusWorld {
  const { near, far } = buses;
  return {
    near,
    far,
    async settled() {
      // Twice: what the first flush brought to the broker may still be on its way to the other side.
      for (let round = 0; round < 2; round++) for (const bus of [near, far]) await bus.flush();
    },
    stranger: ground.stranger,
    outage: ground.outage,
    async dispose() {
      for (const bus of [near, far, ...others]) await bus.close();
      await ground.dispose();
    },
  };
}

/** Two endpoints of the broker itself. */
export async function directWorld(makeGround: () => Promise<Ground>): Promise<BusWorld> {
  const ground = await makeGround();
  return worldOf(ground, { near: await ground.connect('near', false), far: await ground.connect('far', false) });
}

async function routeOver(ground: Ground, name: string, route: Route): Promise<{ route: LocalRoute; remote: Bus }> {
  const remote = await ground.connect(name, route === 'local');
  const local = new LocalRoute({ route, clock, subjects });
  local.attach(remote);
  return { route: local, remote };
}

/** Both users on one route, as two parts of a process. */
export async function routeWorld(makeGround: () => Promise<Ground>, route: Route): Promise<BusWorld> {
  const ground = await makeGround();
  const here = await routeOver(ground, 'here', route);
  return worldOf(ground, { near: here.route, far: here.route }, [here.remote]);
}

/** Each user on a route of its own, as two processes. */
export async function twoRoutesWorld(makeGround: () => Promise<Ground>, route: Route): Promise<BusWorld> {
  const ground = await makeGround();
  const here = await routeOver(ground, 'here', route);
  const there = await routeOver(ground, 'there', route);
  return worldOf(ground, { near: here.route, far: there.route }, [here.remote, there.remote]);
}

/** One user or both behind a port, as a thread. */
export async function portWorld(
  makeGround: () => Promise<Ground>,
  behindPort: { near: boolean; far: boolean },
): Promise<BusWorld> {
  const ground = await makeGround();
  const { route, remote } = await routeOver(ground, 'here', 'local');
  const behind = (): Bus => {
    const { port1, port2 } = new MessageChannel();
    bridgePort(port1, route);
    return new PortBus(port2, { clock, subjects });
  };
  const near = behindPort.near ? behind() : route;
  const far = behindPort.far ? behind() : route;
  await Promise.all([becomes(near, 'up'), becomes(far, 'up')]);
  return worldOf(ground, { near, far }, [route, remote]);
}
