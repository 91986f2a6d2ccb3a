import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { Body } from '../../../src/messaging/body.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { bridgePort } from '../../../src/messaging/local/port-bridge.ts';
import { PortBus } from '../../../src/messaging/local/port-bus.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seeded } from '../../conformance/messaging/bus-worlds.ts';
import { startNatsServer } from '../../support/nats-server.ts';

const subjects = new Subjects('jobs');
const FLOOD_BYTES = 1_000_000;
const refused = { code: 'unavailable' };

test('a thread whose publish was dropped hears of it, although somebody else flushed before it did', async () => {
  await using server = await startNatsServer({ jetStream: false });
  const remote = await connectNats({ servers: [server.url], clock, random: () => 0, subjects, noEcho: true });
  onTestFinished(() => remote.close());
  const route = new LocalRoute({ route: 'local', clock, subjects });
  onTestFinished(() => route.close());
  route.attach(remote);
  const { port1, port2 } = new MessageChannel();
  const bridge = bridgePort(port1, route);
  const thread = new PortBus(port2, { clock, subjects });
  onTestFinished(async () => {
    await thread.close();
    await bridge.closed;
  });
  route.subscribe('jobs.echo', { group: 'g' }, (message) => answer(message, 'here'));

  // The server reads nothing any more, and what may wait for it is full: the connection is up all the same.
  server.freeze();
  const flood = { body: Body.encoded(new Uint8Array(FLOOD_BYTES), undefined) };
  for (let count = 0; count < 100; count += 1) route.publish('jobs.flood', flood);
  thread.publish('jobs.events.x', flood);
  await ask(thread, 'jobs.echo', { value: {}, timeoutMs: 10_000 });
  const others = expect(route.flush(), 'what the main thread published').rejects.toMatchObject(refused);
  server.thaw();
  await others;
  await expect(thread.flush(), 'what the thread published').rejects.toMatchObject(refused);
  await thread.flush();
  await route.flush();
});

test('each of those who flush one bus hears of a loss once', async () => {
  const broker = new MemoryBroker({ clock, random: seeded(1) });
  const bus = broker.connect({ name: 'shared', subjects });
  const [one, other] = [{}, {}];
  bus.reachable(false);
  bus.publish('jobs.events.x', { body: Body.of(1, 'json') });
  bus.reachable(true);
  for (const who of [one, other]) {
    await expect(bus.flush(who)).rejects.toMatchObject(refused);
    await bus.flush(who);
  }
  await bus.close();
});

test.each(['one after the other', 'together'])('so does each of those who flush in a thread: %s', async (how) => {
  const broker = new MemoryBroker({ clock, random: seeded(1) });
  const bus = broker.connect({ name: 'shared', subjects });
  const { port1, port2 } = new MessageChannel();
  const bridge = bridgePort(port1, bus);
  const thread = new PortBus(port2, { clock, subjects });
  onTestFinished(async () => {
    await thread.close();
    await bridge.closed;
    await bus.close();
  });
  bus.subscribe('jobs.echo', {}, (message) => answer(message, 'here'));
  const flushers = [{}, {}];
  const outcomes = async (): Promise<string[]> =>
    (await Promise.allSettled(flushers.map((who) => thread.flush(who)))).map(({ status }) => status);
  await ask(thread, 'jobs.echo', { value: {}, timeoutMs: 10_000 });
  for (const who of flushers) await thread.flush(who);

  bus.reachable(false);
  thread.publish('jobs.events.x', { body: Body.of(1, 'json') });
  await expect(ask(thread, 'jobs.echo', { value: {}, timeoutMs: 10_000 })).rejects.toMatchObject(refused);
  bus.reachable(true);
  if (how === 'together') expect(await outcomes()).toEqual(['rejected', 'rejected']);
  else for (const who of flushers) await expect(thread.flush(who)).rejects.toMatchObject(refused);
  // Who hears of it together may hear twice: it is not known that it was one loss.
  await outcomes();
  expect(await outcomes()).toEqual(['fulfilled', 'fulfilled']);
});
