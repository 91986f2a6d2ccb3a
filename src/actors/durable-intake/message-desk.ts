import { type Clock, sleep } from '../../kernel/clock.ts';
import { errorText, RotaError } from '../../kernel/error.ts';
import type { Logger } from '../../kernel/log.ts';
import { Body } from '../../messaging/body.ts';
import type { Bus } from '../../messaging/bus.ts';
import type { StreamMessage } from '../../messaging/durable-stream.ts';
import { onceHeaders } from '../../messaging/event-history.ts';
import type { Subjects } from '../../messaging/subjects.ts';
import type { RejectedMessage } from '../../store/rejected-message.ts';
import type { EndpointCounts } from '../request-counts.ts';
import type { StoreClient } from '../store-client.ts';
import { isFault, type MessageReader, type ReadMessage } from './message-reader.ts';
import { rejectedEvent } from './rejection.ts';

/** What the desk works with. */
export interface MessageDeskWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  node: string;
  store: StoreClient;
  reader: MessageReader;
  /** A stream keeps events, each that may be told again once. */
  eventsKept?: boolean | undefined;
  log: Logger;
}

/** Jobs, and bytes for each beside its body, that one request to the store carries. */
const JOBS_MAX = 1_000;
const JOB_BYTES = 512;
/** How much of what a message to a store elsewhere may have is used. */
const PAYLOAD_SHARE = 0.75;
/** Between two tries while the store is away, in milliseconds. */
const WAIT_MS_MIN = 100;
const WAIT_MS_MAX = 2_000;
/** Tries that a store which answers otherwise may fail one after the other before it is taken for the messages' doing. */
const STRIKES_MAX = 5;
/** How long reading one batch may take, in milliseconds: more than the store's own time-outs. */
const READ_MS_MAX = 20_000;
/** Before a message whose handling failed comes again, in milliseconds. */
const FAILED_MS = 1_000;
/** A message that was delivered more often than this is handled alone, and counted by the store before it is. */
const DELIVERIES_MAX = 3;
/** A message that was handled alone this often, and is here again, is rejected. */
const TRIES_MAX = 3;
/** Messages whose last failure is remembered. */
const FAILURES_MAX = 1_000;

/**
 * Makes jobs of messages, a batch at a time, and tells the broker that it is finished with each after the commit. A
 * message ends as jobs or in the rejected list; while the store is away it waits here. One that crashes or fails whoever
 * handles it is soon handled alone, so that it takes no other with it, and after a few times rejected.
 */
export class MessageDesk {
  readonly #world: MessageDeskWorld;
  readonly #failures = new Map<string, string>();
  /** Messages that ended, as an endpoint's requests; those of them that were rejected, as its errors. */
  readonly counts: EndpointCounts = { requests: 0, errors: 0, lastError: '', busyMs: 0 };
  #away = false;

  constructor(world: MessageDeskWorld) {
    this.#world = world;
  }

  /** Deals with messages until each is finished with or given back. @param signal gives back what waits for the store */
  async handle(messages: readonly StreamMessage[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#world;
    const beganMs = clock.monotonicMs();
    const suspects = messages.filter(isSuspect);
    await this.#handleTogether(suspects.length === 0 ? messages : messages.filter((it) => !isSuspect(it)), signal);
    for (const message of suspects) await this.#handleTogether([message], signal);
    this.counts.busyMs += clock.monotonicMs() - beganMs;
  }

  async #handleTogether(messages: readonly StreamMessage[], signal: AbortSignal): Promise<void> {
    const noted = new Set<string>();
    let left = messages;
    let strikes = 0;
    for (let waitMs = WAIT_MS_MIN; left.length > 0 && !signal.aborted; waitMs = Math.min(waitMs * 2, WAIT_MS_MAX)) {
      left = await this.#round(left, noted);
      if (left.length === 0) return;
      if (await this.#storeAnswers()) strikes += 1;
      if (strikes >= STRIKES_MAX) {
        for (const message of left) this.#failed(message, 'the store refuses it and answers otherwise');
        return;
      }
      await sleep(this.#world.clock, waitMs, signal);
    }
    for (const message of left) message.giveBack(0);
  }

  /** @returns the messages that wait for the store */
  async #round(messages: readonly StreamMessage[], noted: Set<string>): Promise<StreamMessage[]> {
    const left: StreamMessage[] = [];
    const reads = await this.#readAll(messages, { noted, left });
    for (const part of partsOf(reads, this.#world.bus.payloadBytesMax * PAYLOAD_SHARE)) await this.#keep(part, left);
    return left;
  }

  async #readAll(
    messages: readonly StreamMessage[],
    { noted, left }: { noted: Set<string>; left: StreamMessage[] },
  ): Promise<ReadMessage[]> {
    const over = new AbortController();
    const late = sleep(this.#world.clock, READ_MS_MAX, over.signal).then(() => {
      throw new Error(`it was not checked within ${READ_MS_MAX} ms`);
    });
    late.catch(() => {});
    const reads = await Promise.all(
      messages.map(async (message) => {
        try {
          return await Promise.race([this.#read(message, noted), late]);
        } catch (error) {
          this.#trouble([message], error, left);
          return undefined;
        }
      }),
    );
    over.abort();
    return reads.filter((read) => read !== undefined);
  }

  async #read(message: StreamMessage, noted: Set<string>): Promise<ReadMessage> {
    const { store, reader, clock } = this.#world;
    const { key } = message;
    if (isSuspect(message) && !noted.has(key)) {
      const { tries } = await store.ask('suspect', { now: clock.now(), key });
      noted.add(key);
      if (tries > TRIES_MAX) return this.#giveUp(message, tries - 1);
    }
    return reader.read(message);
  }

  /** What of a message is a job already stays one: those who handled it ended between the commit and the ack. */
  async #giveUp(message: StreamMessage, tries: number): Promise<ReadMessage> {
    const { store, reader } = this.#world;
    const reason = this.#failures.get(message.key) ?? 'it may be what ended those who did';
    const text = `it was handled ${tries} times alone without an end: ${reason}`;
    const ids = reader.idsOf(message);
    const stored = ids.length === 0 ? [] : await store.ask('states', { ids });
    const there = new Set(stored.map(({ id }) => id));
    return reader.givenUp(message, new RotaError('invalid_request', text), there);
  }

  /** Stores what a part came to, then finishes with its messages. What is faulty in company is tried alone. */
  async #keep(part: readonly ReadMessage[], left: StreamMessage[]): Promise<void> {
    const { store, reader } = this.#world;
    try {
      const jobs = part.flatMap((read) => read.jobs);
      if (jobs.length > 0) await store.ask('insert', { jobs, brief: true });
      const rejected = part.flatMap((read) => read.rejected);
      if (rejected.length > 0) await this.#reject(rejected);
      for (const read of part) this.#finish(read);
    } catch (error) {
      const [first] = part;
      if (isAway(error) || first === undefined) return this.#trouble(messagesOf(part), error, left);
      if (part.length > 1) for (const read of part) await this.#keep([read], left);
      else if (isFault(error) && first.jobs.length > 0)
        await this.#keep([reader.rejection(first.message, error)], left);
      else this.#trouble(messagesOf(part), error, left);
    }
  }

  /** Kept, then told: a message is finished with only when its rejection is out. */
  async #reject(rejected: readonly RejectedMessage[]): Promise<void> {
    const { store, bus, subjects, node, log } = this.#world;
    await store.ask('reject', { rejected });
    for (const entry of rejected) {
      const { subject, event } = rejectedEvent(entry, subjects, node);
      bus.publish(subject, { body: Body.of(event, 'json'), ...onceHeaders(event.id, this.#world.eventsKept) });
    }
    await bus.flush(this);
    for (const { queue, msgId, code, message } of rejected) {
      log.warn({ queue, msgId, code, error: message }, 'a message of the intake was rejected');
    }
  }

  #finish({ message, rejected: [rejected] }: ReadMessage): void {
    if (this.#away) this.#world.log.info({}, 'the store is back; the durable intake goes on');
    this.#away = false;
    this.#failures.delete(message.key);
    this.counts.requests += 1;
    if (rejected !== undefined) {
      this.counts.errors += 1;
      this.counts.lastError = rejected.message;
    }
    message.finish();
  }

  /** What passes is waited for; what does not is handled again a few times. */
  #trouble(messages: readonly StreamMessage[], error: unknown, left: StreamMessage[]): void {
    if (isAway(error)) {
      if (!this.#away)
        this.#world.log.warn({ error: errorText(error) }, 'the store is away; messages of the intake wait');
      this.#away = true;
      left.push(...messages);
    } else for (const message of messages) this.#failed(message, errorText(error));
  }

  #failed(message: StreamMessage, reason: string): void {
    const { subject, key, deliveries } = message;
    this.#world.log.warn({ subject, key, deliveries, error: reason }, 'a message of the intake could not be handled');
    if (this.#failures.size >= FAILURES_MAX) this.#failures.clear();
    this.#failures.set(key, reason);
    message.giveBack(FAILED_MS);
  }

  #storeAnswers(): Promise<boolean> {
    return this.#world.store.ask('leader', {}).then(
      () => true,
      () => false,
    );
  }
}

const isSuspect = ({ deliveries }: StreamMessage): boolean => deliveries > DELIVERIES_MAX;

/** Whether an error passes by itself: the store or the bus is away or busy. */
const isAway = (error: unknown): boolean => error instanceof RotaError && !isFault(error);

const messagesOf = (part: readonly ReadMessage[]): StreamMessage[] => part.map(({ message }) => message);

/** Parts that each fit into one request, with messages whole; one that is too large by itself goes alone. */
function* partsOf(reads: readonly ReadMessage[], bytesMax: number): Generator<ReadMessage[]> {
  let part: ReadMessage[] = [];
  let jobs = 0;
  let bytes = 0;
  for (const read of reads) {
    const weight = read.message.body.bytes.length + read.jobs.length * JOB_BYTES;
    if (part.length > 0 && (jobs + read.jobs.length > JOBS_MAX || bytes + weight > bytesMax)) {
      yield part;
      part = [];
      jobs = 0;
      bytes = 0;
    }
    part.push(read);
    jobs += read.jobs.length;
    bytes += weight;
  }
  if (part.length > 0) yield part;
}
