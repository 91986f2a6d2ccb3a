import { type Clock, sleep, type TimerHandle } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus, Headers } from '../../messaging/bus.ts';
import {
  type DurableStreams,
  MESSAGE_ID_HEADER,
  type StreamMessage,
  type StreamOptions,
  type StreamReader,
} from '../../messaging/durable-stream.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { StoredRequest } from '../../store/intake-verbs.ts';
import type { StoreClient } from '../store-client.ts';

/** What the reading of requests works with. */
export interface StoreRequestsWorld {
  store: StoreClient;
  bus: Pick<Bus, 'payloadBytesMax'>;
  subjects: Subjects;
  clock: Clock;
  /** How often is looked for new ones, in milliseconds. */
  pollMs: number;
  log: Logger;
}

/** Requests that are taken at a time. */
const BATCH_MAX = 500;
/** How much of what a message from a store elsewhere may have their bodies may fill. */
const PAYLOAD_SHARE = 0.5;

/**
 * The requests that programs wrote into the store's database, read as those that a broker keeps: found by looking, for
 * the database tells nobody. Several nodes share them.
 */
export class StoreRequests implements DurableStreams {
  readonly #world: StoreRequestsWorld;

  constructor(world: StoreRequestsWorld) {
    this.#world = world;
  }

  /** There is nothing to open. Of the options only the time after which a dead reader's requests go to others counts. */
  async openStream({ ackWaitMs }: Pick<StreamOptions, 'ackWaitMs'>): Promise<StreamReader> {
    return new RequestReader(this.#world, ackWaitMs);
  }
}

class RequestReader implements StreamReader {
  readonly fault = undefined;
  readonly #world: StoreRequestsWorld;
  readonly #holdMs: number;
  readonly #held = new Set<HeldRequest>();
  /** Finished here, and perhaps not yet in the store: one that comes again is only finished again. */
  readonly #done = new Set<string>();
  /** What goes back, by how long nobody may take it. */
  readonly #back = new Map<number, string[]>();
  readonly #closing = new AbortController();
  #writing: Promise<void> | undefined;
  #lookAtMs = 0;
  #told: string | undefined;
  #beat: TimerHandle;

  constructor(world: StoreRequestsWorld, holdMs: number) {
    this.#world = world;
    this.#holdMs = holdMs;
    this.#armBeat();
  }

  async take(signal: AbortSignal): Promise<StreamMessage[]> {
    const { clock } = this.#world;
    const over = AbortSignal.any([signal, this.#closing.signal]);
    while (!over.aborted) {
      await sleep(clock, Math.max(0, this.#lookAtMs - clock.monotonicMs()), over);
      if (over.aborted) break;
      const taken = await this.#look();
      if (taken.length > 0) return taken;
    }
    return [];
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#world.clock.clearTimeout(this.#beat);
    for (const held of this.#held) held.giveBack(0);
  }

  /** Says the last word about a request: finished with, or taken by nobody for so many milliseconds. */
  conclude(held: HeldRequest, word: 'finished' | number): void {
    if (!this.#held.delete(held)) return;
    if (word === 'finished') this.#done.add(held.key);
    else this.#back.set(word, [...(this.#back.get(word) ?? []), held.key]);
    this.#write();
  }

  /** Takes what is there. A store that is away is looked at again. */
  async #look(): Promise<StreamMessage[]> {
    const { store, bus, clock, pollMs, log } = this.#world;
    this.#lookAtMs = clock.monotonicMs() + pollMs;
    this.#write();
    try {
      const bytesMax = Math.floor(bus.payloadBytesMax * PAYLOAD_SHARE);
      const options = { now: clock.now(), limit: BATCH_MAX, bytesMax, forMs: this.#holdMs };
      const { requests, more } = await store.ask('takeRequests', options);
      if (more) this.#lookAtMs = 0;
      this.#told = undefined;
      return this.#taken(requests);
    } catch (error) {
      if (!(error instanceof RotaError)) throw error;
      const text = errorText(error);
      if (text !== this.#told)
        log.warn({ error: text }, 'requests in the database are not read for now; it is tried again');
      this.#told = text;
      return [];
    }
  }

  #taken(requests: readonly StoredRequest[]): StreamMessage[] {
    const taken = requests
      .filter(({ key }) => !this.#done.has(key))
      .map((request) => new HeldRequest(request, this.#world.subjects, this));
    for (const held of taken) this.#held.add(held);
    if (!this.#closing.signal.aborted) return taken;
    for (const held of taken) held.giveBack(0);
    return [];
  }

  /** Tells the store what has ended, all of one turn together. What it does not hear is told again before the next look. */
  #write(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    const { store, clock } = this.#world;
    await undefined;
    try {
      while (this.#done.size > 0 || this.#back.size > 0) {
        const done = [...this.#done];
        const back = [...this.#back];
        this.#back.clear();
        await Promise.all([
          ...(done.length === 0 ? [] : [store.ask('finishRequests', { keys: done })]),
          ...back.map(([forMs, keys]) => store.ask('holdRequests', { now: clock.now(), keys, forMs })),
        ]);
        for (const key of done) this.#done.delete(key);
      }
    } catch {
      // What was given back comes again when its time is over, what is finished is told again.
    }
  }

  /** What is held stays held: the store hears of it three times in the time that it waits. */
  #armBeat(): void {
    const { store, clock } = this.#world;
    this.#beat = clock.setTimeout(() => {
      const keys = [...this.#held].map(({ key }) => key);
      if (keys.length > 0) {
        store.ask('holdRequests', { now: clock.now(), keys, forMs: this.#holdMs }).catch(() => {});
      }
      this.#armBeat();
    }, this.#holdMs / 3);
  }
}

class HeldRequest implements StreamMessage {
  readonly subject: string;
  readonly body: Body;
  readonly headers: Headers;
  readonly takenAt: number;
  readonly key: string;
  readonly deliveries: number;
  readonly #reader: RequestReader;

  constructor(
    { key, id, queue, body, traceparent, at, deliveries }: StoredRequest,
    subjects: Subjects,
    reader: RequestReader,
  ) {
    this.subject = subjects.intake(queue);
    this.body = Body.encoded(Buffer.from(body), undefined);
    this.headers = { [MESSAGE_ID_HEADER]: id, ...(traceparent === null ? {} : { traceparent }) };
    this.takenAt = at;
    this.key = key;
    this.deliveries = deliveries;
    this.#reader = reader;
  }

  finish(): void {
    this.#reader.conclude(this, 'finished');
  }

  giveBack(delayMs: number): void {
    this.#reader.conclude(this, delayMs);
  }
}
