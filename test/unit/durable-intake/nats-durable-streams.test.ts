import { setTimeout as wait } from 'node:timers/promises';
import { jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom } from '../../../src/kernel/identity.ts';
import type { StreamMessage, StreamOptions, StreamReader } from '../../../src/messaging/durable-stream.ts';
import { connectNats } from '../../../src/messaging/nats/connect-nats.ts';
import type { NatsBus } from '../../../src/messaging/nats/nats-bus.ts';
import { openNatsStream } from '../../../src/messaging/nats/nats-durable-streams.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { type NatsServerOptions, startNatsServer, type TestNatsServer } from '../../support/nats-server.ts';

const OPTIONS: StreamOptions = {
  ...{ stream: 'TEST_INTAKE', subject: 'test.intake.>', consumer: 'rota', ackWaitMs: 400 },
  ...{ messagesMax: 10_000, bytesMax: 1_073_741_824 },
};
const never = new AbortController().signal;

interface Place {
  broker: TestNatsServer;
  bus: NatsBus;
  plain: NatsConnection;
  open(part?: Partial<StreamOptions>): Promise<StreamReader>;
  publish(count: number, payload?: string): Promise<void>;
}

async function place(options: NatsServerOptions = {}): Promise<Place> {
  const broker = await startNatsServer(options);
  onTestFinished(() => broker.dispose());
  const subjects = new Subjects('test');
  const bus = await connectNats({ servers: [broker.url], subjects, clock: systemClock, random: systemRandom });
  onTestFinished(() => bus.close());
  const plain = await connect({ servers: broker.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  onTestFinished(() => plain.close());
  const open: Place['open'] = async (part) => {
    const reader = await openNatsStream(bus, { ...OPTIONS, ...part, clock: systemClock });
    onTestFinished(() => reader.close());
    return reader;
  };
  const publish: Place['publish'] = async (count, payload = 'x') => {
    for (let n = 0; n < count; n += 1) await plain.request('test.intake.a', payload, { timeout: 5_000 });
  };
  return { broker, bus, plain, open, publish };
}

/** Takes until there are so many. */
async function taken(reader: StreamReader, count: number): Promise<StreamMessage[]> {
  const all: StreamMessage[] = [];
  while (all.length < count) {
    const batch = await reader.take(never);
    if (batch.length === 0) throw new Error(`the reader ended: ${reader.fault}`);
    all.push(...batch);
  }
  return all;
}

/** What comes within a while. */
async function within(reader: StreamReader, ms: number): Promise<StreamMessage[]> {
  return reader.take(AbortSignal.timeout(ms));
}

describe('a stream', () => {
  test('is made once, and what an operator changed of it stays', async () => {
    const { plain, open } = await place();
    await open();
    const manager = await jetstreamManager(plain);
    await manager.streams.update('TEST_INTAKE', { max_msgs: 77 });
    await open();
    const { config } = await manager.streams.info('TEST_INTAKE');
    expect(config).toMatchObject({ max_msgs: 77, discard: 'new', retention: 'workqueue', storage: 'file' });
    expect((await manager.consumers.info('TEST_INTAKE', 'rota')).config).toMatchObject({
      ...{ ack_policy: 'explicit', max_deliver: -1, ack_wait: 400_000_000 },
    });
  });

  test('that is full refuses its publishers', async () => {
    const { plain, open } = await place();
    const reader = await open({ messagesMax: 3 });
    reader.close();
    for (let n = 0; n < 3; n += 1) await plain.request('test.intake.a', 'x');
    expect((await plain.request('test.intake.a', 'x')).json()).toMatchObject({
      error: { description: /maximum messages/ },
    });
  });

  test('is smaller where the disk is', async () => {
    const { plain, open } = await place({ config: 'jetstream { max_file_store: 300MB }' });
    await open();
    const { config } = await (await jetstreamManager(plain)).streams.info('TEST_INTAKE');
    expect(config.max_bytes).toBe(1_073_741_824 / 4);
  });

  test('of somebody else under its name is left alone', async () => {
    const { plain, open } = await place();
    const manager = await jetstreamManager(plain);
    await manager.streams.add({ name: 'TEST_INTAKE', subjects: ['theirs'], retention: RetentionPolicy.Workqueue });
    await expect(open()).rejects.toMatchObject({ code: 'invalid_config' });
    await manager.streams.delete('TEST_INTAKE');
    await manager.streams.add({ name: 'TEST_INTAKE', subjects: ['test.intake.>'] });
    await expect(open()).rejects.toMatchObject({ code: 'invalid_config' });
  });

  test('needs a broker that keeps messages', async () => {
    const { open } = await place({ jetStream: false });
    await expect(open()).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('a reader', () => {
  test('takes what is here at once, in bounded batches, each message with its own key', async () => {
    const { open, publish } = await place();
    const reader = await open();
    await publish(1_200);
    const sizes: number[] = [];
    const keys = new Set<string>();
    while (keys.size < 1_200) {
      const batch = await reader.take(never);
      sizes.push(batch.length);
      for (const { key, deliveries } of batch) {
        keys.add(key);
        expect(deliveries).toBe(1);
      }
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
  });

  test('keeps what it holds for longer than the broker waits, and what it finished does not come again', async () => {
    const { open, publish, plain } = await place();
    const reader = await open();
    await publish(3);
    const messages = await taken(reader, 3);
    expect(await within(reader, 1_500)).toEqual([]);
    for (const message of messages) message.finish();
    expect(await within(reader, 800)).toEqual([]);
    const { state } = await (await jetstreamManager(plain)).streams.info('TEST_INTAKE');
    expect(state.messages).toBe(0);
  });

  test('gives back: after a delay, or all of it when it is closed', async () => {
    const { open, publish } = await place();
    // So long that nothing comes again by itself while this runs.
    const reader = await open({ ackWaitMs: 30_000 });
    await publish(2);
    const [first] = await taken(reader, 2);
    const beganMs = performance.now();
    first?.giveBack(300);
    const [again] = await taken(reader, 1);
    expect(performance.now() - beganMs).toBeGreaterThan(250);
    expect(again).toMatchObject({ key: first?.key, takenAt: first?.takenAt, deliveries: 2 });
    const other = await open({ ackWaitMs: 30_000 });
    reader.close();
    expect(await taken(other, 2)).toHaveLength(2);
    expect(performance.now() - beganMs).toBeLessThan(10_000);
    expect(await reader.take(never)).toEqual([]);
    expect(reader.fault).toBeUndefined();
  });

  test('whose word was lost says it again instead of handing the message out', async () => {
    const { open, publish, bus, plain } = await place();
    const reader = await open();
    const say = bus.connection.publish.bind(bus.connection);
    let lost = 0;
    bus.connection.publish = (subject, payload, options) => {
      if (String(payload) === '+ACK' && lost++ === 0) return;
      say(subject, payload, options);
    };
    await publish(1);
    for (const message of await taken(reader, 1)) message.finish();
    expect(await within(reader, 1_200)).toEqual([]);
    expect(lost).toBe(2);
    const { state } = await (await jetstreamManager(plain)).streams.info('TEST_INTAKE');
    expect(state.messages).toBe(0);
  });

  test('leaves what it held to others when it dies', async () => {
    const { broker, open, publish } = await place();
    const subjects = new Subjects('test');
    const dying = await connectNats({ servers: [broker.url], subjects, clock: systemClock, random: systemRandom });
    const reader = await openNatsStream(dying, { ...OPTIONS, clock: systemClock });
    await publish(5);
    await taken(reader, 5);
    await dying.connection.close();
    expect(await reader.take(never)).toEqual([]);
    expect(reader.fault).toContain('closed');
    const other = await open();
    const messages = await taken(other, 5);
    expect(messages.map(({ deliveries }) => deliveries)).toEqual([2, 2, 2, 2, 2]);
  });

  test('goes on after the broker restarted, and ends with a fault when its stream is gone', async () => {
    const { broker, open, publish, plain } = await place();
    const reader = await open();
    await publish(1);
    for (const message of await taken(reader, 1)) message.finish();
    await broker.restart();
    await wait(300);
    await publish(2);
    for (const message of await taken(reader, 2)) message.finish();
    await (await jetstreamManager(plain)).streams.delete('TEST_INTAKE');
    expect(await reader.take(never)).toEqual([]);
    expect(reader.fault).toMatch(/deleted|no responders|503/i);
  });

  test('takes a message that is larger than a pull may carry', async () => {
    const { broker, open, publish } = await place({ config: 'max_payload: 16MB' });
    (await open()).close();
    await publish(1);
    await publish(1, 'x'.repeat(10_000_000));
    await publish(1);
    await broker.restart('max_payload: 1MB');
    await wait(300);
    const reader = await open();
    // One may come again meanwhile, where the machine is slow to take the large one.
    const sizes = new Map<string, number>();
    while (sizes.size < 3) for (const { key, body } of await taken(reader, 1)) sizes.set(key, body.bytes.length);
    expect([...sizes.values()].sort((a, b) => a - b)).toEqual([1, 1, 10_000_000]);
  });
});
