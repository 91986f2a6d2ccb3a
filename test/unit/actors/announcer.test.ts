import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Announcer } from '../../../src/actors/persistence/announcer.ts';
import type { JobFact } from '../../../src/job/job-event.ts';
import { RotaError } from '../../../src/kernel/error.ts';
import { silentLogger } from '../../../src/kernel/log.ts';
import type { Bus, BusState } from '../../../src/messaging/bus.ts';
import type { JsonLines } from '../../../src/messaging/json-lines.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** A terminal fact that has its place in the outbox. */
const ended = (seq: number): JobFact => ({
  ...{ what: 'completed', at: 0, id: `job-${seq}`, run: 1, type: 't', queue: 'q', state: 'completed' },
  ...{ attempt: 1, maxAttempts: 20, outboxSeq: seq },
});
const started: JobFact = { ...ended(0), what: 'started', state: 'executing', outboxSeq: undefined } as never;

/** A bus that counts what is published and flushes as it is told, and an outbox in memory. */
class World {
  state: BusState = 'up';
  readonly published: string[] = [];
  /** As of a server with a small `max_payload`. */
  bytesMax = Number.MAX_SAFE_INTEGER;
  readonly outbox = new Map<number, JobFact>();
  readonly clock = new VirtualClock();
  flushFails = 0;
  #listener: (state: BusState) => void = () => {};
  readonly bus = {
    onState: (listener: (state: BusState) => void) => {
      this.#listener = listener;
      return () => {};
    },
    publish: (_subject: string, { body }: { body: { value: unknown; bytes: Uint8Array } }) => {
      if (body.bytes.length > this.bytesMax) throw new RotaError('too_large', 'larger than the server takes');
      this.published.push((body.value as { id: string }).id);
    },
    flush: async () => {
      if (this.flushFails-- > 0 || this.state === 'down') throw new RotaError('unavailable', 'not flushed');
    },
  } as unknown as Bus;
  readonly announcer: Announcer;

  constructor() {
    Object.defineProperty(this.bus, 'state', { get: () => this.state });
    Object.defineProperty(this.bus, 'payloadBytesMax', { get: () => this.bytesMax });
    this.announcer = new Announcer({
      ...{ bus: this.bus, subjects: new Subjects('jobs'), node: 'n', clock: this.clock, log: silentLogger },
      outbox: {
        unannounced: async (after, limit) =>
          [...this.outbox]
            .filter(([seq]) => seq > after)
            .slice(0, limit)
            .map(([, fact]) => fact),
        announced: async (places) => {
          const isOut = (seq: number): boolean => places.some(({ from, to }) => seq >= from && seq <= to);
          for (const seq of [...this.outbox.keys()]) if (isOut(seq)) this.outbox.delete(seq);
        },
      },
    });
  }

  /** Commits facts: the outbox has them before they are told. */
  commit(...facts: JobFact[]): void {
    for (const fact of facts) if (fact.outboxSeq !== undefined) this.outbox.set(fact.outboxSeq, fact);
    this.announcer.tell(facts);
  }

  turn(state: BusState): void {
    this.state = state;
    this.#listener(state);
  }
}

describe('announcing', () => {
  let world: World;
  beforeEach(async () => {
    world = new World();
    world.announcer.start();
    await world.announcer.drain();
  });
  afterEach(() => world.announcer.stop());

  test('tells facts in order and forgets terminal ones after a flush', async () => {
    world.commit(started, ended(1), ended(2));
    await world.announcer.drain();
    expect(world.published).toEqual(['job-0:1:started:0:1', 'job-1:1:completed:0:1', 'job-2:1:completed:0:2']);
    expect(world.outbox.size).toBe(0);
  });

  test('keeps terminal ones while the bus is down and tells them when it is up', async () => {
    world.turn('down');
    world.commit(started, ended(1));
    expect(world.published).toEqual(['job-0:1:started:0:1']);
    expect(world.outbox.size).toBe(1);
    world.turn('up');
    await world.announcer.drain();
    expect(world.published.at(-1)).toBe('job-1:1:completed:0:1');
    expect(world.outbox.size).toBe(0);
  });

  test('tells again, with the same id, what a failed flush leaves in doubt', async () => {
    world.flushFails = 1;
    world.commit(ended(1));
    await world.announcer.drain();
    expect(world.outbox.size).toBe(1);
    await world.clock.advance(2_000);
    expect(world.published).toEqual(['job-1:1:completed:0:1', 'job-1:1:completed:0:1']);
    expect(world.outbox.size).toBe(0);
  });

  test('gives each end an id of its own, also in one millisecond and without a run in between', async () => {
    const again = { ...ended(2), id: 'job-1' };
    world.flushFails = 1;
    world.commit(ended(1), started, started, again);
    await world.clock.advance(2_000);
    const once = ['job-1:1:completed:0:1', 'job-0:1:started:0:2', 'job-0:1:started:0:3', 'job-1:1:completed:0:2'];
    expect(world.published).toEqual([...once, once[0], once[3]]);
  });

  test('tells what makes a fact larger than a message may be in short or not at all: it must not hold up the others', async () => {
    world.bytesMax = 16 * 1_024;
    // Each of these characters takes six in JSON.
    const error = { kind: 'error' as const, message: '\u0001'.repeat(16 * 1_024) };
    world.commit({ ...ended(1), what: 'discarded', state: 'discarded', error });
    world.commit({ ...ended(2), result: 'x'.repeat(20_000) }, ended(3));
    await world.announcer.drain();
    expect(world.published).toEqual(['job-1:1:discarded:0:1', 'job-2:1:completed:0:2', 'job-3:1:completed:0:3']);
    expect(world.outbox.size).toBe(0);
  });

  test('hands many over in parts of a bounded size, none of them twice or out of order', async () => {
    const parts: JsonLines[] = [];
    Object.assign(world.bus, { publishLines: (_subject: string, lines: JsonLines) => parts.push(lines) });
    const facts = Array.from({ length: 400 }, (_, seq) => ended(seq + 1));
    world.commit(...facts);
    await world.announcer.drain();
    expect(Math.max(...parts.map(({ rows }) => rows.length))).toBeLessThan(64 * 1_024);
    const said = parts.map((part) => [...part.bodies()].map(({ value }) => (value as { subject: string }).subject));
    expect(said.map(({ length }) => length)).toEqual(parts.map(({ count }) => count));
    expect(said.flat()).toEqual(facts.map(({ id }) => id));
    expect(world.outbox.size).toBe(0);
  });

  test('begins with what an earlier life left untold', async () => {
    const later = new World();
    for (const seq of [1, 2, 3]) later.outbox.set(seq, ended(seq));
    later.announcer.start();
    await later.announcer.drain();
    expect(later.published).toHaveLength(3);
    expect(later.outbox.size).toBe(0);
    later.announcer.stop();
  });

  test('loses nothing that is committed between reading an empty outbox and knowing it', async () => {
    const later = new World();
    const { outbox } = later;
    later.announcer.start();
    // The read of the empty outbox is under way: this one is neither in it nor published.
    later.commit(ended(1));
    await later.announcer.drain();
    expect(later.published).toEqual(['job-1:1:completed:0:1']);
    expect(outbox.size).toBe(0);
    later.announcer.stop();
  });
});
