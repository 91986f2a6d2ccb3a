import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { Body } from '../../../src/messaging/body.ts';
import { JsonLines, LineWriter, lineOf, publishLines } from '../../../src/messaging/json-lines.ts';
import { LocalRoute } from '../../../src/messaging/local/local-route.ts';
import { bridgePort } from '../../../src/messaging/local/port-bridge.ts';
import { PortBus } from '../../../src/messaging/local/port-bus.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';

const subjects = new Subjects('jobs');
/** Texts of one, two, three and four bytes a character, with line breaks that JSON escapes. */
const VALUES = [{ a: 'plain' }, { b: 'é\n\u2028' }, { c: '漢\r\n' }, { d: '🐇' }, 7, null];
const lines = () => JsonLines.of(VALUES.map((value) => JSON.stringify(value)));

test('bodies of JSON come apart as they were put together', () => {
  expect([...lines().bodies()].map(({ value }) => value)).toEqual(VALUES);
  expect(lines().count).toBe(VALUES.length);
});

test('lines of several patterns are what a pattern and their own parts say, in order', () => {
  const writer = new LineWriter();
  const [twice, none] = [['{"a":"', 1, '","b":[', 2, ',"', 1, '"]}'], ['7']] as const;
  writer.add(twice, 'x', 1);
  writer.add(none);
  writer.add(twice, 'é', '"🐇"');
  writer.add([1], 'null');
  const taken = writer.take();
  expect([...taken.texts()]).toEqual(['{"a":"x","b":[1,"x"]}', '7', '{"a":"é","b":["🐇","é"]}', 'null']);
  expect(taken.count).toBe(4);
  expect(taken.patterns).toHaveLength(3);
  expect(lineOf(twice, 'x', 1)).toBe('{"a":"x","b":[1,"x"]}');
  expect({ length: writer.length, left: [...writer.take().texts()] }).toEqual({ length: 0, left: [] });
});

test('what a thread publishes together arrives in order, here and in other processes', async () => {
  const broker = new MemoryBroker({ clock, random: () => 0.5 });
  const route = new LocalRoute({ route: 'local', clock, subjects });
  const remote = broker.connect({ name: 'here', subjects, noEcho: true });
  const far = broker.connect({ name: 'far', subjects });
  const { port1, port2 } = new MessageChannel();
  const bridge = bridgePort(port1, route);
  const thread = new PortBus(port2, { clock, subjects });
  onTestFinished(async () => {
    await thread.close();
    await bridge.closed;
    await route.close();
    await Promise.all([remote.close(), far.close()]);
  });
  route.attach(remote);
  const here: unknown[] = [];
  const there: unknown[] = [];
  far.subscribe('jobs.told', {}, ({ body }) => void there.push(body.value));
  route.subscribe('jobs.told.here', {}, ({ body }) => void here.push(body.value));
  far.subscribe('jobs.told.here', {}, ({ body }) => void there.push(body.value));
  publishLines(thread, 'jobs.told', lines());
  publishLines(thread, 'jobs.told.here', lines());
  thread.publish('jobs.told', { body: Body.of('last', 'json') });
  far.subscribe('jobs.far', {}, (message) => answer(message, {}));
  await ask(thread, 'jobs.far', { value: {}, timeoutMs: 10_000 });
  expect(here).toEqual(VALUES);
  expect(there).toEqual([...VALUES, ...VALUES, 'last']);
  await thread.flush();
});

test('a body that is at hand as text is what it says, in either codec', () => {
  const text = JSON.stringify(VALUES);
  expect(Body.ofText(text, undefined).value).toEqual(VALUES);
  expect(Buffer.from(Body.ofText(text, undefined).bytes).toString()).toBe(text);
  const packed = Body.ofText(text, 'application/msgpack');
  expect(Body.encoded(packed.bytes, packed.contentType).value).toEqual(VALUES);
  expect(Body.of({ left: undefined, out: 1 }, 'msgpack').text).toBe('{"out":1}');
  expect(Body.encoded(new Uint8Array(0), undefined).text).toBeUndefined();
});
