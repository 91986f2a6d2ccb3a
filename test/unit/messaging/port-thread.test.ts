import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { Body } from '../../../src/messaging/body.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { bridgePort, type PortBridge } from '../../../src/messaging/local/port-bridge.ts';
import { PortBus } from '../../../src/messaging/local/port-bus.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';

const subjects = new Subjects('jobs');
const MINUTE = { value: {}, timeoutMs: 60_000 };
let route: LocalRoute;
let worker: Worker;
let bridge: PortBridge;

beforeEach(async () => {
  route = new LocalRoute({ route: 'local', clock, subjects });
  const ready = new Promise<void>((resolve) => void route.subscribe('jobs.thread.ready', {}, () => resolve()));
  const { port1, port2 } = new MessageChannel();
  bridge = bridgePort(port1, route);
  worker = new Worker(new URL('port-thread.ts', import.meta.url), {
    workerData: { port: port2 },
    transferList: [port2],
  });
  await ready;
});

afterEach(async () => {
  await worker.terminate();
  await bridge.closed;
  await route.close();
});

test('both threads serve each other', async () => {
  route.subscribe('jobs.main.echo', {}, (message) => answer(message, { main: message.body.value }));
  const answers = await Promise.all(
    Array.from({ length: 500 }, (_, n) => ask(route, 'jobs.thread.ask-main', { value: n, timeoutMs: 10_000 })),
  );
  expect(answers).toEqual(Array.from({ length: 500 }, (_, n) => ({ main: n })));
});

test.each(['mute', 'spin'])('requests to a thread that is killed fail at once (%s)', async (verb) => {
  const waiting = [1, 2, 3].map(() => ask(route, `jobs.thread.${verb}`, MINUTE));
  const failed = Promise.all(waiting.map((request) => expect(request).rejects.toMatchObject({ code: 'unavailable' })));
  await worker.terminate();
  await bridge.closed;
  await failed;
  await expect(ask(route, 'jobs.thread.echo', MINUTE)).rejects.toMatchObject({ code: 'unavailable' });
});

test('a thread that exits by itself leaves nothing behind', async () => {
  const failed = expect(ask(route, 'jobs.thread.mute', MINUTE)).rejects.toMatchObject({ code: 'unavailable' });
  const exited = once(worker, 'exit');
  route.publish('jobs.thread.exit', { body: Body.of({}, 'json') });
  await exited;
  await failed;
  await bridge.closed;
  await expect(ask(route, 'jobs.thread.echo', MINUTE)).rejects.toMatchObject({ code: 'unavailable' });
});

test('closing the bridge ends what the thread served', async () => {
  const failed = expect(ask(route, 'jobs.thread.mute', MINUTE)).rejects.toMatchObject({ code: 'unavailable' });
  expect(await ask(route, 'jobs.thread.echo', { value: 1, timeoutMs: 10_000 })).toBe(1);
  bridge.close();
  await bridge.closed;
  await failed;
});

test('a thread whose bridge is closed is told: its requests fail, its state is down', async () => {
  const { port1, port2 } = new MessageChannel();
  const other = bridgePort(port1, route);
  const bus = new PortBus(port2, { clock, subjects });
  route.subscribe('jobs.main.mute', {}, () => {});
  const failed = expect(ask(bus, 'jobs.main.mute', MINUTE)).rejects.toMatchObject({ code: 'unavailable' });
  await ask(bus, 'jobs.thread.echo', MINUTE);
  other.close();
  await failed;
  expect(bus.state).toBe('down');
  await expect(ask(bus, 'jobs.thread.echo', MINUTE)).rejects.toMatchObject({ code: 'unavailable' });
  await bus.close();
});
