import { expect, test } from 'vitest';
import { inlineHost } from '../../../src/actors/executor/attempt.ts';
import { Executor } from '../../../src/actors/executor/executor.ts';
import type { CancelHint } from '../../../src/actors/executor/messages.ts';
import { defineJob } from '../../../src/job/definition.ts';
import { silentLogger } from '../../../src/kernel/log.ts';
import { Body } from '../../../src/messaging/body.ts';
import { MemoryBroker } from '../../../src/messaging/memory/memory-broker.ts';
import { answer, ask } from '../../../src/messaging/reply.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { seededRandom } from '../../../src/testing/testing.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const LEASE_MS = 30_000;
const BEAT_MS = 5_000;
/** Tries of which, with two stores, one in a thousand times none finds the other. */
const MANY = 9;
const WORK = {
  ...{
    id: '1',
    run: 1,
    type: 'a',
    queue: 'q',
    args: {},
    attempt: 1,
    maxAttempts: 20,
    priority: 5,
    timeout: null,
    meta: {},
  },
  ...{ tags: [], reference: null, schedule: null, traceparent: null },
  ...{ scheduledAt: '2026-01-01T00:00:00.000Z', insertedAt: '2026-01-01T00:00:00.000Z' },
};

/** An executor, and a store that is played here. */
function played(store: 'answers' | 'is silent' | 'is away' = 'answers') {
  const clock = new VirtualClock();
  const subjects = new Subjects('jobs');
  const broker = new MemoryBroker({ clock, random: seededRandom(1) });
  const state: { beats: number; signal?: AbortSignal } = { beats: 0 };
  const peer = broker.connect({ name: 'store', subjects });
  peer.subscribe(subjects.work('q', 'beat'), {}, (message) => {
    state.beats += 1;
    if (store === 'answers') message.respond({ body: Body.of({ cancel: [], lost: [] }, 'msgpack') });
    if (store === 'is away') throw new Error('away');
  });
  peer.subscribe(subjects.work('q', 'settle'), {}, (message) => answer(message, { settled: [], refused: [] }));
  const bus = broker.connect({ name: 'node', subjects });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const job = defineJob({
    type: 'a',
    run: ({ signal }) => {
      state.signal = signal;
      return ended;
    },
  });
  const executor = new Executor({
    ...{
      bus,
      subjects,
      clock,
      node: 'n',
      queue: 'q',
      worker: 'w',
      beatMs: BEAT_MS,
      storeIsHere: true,
      graceMs: 0,
      log: silentLogger,
    },
    ...{
      definitions: new Map([['a', job]]),
      services: {},
      enqueue: async () => ({ job: { id: '' }, conflict: false }),
    },
    hosts: { inline: inlineHost, thread: inlineHost, process: inlineHost },
  });
  const tell = async (verb: string, value: object): Promise<void> => {
    const told = ask(bus, subjects.actor('n', 'executor-q', verb), { value, timeoutMs: 1_000 });
    await clock.advance(100);
    await told;
  };
  /** How often it beats in so long. */
  const beatsIn = async (ms: number): Promise<number> => {
    const before = state.beats;
    await clock.advance(ms);
    return state.beats - before;
  };
  return {
    beatsIn,
    run: () => tell('run', { jobs: [WORK], stamp: clock.monotonicMs() }),
    cancel: async (hint: Partial<CancelHint>): Promise<boolean> => {
      const value = { id: WORK.id, run: WORK.run, worker: 'w', terminate: false, ...hint };
      peer.publish(subjects.hint('cancel', 'q'), { body: Body.of(value, 'msgpack') });
      await clock.advance(100);
      return state.signal?.aborted === true;
    },
    ask: (doubts: boolean) => tell('status', { doubts }),
    end,
    kill: () => executor.kill(),
  };
}

/** How often an executor that runs something beats in one lease. */
async function beatsOf(store: 'answers' | 'is silent' | 'is away'): Promise<number> {
  const at = played(store);
  await at.run();
  const beats = await at.beatsIn(LEASE_MS);
  at.kill();
  return beats;
}

test('beats at its interval while something runs and the store answers', async () => {
  const beats = await beatsOf('answers');
  expect(beats).toBeGreaterThanOrEqual(LEASE_MS / BEAT_MS - 1);
  expect(beats).toBeLessThanOrEqual(LEASE_MS / BEAT_MS);
});

test('beats that get no answer are repeated soon: one of several stores may have frozen, and the next beat finds another', async () => {
  expect(await beatsOf('is silent')).toBeGreaterThanOrEqual(MANY);
});

test('a store that refuses is not pressed', async () => {
  expect(await beatsOf('is away')).toBeLessThanOrEqual((2 * LEASE_MS) / BEAT_MS);
});

test('rests where nothing runs and nothing can have been lost: a beat in a lease', async () => {
  const at = played();
  await at.ask(true);
  expect(await at.beatsIn(10 * LEASE_MS)).toBeLessThanOrEqual(10);
  at.kill();
});

test('beats on after the last job: what was claimed with its settlement may have been lost', async () => {
  const at = played();
  await at.run();
  at.end();
  expect(await at.beatsIn(4.5 * BEAT_MS)).toBeGreaterThanOrEqual(4);
  await at.beatsIn(LEASE_MS);
  expect(await at.beatsIn(2 * LEASE_MS)).toBeLessThanOrEqual(2);
  at.kill();
});

test('beats where its queue actor doubts that all it claimed has come, but not at the first word of all', async () => {
  const at = played();
  await at.ask(true);
  expect(await at.beatsIn(LEASE_MS)).toBeLessThanOrEqual(1);
  await at.ask(false);
  expect(await at.beatsIn(LEASE_MS)).toBeLessThanOrEqual(1);
  await at.ask(true);
  expect(await at.beatsIn(4.5 * BEAT_MS)).toBeGreaterThanOrEqual(4);
  at.kill();
});

test('a hint that comes late cancels the run it was meant for, and not that of a later job with the same id', async () => {
  const insertedAt = Date.parse(WORK.insertedAt);
  const at = played();
  await at.run();
  expect(await at.cancel({ insertedAt: insertedAt - 1_000 })).toBe(false);
  expect(await at.cancel({ insertedAt })).toBe(true);
  at.kill();
  const older = played();
  await older.run();
  expect(await older.cancel({}), 'of a node that does not say').toBe(true);
  older.kill();
});
