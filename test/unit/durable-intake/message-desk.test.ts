import { v7 } from 'uuid';
import { beforeEach, describe, expect, test } from 'vitest';
import { MessageDesk } from '../../../src/actors/durable-intake/message-desk.ts';
import { MessageReader } from '../../../src/actors/durable-intake/message-reader.ts';
import { JobBuilder } from '../../../src/actors/intake/job-builder.ts';
import type { Registry } from '../../../src/actors/intake/registry.ts';
import type { NewJob } from '../../../src/job/job.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { silentLogger } from '../../../src/kernel/log.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { StreamMessage } from '../../../src/messaging/durable-stream.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import type { MemoryBus } from '../../../src/messaging/memory/memory-bus.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { RejectedMessage } from '../../../src/store/rejected-message.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const subjects = new Subjects('jobs');
const unavailable = (): RotaError => new RotaError('unavailable', 'the store is away');

/** A message whose end is written down. */
class Told implements StreamMessage {
  readonly subject = 'jobs.intake.default';
  readonly headers = {};
  readonly takenAt = 1_000_000;
  readonly key: string;
  readonly body: Body;
  deliveries: number;
  /** `finish`, or how long until it comes again. */
  ends: ('finish' | number)[] = [];

  constructor(key: string, body: unknown, deliveries = 1) {
    this.key = key;
    this.body = Body.of(body, 'json');
    this.deliveries = deliveries;
  }

  finish(): void {
    this.ends.push('finish');
  }

  giveBack(delayMs: number): void {
    this.ends.push(delayMs);
  }
}

/** A store that does as it is told. */
class FakeStore {
  readonly inserts: string[][] = [];
  readonly rejected: RejectedMessage[] = [];
  readonly tries = new Map<string, number>();
  /** Jobs that are there, by id. */
  readonly ids = new Set<string>();
  /** What an insert throws, by what it holds. */
  onInsert: (jobs: readonly NewJob[]) => void = () => {};
  away = false;

  async ask(verb: string, options: Record<string, unknown>): Promise<unknown> {
    if (this.away) throw unavailable();
    if (verb === 'insert') {
      const jobs = options.jobs as NewJob[];
      this.onInsert(jobs);
      this.inserts.push(jobs.map(({ tags: [tag = ''] }) => tag));
      return [];
    }
    if (verb === 'reject') {
      this.rejected.push(...(options.rejected as RejectedMessage[]));
      return null;
    }
    if (verb === 'states') return (options.ids as string[]).flatMap((id) => (this.ids.has(id) ? [{ id }] : []));
    if (verb === 'suspect') {
      const tries = (this.tries.get(String(options.key)) ?? 0) + 1;
      this.tries.set(String(options.key), tries);
      return { tries };
    }
    return null;
  }
}

let clock: VirtualClock;
let store: FakeStore;
let bus: MemoryBus;
let desk: MessageDesk;
let hanging: Set<string>;
const events: string[] = [];

beforeEach(async () => {
  clock = new VirtualClock();
  store = new FakeStore();
  hanging = new Set();
  events.length = 0;
  bus = new MemoryBroker({ clock, random: () => 0.5 }).connect({ name: 'here', subjects });
  bus.subscribe('jobs.events.>', {}, ({ subject }) => void events.push(subject));
  const registry = {
    definition: () => undefined,
    hasQueue: () => true,
    mustKnowQueue: async () => {},
    defaultsOf: async () => undefined,
    knowsType: (type: string) => (hanging.has(type) ? new Promise(() => {}) : Promise.resolve(type !== 'nothing')),
  };
  // The parts of a registry and of a store's client that the desk asks.
  const reader = new MessageReader(new JobBuilder({ registry: registry as unknown as Registry, clock }), clock);
  desk = new MessageDesk({ bus, subjects, clock, node: 'here', store: store as never, reader, log: silentLogger });
  await clock.advance(1);
});

const job = (tag: string, type = 'work') => ({ type, tags: [tag] });
const never = new AbortController().signal;

/** Lets time pass until the desk is done. */
async function handled(messages: readonly Told[], signal = never): Promise<void> {
  let over = false;
  const work = desk.handle(messages, signal).finally(() => {
    over = true;
  });
  for (let step = 0; !over && step < 200; step += 1) await clock.advance(500);
  await work;
}

describe('a batch', () => {
  test('is stored in one request and finished with after it', async () => {
    const messages = [new Told('1', job('a')), new Told('2', [job('b'), job('c')]), new Told('3', job('d'))];
    await handled(messages);
    expect(store.inserts).toEqual([['a', 'b', 'c', 'd']]);
    expect(messages.map(({ ends }) => ends)).toEqual([['finish'], ['finish'], ['finish']]);
  });

  test('is cut so that each request holds at most 1,000 jobs, with messages whole', async () => {
    const many = (tag: string, count: number) =>
      new Told(
        tag,
        Array.from({ length: count }, () => job(tag)),
      );
    await handled([many('a', 600), many('b', 400), many('c', 1), many('d', 1_000), many('e', 1)]);
    expect(store.inserts.map((tags) => [...new Set(tags)].join())).toEqual(['a,b', 'c', 'd', 'e']);
  });

  test('keeps a rejection and tells it before the message is finished with', async () => {
    const bad = new Told('1', job('x', 'nothing'));
    const good = new Told('2', job('a'));
    await handled([bad, good]);
    expect(store.rejected).toMatchObject([{ key: '1', code: 'unknown_type' }]);
    expect(events).toEqual(['jobs.events.intake.default.rejected']);
    expect([bad.ends, good.ends]).toEqual([['finish'], ['finish']]);
    expect(desk.counts).toMatchObject({ requests: 2, errors: 1 });
  });

  test('is not finished with a message whose rejection may not be out', async () => {
    bus.flush = () => Promise.reject(unavailable());
    const bad = new Told('1', job('x', 'nothing'));
    await handled([bad]);
    expect(bad.ends).toEqual([1_000]);
  });
});

describe('a store that is away', () => {
  test('delays: nothing is given back, nothing is rejected, and all is stored when it is back', async () => {
    store.away = true;
    clock.setTimeout(() => {
      store.away = false;
    }, 60_000);
    const messages = [new Told('1', job('a')), new Told('2', job('x', 'nothing')), new Told('3', job('s'), 9)];
    await handled(messages);
    expect(messages.map(({ ends }) => ends)).toEqual([['finish'], ['finish'], ['finish']]);
    expect(store.inserts.flat().sort()).toEqual(['a', 's']);
    expect(store.rejected.map(({ key }) => key)).toEqual(['2']);
    expect(store.tries.get('3')).toBe(1);
  });

  test('is not waited for by a node that stops: what it holds is given back', async () => {
    store.away = true;
    const stop = new AbortController();
    clock.setTimeout(() => stop.abort(), 5_000);
    const message = new Told('1', job('a'));
    await handled([message], stop.signal);
    expect(message.ends).toEqual([0]);
  });
});

describe('a message that the store chokes on', () => {
  test('is rejected alone', async () => {
    store.onInsert = (jobs) => {
      if (jobs.some(({ tags }) => tags.includes('bad'))) throw new RotaError('invalid_request', 'the store cannot');
    };
    const messages = [new Told('1', job('a')), new Told('2', job('bad')), new Told('3', job('b'))];
    await handled(messages);
    expect(store.inserts).toEqual([['a'], ['b']]);
    expect(store.rejected).toMatchObject([{ key: '2', code: 'invalid_request', message: 'the store cannot' }]);
    expect(messages.map(({ ends }) => ends)).toEqual([['finish'], ['finish'], ['finish']]);
  });

  test('without a reason comes again, then alone, and in the end is rejected with what happened', async () => {
    store.onInsert = (jobs) => {
      if (jobs.some(({ tags }) => tags.includes('bad'))) throw new TypeError('a bug of ours');
    };
    const message = new Told('1', job('bad'));
    let deliveries = 0;
    while (message.ends.at(-1) !== 'finish' && deliveries < 20) {
      deliveries += 1;
      message.deliveries = deliveries;
      await handled([message]);
    }
    expect(deliveries).toBe(7);
    expect(store.rejected).toMatchObject([{ key: '1', message: expect.stringContaining('a bug of ours') }]);
  });

  test('while it answers everybody else is no outage', async () => {
    store.onInsert = (jobs) => {
      if (jobs.some(({ tags }) => tags.includes('bad'))) throw unavailable();
    };
    const message = new Told('1', job('bad'));
    await handled([message]);
    expect(message.ends).toEqual([1_000]);
    expect(store.rejected).toEqual([]);
  });
});

describe('a suspect', () => {
  test('is handled after the others and alone, and counted before', async () => {
    const messages = [new Told('1', job('s1'), 4), new Told('2', job('a')), new Told('3', job('s2'), 4)];
    await handled(messages);
    expect(store.inserts).toEqual([['a'], ['s1'], ['s2']]);
    expect([...store.tries]).toEqual([
      ['1', 1],
      ['3', 1],
    ]);
    expect(messages.every(({ ends }) => ends[0] === 'finish')).toBe(true);
  });

  test('is counted once, however often its delivery waits for the store', async () => {
    let refusals = 3;
    store.onInsert = () => {
      refusals -= 1;
      if (refusals >= 0) throw unavailable();
    };
    const message = new Told('1', job('s'), 4);
    await handled([message]);
    expect([message.ends, store.tries.get('1')]).toEqual([['finish'], 1]);
  });

  test('is rejected unseen when it was tried often enough', async () => {
    store.tries.set('1', 3);
    await handled([new Told('1', job('s'), 9)]);
    expect(store.inserts).toEqual([]);
    expect(store.rejected).toMatchObject([{ key: '1', code: 'invalid_request' }]);
  });

  test('whose jobs are there is finished with, however often it was tried', async () => {
    const [here, gone] = [v7(), v7()];
    store.ids.add(here);
    for (const key of ['1', '2', '3', '4']) store.tries.set(key, 3);
    const messages = [
      new Told('1', { type: 'work', id: here }, 9),
      new Told(
        '2',
        {
          each: [
            { type: 'work', id: here },
            { type: 'work', priority: 99 },
          ],
        },
        9,
      ),
      new Told('3', { type: 'work', id: gone }, 9),
      new Told('4', 'no job', 9),
    ];
    await handled(messages);
    expect(store.inserts).toEqual([]);
    expect(store.rejected.map(({ key }) => key)).toEqual(['2:1', '3', '4']);
    expect(messages.map(({ ends }) => ends)).toEqual(messages.map(() => ['finish']));
  });

  test('whose check never ends costs its neighbours only a wait', async () => {
    hanging.add('stuck');
    const stuck = new Told('1', job('x', 'stuck'));
    const good = new Told('2', job('a'));
    await handled([stuck, good]);
    expect(store.inserts).toEqual([['a']]);
    expect([stuck.ends, good.ends]).toEqual([[1_000], ['finish']]);
  });
});
