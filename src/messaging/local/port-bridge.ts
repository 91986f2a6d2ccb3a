import type { MessagePort } from 'node:worker_threads';
import { errorText, RotaError, unreachable } from '../../kernel/error.ts';
import type { Bus, Envelope, Headers, Message, Subscription } from '../bus.ts';
import { notFlushed } from '../bus-errors.ts';
import { INBOX_UNBOUNDED, overloaded } from '../inbox.ts';
import { JsonLines, type LinePattern, publishLines } from '../json-lines.ts';
import { PublishLedger } from '../publish-ledger.ts';
import { refuse } from '../reply.ts';
import { type ArrivedItem, PortLink } from './port-link.ts';

/** The main thread's end of a bus that a thread uses. */
export interface PortBridge {
  /** Resolves when the thread is gone or the bridge was closed, and nothing of it is left on the bus. */
  readonly closed: Promise<void>;
  /** Ends it: subscriptions vanish, requests that wait for the thread are answered `unavailable` at once. */
  close(): void;
}

/** How a bridge tells what goes wrong. */
export interface PortBridgeOptions {
  /** Hears of what the thread published or subscribed and the bus refused. */
  onError?: (error: unknown) => void;
}

/** Requests handed to a thread that it may leave unanswered; beyond it the oldest is answered `unavailable`. */
export const DELIVERIES_MAX = 65_536;

/**
 * Serves a thread's `PortBus`: what it publishes, subscribes to and asks goes through the given bus, as if it ran here.
 * When the port closes, because the thread died or was killed, all of that ends at once.
 * @param port this thread's end of the channel
 * @param bus what the thread gets to use; its messages to the thread are bounded by each subscription's own inbox
 */
export function bridgePort(port: MessagePort, bus: Bus, options: PortBridgeOptions = {}): PortBridge {
  return new Bridge(port, bus, options);
}

interface Served {
  subscription: Subscription | undefined;
  underWay: number;
  overflowed: number;
  inboxMax: number;
}

class Bridge implements PortBridge {
  readonly closed: Promise<void>;
  readonly #bus: Bus;
  readonly #options: PortBridgeOptions;
  readonly #link: PortLink;
  readonly #served = new Map<number, Served>();
  readonly #deliveries = new Map<number, Message>();
  readonly #ledger = new PublishLedger();
  readonly #leaveState: () => void;
  #resolveClosed: () => void = () => {};
  #lastDelivery = 0;
  #taken = 0;
  #ended = false;

  constructor(port: MessagePort, bus: Bus, options: PortBridgeOptions) {
    this.#bus = bus;
    this.#options = options;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#link = new PortLink(
      port,
      (item) => this.#receive(item),
      () => this.#end(),
    );
    this.#leaveState = bus.onState((state) => {
      if (state === 'down') this.#ledger.disconnected();
      this.#tellState();
    });
    this.#tellState();
  }

  close(): void {
    this.#link.close();
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#leaveState();
    for (const { subscription } of this.#served.values()) subscription?.unsubscribe();
    this.#served.clear();
    for (const message of this.#deliveries.values()) {
      refuse(message, new RotaError('unavailable', `the thread that serves ${message.subject} is gone`));
    }
    this.#deliveries.clear();
    this.#resolveClosed();
  }

  #tellState(): void {
    this.#link.send({ verb: 'state', subject: this.#bus.state, count: this.#bus.payloadBytesMax });
  }

  #receive(item: ArrivedItem): void {
    if (this.#ended) return;
    const { verb, id, count, headers, body } = item;
    switch (verb) {
      case 'subscribe':
        this.#subscribe(item);
        return;
      case 'unsubscribe':
        this.#served.get(id)?.subscription?.unsubscribe();
        this.#served.delete(id);
        return;
      case 'publish':
        this.#publish(1, () => this.#bus.publish(item.subject, envelope(body, headers)));
        return;
      case 'publishLines':
        this.#publish(count, () => publishLines(this.#bus, item.subject, linesOf(item)));
        return;
      case 'request':
        void this.#request(item);
        return;
      case 'answer': {
        const message = this.#deliveries.get(id);
        this.#deliveries.delete(id);
        message?.respond(envelope(body, headers));
        return;
      }
      case 'finished': {
        const served = this.#served.get(id);
        if (served !== undefined) served.underWay -= count;
        return;
      }
      case 'flush':
        void this.#flush(id);
        return;
      case 'message':
      case 'reply':
      case 'failed':
      case 'state':
      case 'overflowed':
      case 'taken':
        return;
      default:
        unreachable(verb);
    }
  }

  #subscribe({ id, count: inboxMax, subject, text: group }: ArrivedItem): void {
    const served: Served = { subscription: undefined, underWay: 0, overflowed: 0, inboxMax };
    try {
      served.subscription = this.#bus.subscribe(
        subject,
        { ...(group === undefined ? {} : { group }), inboxMax: INBOX_UNBOUNDED },
        (message) => this.#deliver(id, served, message),
      );
      this.#served.set(id, served);
    } catch (error) {
      this.#options.onError?.(error);
    }
  }

  #deliver(id: number, served: Served, message: Message): void {
    const { subject, headers, body, reply } = message;
    if (served.underWay >= served.inboxMax) {
      served.overflowed += 1;
      this.#link.send({ verb: 'overflowed', id, count: served.overflowed });
      refuse(message, overloaded(subject, served.inboxMax));
      return;
    }
    this.#lastDelivery += 1;
    this.#link.send({ verb: 'message', id, count: this.#lastDelivery, subject, text: reply, headers, body });
    served.underWay += 1;
    if (reply === undefined) return;
    this.#deliveries.set(this.#lastDelivery, message);
    if (this.#deliveries.size <= DELIVERIES_MAX) return;
    const [oldest] = this.#deliveries;
    if (oldest === undefined) return;
    this.#deliveries.delete(oldest[0]);
    refuse(oldest[1], new RotaError('unavailable', `${oldest[1].subject} has left too many requests unanswered`));
  }

  #publish(count: number, publish: () => void): void {
    if (this.#taken === 0) {
      queueMicrotask(() => {
        this.#link.send({ verb: 'taken', count: this.#taken });
        this.#taken = 0;
      });
    }
    this.#taken += count;
    if (this.#bus.state === 'up') this.#ledger.published();
    else this.#ledger.dropped();
    try {
      publish();
    } catch (error) {
      this.#ledger.dropped();
      this.#options.onError?.(error);
    }
  }

  async #request({ id, count: timeoutMs, subject, headers, body }: ArrivedItem): Promise<void> {
    try {
      const answer = await this.#bus.request(subject, envelope(body, headers), { timeoutMs });
      this.#link.send({ verb: 'reply', id, subject: answer.subject, headers: answer.headers, body: answer.body });
    } catch (error) {
      this.#fail(id, error);
    }
  }

  async #flush(id: number): Promise<void> {
    const mark = this.#ledger.mark();
    try {
      // Also when this bridge knows of a loss: the bus then tells it too, now and not at the next flush.
      await this.#bus.flush(this);
      if (mark === undefined) throw notFlushed();
      this.#ledger.reached(mark);
      this.#link.send({ verb: 'reply', id });
    } catch (error) {
      this.#fail(id, error);
    }
  }

  #fail(id: number, error: unknown): void {
    const code = error instanceof RotaError ? error.code : 'unavailable';
    this.#link.send({ verb: 'failed', id, subject: code, text: errorText(error) });
  }
}

/** The lines of a `publishLines`. */
function linesOf({ text, body, count }: ArrivedItem): JsonLines {
  // The other end wrote it.
  const patterns = JSON.parse(text ?? '[]') as LinePattern[];
  return new JsonLines({ patterns, rows: body.text ?? '', count });
}

function envelope(body: Envelope['body'], headers: Headers | undefined): Envelope {
  return headers === undefined ? { body } : { body, headers };
}
