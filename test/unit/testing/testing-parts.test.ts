import { describe, expect, it } from 'vitest';
import { newJob } from '../../../src/job/job-request.ts';
import type { JobStore, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { openSqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';
import { EagerClock } from '../../../src/testing/eager-clock.ts';
import { GatedStore } from '../../../src/testing/gated-store.ts';
import { HandlerClock } from '../../../src/testing/handler-clock.ts';
import { LogBook } from '../../../src/testing/log-book.ts';
import { seededRandom } from '../../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';
import { contains } from '../../../src/testing/waiting-jobs.ts';

describe('seeded randomness', () => {
  it('is the same for the same seed, within [0, 1), and evenly spread', () => {
    const [one, same, other] = [seededRandom(42), seededRandom(42), seededRandom(43)];
    const numbers = Array.from({ length: 10_000 }, one);
    expect(Array.from({ length: 10_000 }, same)).toEqual(numbers);
    expect(other()).not.toBe(numbers[0]);
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    const tenths = Array.from(
      { length: 10 },
      (_, n) => numbers.filter((number) => Math.floor(number * 10) === n).length,
    );
    expect(Math.min(...tenths)).toBeGreaterThan(900);
    expect(new Set(numbers).size).toBeGreaterThan(9_990);
  });
});

describe('a leap of the virtual clock', () => {
  it('fires what became due on the way late, in order, and once', async () => {
    const clock = new VirtualClock(0);
    const fired: string[] = [];
    const every = (ms: number): void => {
      clock.setTimeout(() => {
        fired.push(`${ms}@${clock.now()}`);
        every(ms);
      }, ms);
    };
    every(7);
    every(5);
    clock.setTimeout(() => fired.push(`end@${clock.now()}`), 100);
    clock.setTimeout(() => fired.push('beyond'), 101);
    await clock.leap(100);
    expect(fired).toEqual(['5@100', '7@100', 'end@100']);
    await clock.advance(0);
    expect(fired).toHaveLength(3);
    await clock.leap(-5);
    expect(clock.now()).toBe(100);
  });
});

describe('the clock of handlers', () => {
  it('knows its own timers and tells when they fire', async () => {
    const clock = new VirtualClock(1_000);
    let stirred = 0;
    const own = new HandlerClock(clock, () => {
      stirred += 1;
    });
    clock.setTimeout(() => {}, 1);
    expect(own.nextDueMs).toBeUndefined();
    const first = own.setTimeout(() => {}, 10);
    own.setTimeout(() => {}, 20);
    own.setTimeout(() => {}, -5);
    expect(own.nextDueMs).toBe(0);
    own.clearTimeout(first);
    own.clearTimeout(first);
    own.clearTimeout(undefined);
    await clock.advance(15);
    expect([own.nextDueMs, stirred, clock.pending]).toEqual([20, 1, 1]);
    await clock.advance(15);
    expect([own.nextDueMs, stirred, own.now(), own.monotonicMs()]).toEqual([undefined, 2, 1_030, 30]);
  });
});

describe('an eager clock', () => {
  it('fires timers without delay while time stands, in order, and the others when it passes', async () => {
    const clock = new VirtualClock(5);
    const eager = new EagerClock(clock);
    const fired: string[] = [];
    eager.setTimeout(() => fired.push('a'), 0);
    const cleared = eager.setTimeout(() => fired.push('never'), 0);
    eager.setTimeout(() => fired.push('b'), -1);
    eager.setTimeout(() => fired.push('later'), 1);
    eager.clearTimeout(eager.setTimeout(() => fired.push('never'), 1));
    eager.clearTimeout(cleared);
    eager.clearTimeout(undefined);
    expect(fired).toEqual([]);
    await clock.settle();
    expect(fired).toEqual(['a', 'b']);
    await clock.advance(1);
    expect([fired, eager.now(), eager.monotonicMs()]).toEqual([['a', 'b', 'later'], 6, 1]);
  });
});

describe('a log book', () => {
  it('keeps the lines of all its children, and tells another logger too', () => {
    const other = new LogBook();
    const book = new LogBook(other);
    book.info({}, 'a');
    book.child({ job: 1 }).child({ attempt: 2 }).error({ job: 3 }, 'b');
    expect(book.lines).toEqual([
      { level: 'info', message: 'a', fields: {} },
      { level: 'error', message: 'b', fields: { job: 3, attempt: 2 } },
    ]);
    expect(other.lines).toEqual(book.lines);
  });
});

describe('what a value must contain', () => {
  it.each([
    [{ a: 1, b: 2 }, undefined, true],
    [{ a: 1, b: 2 }, {}, true],
    [{ a: 1, b: 2 }, { a: 1 }, true],
    [{ a: 1 }, { a: 2 }, false],
    [{ a: { b: [{ c: 1, d: 2 }] } }, { a: { b: [{ c: 1 }] } }, true],
    [{ a: [1, 2] }, { a: [1] }, false],
    [{ a: [1] }, { a: { 0: 1 } }, false],
    [{ a: null }, { a: null }, true],
    [{ a: null }, { a: {} }, false],
    [[1], [1], true],
  ])('%j has %j: %s', (value, wanted, expected) => {
    expect(contains(value, wanted)).toBe(expected);
  });
});

describe('a store with a gate', () => {
  const claim = { verb: 'claim', now: 0, queue: 'a', worker: 'w', node: 'n', limit: 1 } as const;
  const stage = { verb: 'stage', now: 0, limit: 10 } as const;
  const job = (id: string, timeout: number | undefined) =>
    newJob(
      { type: 't', args: {}, ...(timeout === undefined ? {} : { timeout }) },
      { now: 0, newId: () => id, queue: 'a', definition: undefined },
    );
  const answerOf = (reply: StoreReply | undefined): unknown => (reply?.ok ? reply.answer : reply);

  function gated(): { gate: GatedStore; facts: string[] } {
    const facts: string[] = [];
    const store: JobStore = openSqliteStore({ path: ':memory:', random: seededRandom(1) });
    const gate = new GatedStore(store, (told) => void facts.push(...told.map(({ what }) => what)));
    return { gate, facts };
  }

  it('turns claims away while it is closed, and wakes their queues once it is open', async () => {
    const { gate, facts } = gated();
    const requests: StoreRequest[] = [claim, { verb: 'insert', jobs: [job('1', 50), job('2', undefined)] }, claim];
    const [before, inserted, after] = await gate.perform(requests);
    expect([answerOf(before), answerOf(after)]).toEqual([[], []]);
    expect(answerOf(inserted)).toHaveLength(2);
    expect(answerOf((await gate.perform([stage]))[0])).toMatchObject({ queues: [] });
    gate.open({ queue: 'b', attemptsMax: 9 });
    expect(answerOf((await gate.perform([stage]))[0])).toMatchObject({ queues: [] });
    gate.open({ queue: undefined, attemptsMax: 9 });
    expect(answerOf((await gate.perform([stage]))[0])).toMatchObject({ queues: ['a'] });
    expect(answerOf((await gate.perform([stage]))[0])).toMatchObject({ queues: [] });
    expect(answerOf((await gate.perform([claim]))[0])).toMatchObject([{ id: '1' }]);
    expect([gate.takeTimeout('1', 1), gate.takeTimeout('1', 1), gate.takeTimeout('2', 1)]).toEqual([
      50,
      undefined,
      undefined,
    ]);
    gate.shut();
    expect(answerOf((await gate.perform([claim]))[0])).toEqual([]);
    expect(facts).toEqual(['inserted', 'inserted', 'started']);
    await gate.close();
  });

  it('turns claims away after too many attempts, until it counts anew', async () => {
    const { gate } = gated();
    await gate.perform([{ verb: 'insert', jobs: [job('1', undefined), job('2', undefined), job('3', undefined)] }]);
    gate.open({ queue: undefined, attemptsMax: 1 });
    for (const id of ['1', '2']) expect(answerOf((await gate.perform([claim]))[0])).toMatchObject([{ id }]);
    expect(gate.exhausted).toBe(true);
    expect(answerOf((await gate.perform([claim]))[0])).toEqual([]);
    gate.renew();
    expect(answerOf((await gate.perform([claim]))[0])).toMatchObject([{ id: '3' }]);
    expect(gate.capabilities.name).toBe('sqlite');
    await gate.close();
  });
});
