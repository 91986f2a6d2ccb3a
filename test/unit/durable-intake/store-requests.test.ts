import { beforeEach, describe, expect, test } from 'vitest';
import { StoreRequests } from '../../../src/actors/durable-intake/store-requests.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import type { Logger } from '../../../src/kernel/log.ts';
import type { StreamMessage, StreamReader } from '../../../src/messaging/durable-stream.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { StoredRequest } from '../../../src/store/intake-verbs.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const POLL_MS = 1_000;
const HOLD_MS = 30_000;
const MORE = true;

const request = (name: string): StoredRequest => ({
  ...{ key: `${name}:1`, id: name, queue: 'mail', body: `{"type":"${name}"}`, traceparent: null, at: 5, deliveries: 1 },
});

/** A store that answers what it is given, and notes what it is told. */
class FakeStore {
  readonly batches: { requests: StoredRequest[]; more: boolean }[] = [];
  readonly said: unknown[] = [];
  looks = 0;
  away = false;
  /** Each ask waits for it. */
  gate: Promise<void> = Promise.resolve();

  async ask(verb: string, options: { now?: number }): Promise<unknown> {
    await this.gate;
    if (this.away) throw new RotaError('unavailable', 'the store is away');
    if (verb === 'takeRequests') {
      this.looks += 1;
      return this.batches.shift() ?? { requests: [], more: false };
    }
    const { now: _now, ...rest } = options;
    this.said.push({ verb, ...rest });
    return null;
  }
}

let clock: VirtualClock;
let store: FakeStore;
let reader: StreamReader;
let warnings: string[];
beforeEach(async () => {
  clock = new VirtualClock();
  store = new FakeStore();
  warnings = [];
  const log = { warn: (_data: object, text: string) => void warnings.push(text) } as Logger;
  const bus = { payloadBytesMax: 1_000_000 };
  const subjects = new Subjects('jobs');
  // The part of a store's client that it asks.
  const requests = new StoreRequests({ store: store as never, bus, subjects, clock, pollMs: POLL_MS, log });
  reader = await requests.openStream({ ackWaitMs: HOLD_MS });
});

const never = new AbortController().signal;

/** Takes the next messages, letting time pass for as long as it needs. */
async function take(signal = never): Promise<{ messages: StreamMessage[]; afterMs: number }> {
  const beganMs = clock.monotonicMs();
  let taken: StreamMessage[] | undefined;
  const taking = reader.take(signal).then((messages) => {
    taken = messages;
  });
  for (let step = 0; taken === undefined && step < 500; step += 1) await clock.advance(step === 0 ? 0 : 100);
  await taking;
  return { messages: taken ?? [], afterMs: clock.monotonicMs() - beganMs };
}
const give = (...names: string[]) => store.batches.push({ requests: names.map(request), more: false });

describe('requests of a database', () => {
  test('are messages of the intake, dated as they were made', async () => {
    store.batches.push({ requests: [{ ...request('a'), traceparent: 'trace' }], more: false });
    const { messages } = await take();
    expect(messages).toMatchObject([{ subject: 'jobs.intake.mail', key: 'a:1', takenAt: 5, deliveries: 1 }]);
    expect(messages[0]?.headers).toEqual({ 'Nats-Msg-Id': 'a', traceparent: 'trace' });
    expect(messages[0]?.body.value).toEqual({ type: 'a' });
  });

  test('are looked for once in a poll, and at once again while there are more', async () => {
    store.batches.push({ requests: [request('a')], more: MORE }, { requests: [request('b')], more: false });
    give('c');
    expect((await take()).afterMs).toBe(0);
    expect((await take()).afterMs).toBe(0);
    expect((await take()).afterMs).toBe(POLL_MS);
    give();
    give();
    give('d');
    expect((await take()).afterMs).toBe(3 * POLL_MS);
    expect(store.looks).toBe(6);
  });

  test('are finished together, those of one turn in one word', async () => {
    give('a', 'b', 'c');
    const { messages } = await take();
    for (const message of messages.slice(0, 2)) message.finish();
    messages[2]?.giveBack(1_000);
    // The last word is said once.
    messages[0]?.giveBack(0);
    await clock.advance(0);
    expect(store.said).toEqual([
      { verb: 'finishRequests', keys: ['a:1', 'b:1'] },
      { verb: 'holdRequests', keys: ['c:1'], forMs: 1_000 },
    ]);
  });

  test('that are finished are no messages again while the store has not heard of it, and it is told again', async () => {
    give('a');
    const { messages } = await take();
    store.away = true;
    messages[0]?.finish();
    await clock.advance(0);
    store.away = false;
    give('a', 'b');
    const again = await take();
    expect(again.messages.map(({ key }) => key)).toEqual(['b:1']);
    await clock.advance(0);
    expect(store.said).toEqual([{ verb: 'finishRequests', keys: ['a:1'] }]);
  });

  test('stay held for as long as they are worked on', async () => {
    give('a', 'b');
    const { messages } = await take();
    messages[0]?.finish();
    await clock.advance(HOLD_MS);
    const holds = store.said.slice(1);
    expect(holds.length).toBeGreaterThanOrEqual(3);
    for (const hold of holds) expect(hold).toEqual({ verb: 'holdRequests', keys: ['b:1'], forMs: HOLD_MS });
    messages[1]?.finish();
    await clock.advance(0);
    store.said.length = 0;
    await clock.advance(HOLD_MS);
    expect(store.said).toEqual([]);
  });

  test('wait while the store is away, which is said once', async () => {
    const outage = async (ms: number, name: string): Promise<string[]> => {
      store.away = true;
      const taking = reader.take(never);
      await clock.advance(ms);
      store.away = false;
      give(name);
      await clock.advance(POLL_MS);
      return (await taking).map(({ key }) => key);
    };
    expect(await outage(5 * POLL_MS, 'a')).toEqual(['a:1']);
    expect(warnings).toHaveLength(1);
    expect(await outage(2 * POLL_MS, 'b')).toEqual(['b:1']);
    expect(warnings).toHaveLength(2);
  });

  test('are not waited for after a stop', async () => {
    const stop = new AbortController();
    const taking = reader.take(stop.signal);
    await clock.advance(100);
    stop.abort();
    expect(await taking).toEqual([]);
  });

  test('that are held go back when the reader ends, and those that come to it then', async () => {
    give('a');
    await take();
    const opened = Promise.withResolvers<void>();
    store.gate = opened.promise;
    give('b');
    const taking = reader.take(never);
    await clock.advance(POLL_MS);
    reader.close();
    reader.close();
    opened.resolve();
    expect(await taking).toEqual([]);
    await clock.advance(0);
    const back = store.said.map((word) => (word as { keys: string[] }).keys);
    expect(back.flat().sort()).toEqual(['a:1', 'b:1']);
    expect(clock.nextDueMs).toBeUndefined();
    expect(await reader.take(never)).toEqual([]);
  });
});
