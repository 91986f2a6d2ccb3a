import type { NatsConnection } from '@nats-io/transport-node';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock as clock } from '../../../src/kernel/clock.ts';
import { systemRandom as random } from '../../../src/kernel/identity.ts';
import { Body } from '../../../src/messaging/body.ts';
import { JsonLines, type LinePattern, LineWriter, lineOf } from '../../../src/messaging/json-lines.ts';
import { connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import { publishFrames } from '../../../src/messaging/nats/line-frames.ts';
import type { NatsBus } from '../../../src/messaging/nats/nats-bus.ts';
import { NatsSender } from '../../../src/messaging/nats/nats-sender.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { startNatsServer, type TestNatsServer } from '../../support/nats-server.ts';

const subjects = new Subjects('jobs');
let server: TestNatsServer;
let bus: NatsBus;
let listener: NatsBus;
beforeAll(async () => {
  server = await startNatsServer({ jetStream: false });
  const options = { servers: [server.url], clock, random, subjects, timeoutMs: 5_000 };
  [bus, listener] = await Promise.all([connectNats(options), connectNats(options)]);
});
afterAll(async () => {
  await Promise.all([bus.close(), listener.close()]);
  await server.dispose();
});

const linesOf = (values: readonly unknown[]) => JsonLines.of(values.map((value) => JSON.stringify(value)));
/** Hears the values published on a subject until `last` comes. */
async function heard(subject: string, publish: () => void): Promise<unknown[]> {
  const values: unknown[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const subscription = listener.subscribe(subject, {}, ({ body }) => {
    if (body.value === 'last') resolve();
    else values.push(body.value);
  });
  await listener.flush();
  publish();
  bus.publish(subject, { body: Body.of('last', 'json') });
  await promise;
  subscription.unsubscribe();
  return values;
}

const ASCII = [{ a: 'plain' }, 7, null, 'x'.repeat(70_000)];
const WIDE = [{ b: 'é\n\u2028' }, ...ASCII, { c: '漢\r\n' }, { d: '🐇' }];
/** More than one buffer of commands takes. */
const LARGE = Array.from({ length: 40 }, (_, index) => `${index}${'x'.repeat(100_000)}`);

test('each line is a message, in order with what is published before and after', async () => {
  const subject = 'jobs.told.é';
  const values = await heard(subject, () => {
    bus.publish(subject, { body: Body.of('first', 'json') });
    for (const list of [ASCII, WIDE, LARGE]) bus.publishLines(subject, linesOf(list));
  });
  expect(values).toEqual(['first', ...ASCII, ...WIDE, ...LARGE]);
});

test('many commands go in few pieces of a bounded size, which take no more memory than they have bytes', () => {
  const lines = linesOf(Array.from({ length: 10_000 }, (_, index) => `${index}${'x'.repeat(50)}`));
  const pieces = [...publishFrames('jobs.told', lines, bus.payloadBytesMax)];
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(263_000);
  expect(pieces.length).toBeLessThan(5);
  for (const { buffer, length } of pieces) expect(buffer.byteLength).toBeLessThan(length + 10_000);
});

test('of a line that is larger than a message may be the publisher is told', () => {
  const lines = linesOf(['a', 'x'.repeat(bus.payloadBytesMax)]);
  expect(() => bus.publishLines('jobs.told', lines)).toThrow(expect.objectContaining({ code: 'too_large' }));
});

test('lines go one by one where a connection has no writer of commands', async () => {
  const { connection } = bus;
  const bare: Pick<NatsConnection, 'publish' | 'flush' | 'isClosed'> = {
    publish: (...args) => connection.publish(...args),
    flush: () => connection.flush(),
    isClosed: () => connection.isClosed(),
  };
  const sender = new NatsSender(bare as NatsConnection);
  expect(await heard('jobs.told', () => expect(sender.sendLines('jobs.told', linesOf(WIDE))).toBe(true))).toEqual(WIDE);
});

test('lines of several kinds are put together of what is common and their own parts, in any characters', () => {
  const writer = new LineWriter();
  const kinds = [['{"é":"', 1, '","again":"', 1, '","n":', 2, '}'] as const, ['[', 2, ',', 1, ']'] as const];
  const parts = ['', 'a', '漢🐇', 'x'.repeat(300), 'é'.repeat(300)];
  const expected: string[] = [];
  for (const [index, part] of parts.entries()) {
    for (const kind of kinds) {
      writer.add(kind, part, index);
      expected.push(lineOf(kind, part, index));
    }
  }
  const frames = publishFrames('a', writer.take(), 10_000);
  const command = (line: string): string => `PUB a ${Buffer.byteLength(line)}\r\n${line}\r\n`;
  expect(Buffer.concat(frames).toString()).toBe(expected.map(command).join(''));
});

test('a command tells the bytes of its line', () => {
  const frames = [...publishFrames('a.b', linesOf(['x', 'é']), 100)].map((bytes) => Buffer.from(bytes).toString());
  expect(frames).toEqual(['PUB a.b 3\r\n"x"\r\nPUB a.b 4\r\n"é"\r\n']);
});

test('commands are those of each line by itself, whatever is as long as what', () => {
  const part = fc.oneof(fc.constantFrom('', 'a', 'é', '1234', 'x'.repeat(300)), fc.integer({ min: 0, max: 2_000 }));
  const patterns: LinePattern[] = [['{', 1, '}'], [1, ':', 2, ':', 1], ['<', 3, '|', 1, 2, '>'], ['same']];
  const rows = fc.array(
    fc.record({ pattern: fc.nat(3), parts: fc.tuple(part, part, part), times: fc.integer({ min: 1, max: 4 }) }),
  );
  fc.assert(
    fc.property(rows, (list) => {
      const writer = new LineWriter();
      for (const { pattern, parts, times } of list) {
        for (let time = 0; time < times; time += 1) writer.add(patterns[pattern] ?? [], ...parts);
      }
      const lines = writer.take();
      const commands = [...lines.texts()].map((text) => `PUB a.b ${Buffer.byteLength(text)}\r\n${text}\r\n`);
      expect(Buffer.concat(publishFrames('a.b', lines, 10_000)).toString()).toBe(commands.join(''));
    }),
  );
});
