import { MessageChannel, Worker } from 'node:worker_threads';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { systemRandom as random } from '../../src/kernel/identity.ts';
import type { Bus } from '../../src/messaging/bus.ts';
import { LocalRoute } from '../../src/messaging/local/local-route.ts';
import { bridgePort } from '../../src/messaging/local/port-bridge.ts';
import { connectNats } from '../../src/messaging/nats/connect-nats.ts';
import { answer, ask } from '../../src/messaging/reply.ts';
import { Subjects } from '../../src/messaging/subjects.ts';
import { startNatsServer } from '../support/nats-server.ts';

/** What one request with its answer takes on a route, in microseconds. */
export interface BusHopResult {
  route: 'local' | 'port' | 'nats';
  /** One request at a time. */
  singleUs: number;
  /** A thousand under way. */
  thousandUs: number;
}

const subjects = new Subjects('jobs');
/** About what a settlement is: 120 bytes of MessagePack. */
const VALUE = {
  worker: '0199c0de-0000-7000-8000-000000000001',
  outcomes: [{ id: '0199c0de-0000-7000-8000-000000000002', attempt: 1, run: 7, outcome: 'complete' }],
};

/** Measures a request of about 120 bytes, and its echo, in the same thread, to another thread and over a real server. */
export async function busHop(): Promise<BusHopResult[]> {
  return [await localHop(), await portHop(), await natsHop()];
}

async function localHop(): Promise<BusHopResult> {
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  bus.subscribe('jobs.echo', { group: 'echo' }, (message) => answer(message, message.body.value));
  const result = await measure('local', bus, 200_000);
  await bus.close();
  return result;
}

async function portHop(): Promise<BusHopResult> {
  const bus = new LocalRoute({ route: 'local', clock, subjects });
  const { port1, port2 } = new MessageChannel();
  const bridge = bridgePort(port1, bus);
  const worker = new Worker(new URL('bus-hop-thread.ts', import.meta.url), {
    workerData: { port: port2 },
    transferList: [port2],
  });
  await served(bus);
  const result = await measure('port', bus, 60_000);
  await worker.terminate();
  await bridge.closed;
  await bus.close();
  return result;
}

async function natsHop(): Promise<BusHopResult> {
  const server = await startNatsServer({ jetStream: false });
  const options = { servers: [server.url], clock, random, subjects };
  const [near, far] = [await connectNats(options), await connectNats(options)];
  far.subscribe('jobs.echo', { group: 'echo' }, (message) => answer(message, message.body.value));
  await far.flush();
  const result = await measure('nats', near, 30_000);
  await near.close();
  await far.close();
  await server.dispose();
  return result;
}

/** Asks until somebody serves: a thread says when it is ready by serving. */
async function served(bus: Bus): Promise<void> {
  for (;;) {
    try {
      await ask(bus, 'jobs.echo', { value: {}, timeoutMs: 1_000 });
      return;
    } catch {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

async function measure(route: BusHopResult['route'], bus: Bus, requests: number): Promise<BusHopResult> {
  await run(bus, requests / 10, 100);
  return {
    route,
    singleUs: await run(bus, Math.min(requests / 5, 10_000), 1),
    thousandUs: await run(bus, requests, 1_000),
  };
}

async function run(bus: Bus, requests: number, underWay: number): Promise<number> {
  let left = requests;
  const startedMs = performance.now();
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await ask(bus, 'jobs.echo', { value: VALUE, timeoutMs: 30_000 });
    }
  };
  await Promise.all(Array.from({ length: underWay }, one));
  return Number((((performance.now() - startedMs) * 1_000) / requests).toFixed(1));
}

if (import.meta.main) console.table(await busHop());
