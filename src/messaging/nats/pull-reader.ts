import { createInbox, type Msg, type NatsConnection, nanos, type Subscription } from '@nats-io/transport-node';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import type { BusState } from '../bus.ts';
import type { StreamMessage, StreamReader } from '../durable-stream.ts';
import { contentOf } from './nats-message.ts';
import { ACK, type Delivery, deliveryOf, IN_PROGRESS, nak } from './stream-delivery.ts';

/** What a PullReader reads from and how. */
export interface PullReaderOptions {
  connection: NatsConnection;
  /** Tells when the connection is lost and when it is back. */
  onState(listener: (state: BusState) => void): () => void;
  clock: Clock;
  inboxPrefix?: string | undefined;
  stream: string;
  consumer: string;
  /** After how long without a word the broker delivers a message again, in milliseconds. */
  ackWaitMs: number;
}

/** Messages and bytes that one pull asks for. One pull may wait here while the one before is dealt with. */
const PULL_MESSAGES = 500;
const PULL_BYTES = 8 * 1_048_576;
/** How long a pull waits at the broker, in milliseconds; then it is asked again. */
const PULL_MS = 20_000;
/**
 * How often the broker says of a pull that it still waits, and after how long without a word it is taken for lost, in
 * milliseconds: a server of a cluster that dies takes along the pulls that waited there, and our own connection stands.
 */
const HEARTBEAT_MS = 1_500;
const SILENT_MS = 3_500;
/** Before a pull that the broker refused is tried again, in milliseconds. */
const REFUSED_MS = 1_000;
/** Keys of finished messages that are remembered: one whose ack was lost comes again and is only acked. */
const FINISHED_MAX = 10_000;

interface Pull {
  subject: string;
  wanted: number;
  got: number;
  /** When the broker last said something, in monotonic milliseconds. */
  heardMs: number;
  timer: TimerHandle;
}

/**
 * Reads a durable pull consumer by pulls of its own instead of nats.js's: one pull is under way at a time and none while
 * its messages wait to be taken, so that memory is bounded; what came while the caller was busy is one batch; timers
 * are on the injected clock.
 */
export class PullReader implements StreamReader {
  readonly #options: PullReaderOptions;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #unlisten: () => void;
  readonly #held = new Set<Held>();
  readonly #finished = new Set<string>();
  #waiting: Held[] = [];
  #pull: Pull | undefined;
  #pulls = 0;
  /** The next message is larger than what a pull may carry: it is asked for alone and without a bound. */
  #alone = false;
  #wake: (() => void) | undefined;
  #beat: TimerHandle;
  #up = true;
  #ended = false;
  #fault: string | undefined;

  constructor(options: PullReaderOptions) {
    this.#options = options;
    this.#inbox = createInbox(options.inboxPrefix);
    this.#subscription = options.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, msg) => (error === null ? this.#arrived(msg) : this.#end(error.message)),
    });
    this.#unlisten = options.onState((state) => this.#changed(state));
    options.connection.closed().then(() => this.#end('the connection was closed'));
    this.#armBeat();
    this.#ask();
  }

  get fault(): string | undefined {
    return this.#fault;
  }

  async take(signal: AbortSignal): Promise<StreamMessage[]> {
    const wake = (): void => this.#wake?.();
    signal.addEventListener('abort', wake);
    try {
      while (!this.#ended && !signal.aborted) {
        if (this.#waiting.length > 0) {
          const taken = this.#waiting;
          this.#waiting = [];
          this.#ask();
          return taken;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      return [];
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  close(): void {
    this.#end(undefined);
  }

  /** Says the last word about a message. Said to a lost connection it is kept by nats.js until that is back. */
  conclude(held: Held, word: Uint8Array): void {
    if (!this.#held.delete(held)) return;
    if (word === ACK) this.#remember(held.key);
    this.#say(held.reply, word);
  }

  #remember(key: string): void {
    this.#finished.add(key);
    const [oldest] = this.#finished;
    if (this.#finished.size > FINISHED_MAX && oldest !== undefined) this.#finished.delete(oldest);
  }

  #say(reply: string, word: Uint8Array): void {
    const { connection } = this.#options;
    // Of a connection that is closed for good nothing arrives: the message is delivered again.
    if (!connection.isClosed()) connection.publish(reply, word);
  }

  #arrived(msg: Msg): void {
    if (this.#ended) return;
    const delivery = deliveryOf(msg);
    if (delivery === undefined) this.#told(msg);
    else this.#delivered(msg, delivery);
  }

  #delivered(msg: Msg, delivery: Delivery): void {
    if (this.#pull !== undefined) {
      this.#pull.got += 1;
      this.#pull.heardMs = this.#options.clock.monotonicMs();
      if (this.#pull.got >= this.#pull.wanted) this.#pullOver();
    }
    if (this.#finished.has(delivery.key)) {
      this.#say(msg.reply ?? '', ACK);
      return;
    }
    const held = new Held(msg, delivery, this);
    this.#held.add(held);
    this.#waiting.push(held);
    this.#wake?.();
  }

  /** A word of the broker about a pull: its headers are a status. */
  #told({ subject, headers }: Msg): void {
    const pull = this.#pull;
    if (pull === undefined || subject !== pull.subject || headers === undefined) return;
    pull.heardMs = this.#options.clock.monotonicMs();
    if (headers.code === 100) return;
    this.#pullOver();
    const { code, description } = headers;
    const oversize = code === 409 && /message size exceeds/i.test(description);
    if (oversize) this.#alone = pull.got === 0;
    if (oversize || code === 404 || code === 408) this.#ask();
    else if (code === 409 && !/deleted/i.test(description)) {
      this.#pull = { ...pull, timer: this.#options.clock.setTimeout(() => this.#again(), REFUSED_MS) };
    } else this.#end(`${code} ${description}`);
  }

  /** Asks for more when nothing waits and no pull is under way. */
  #ask(): void {
    if (this.#ended || !this.#up || this.#pull !== undefined || this.#waiting.length > 0) return;
    const { connection, clock, stream, consumer } = this.#options;
    this.#pulls += 1;
    const subject = `${this.#inbox}.${this.#pulls}`;
    const wanted = this.#alone ? 1 : PULL_MESSAGES;
    const bytesMax = Math.max(PULL_BYTES, (connection.info?.max_payload ?? 0) * 2);
    const waits = { expires: nanos(PULL_MS), idle_heartbeat: nanos(HEARTBEAT_MS) };
    const body = { batch: wanted, ...waits, ...(this.#alone ? {} : { max_bytes: bytesMax }) };
    this.#alone = false;
    const timer = clock.setTimeout(() => this.#watch(), SILENT_MS);
    this.#pull = { subject, wanted, got: 0, heardMs: clock.monotonicMs(), timer };
    try {
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(body), { reply: subject });
    } catch (error) {
      this.#end(String(error));
    }
  }

  #again(): void {
    this.#pullOver();
    this.#ask();
  }

  /** Asks again when the broker is silent, and else looks again when it might be. */
  #watch(): void {
    const { clock } = this.#options;
    if (this.#pull === undefined) return;
    const silentMs = clock.monotonicMs() - this.#pull.heardMs;
    if (silentMs >= SILENT_MS) this.#again();
    else this.#pull.timer = clock.setTimeout(() => this.#watch(), SILENT_MS - silentMs);
  }

  #pullOver(): void {
    this.#options.clock.clearTimeout(this.#pull?.timer);
    this.#pull = undefined;
  }

  /** A pull does not outlive the connection that it was sent on. */
  #changed(state: BusState): void {
    this.#up = state === 'up';
    this.#again();
  }

  /** What is held, taken or not, stays held: the broker hears of it three times in the time that it waits. */
  #armBeat(): void {
    this.#beat = this.#options.clock.setTimeout(() => {
      if (this.#up) for (const { reply } of this.#held) this.#say(reply, IN_PROGRESS);
      this.#armBeat();
    }, this.#options.ackWaitMs / 3);
  }

  #end(fault: string | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#fault = fault;
    this.#unlisten();
    this.#pullOver();
    this.#options.clock.clearTimeout(this.#beat);
    for (const { reply } of this.#held) this.#say(reply, nak(0));
    this.#held.clear();
    this.#waiting = [];
    if (!this.#options.connection.isClosed()) this.#subscription.unsubscribe();
    this.#wake?.();
  }
}

class Held implements StreamMessage {
  readonly subject: string;
  readonly body: StreamMessage['body'];
  readonly headers: StreamMessage['headers'];
  readonly takenAt: number;
  readonly key: string;
  readonly deliveries: number;
  /** Where the word about it goes. */
  readonly reply: string;
  readonly #reader: PullReader;

  constructor(msg: Msg, delivery: Delivery, reader: PullReader) {
    const { body, headers } = contentOf(msg);
    this.subject = msg.subject;
    this.body = body;
    this.headers = headers;
    this.takenAt = delivery.takenAt;
    this.key = delivery.key;
    this.deliveries = delivery.deliveries;
    this.reply = msg.reply ?? '';
    this.#reader = reader;
  }

  finish(): void {
    this.#reader.conclude(this, ACK);
  }

  giveBack(delayMs: number): void {
    this.#reader.conclude(this, nak(delayMs));
  }
}
