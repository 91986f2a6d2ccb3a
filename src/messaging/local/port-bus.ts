import type { MessagePort } from 'node:worker_threads';
import type { Clock } from '../../kernel/clock.ts';
import { type ErrorCode, RotaError, unreachable } from '../../kernel/error.ts';
import { Body } from '../body.ts';
import {
  type Bus,
  type BusState,
  type Envelope,
  INBOX_MAX_DEFAULT,
  type Message,
  type MessageHandler,
  type RequestOptions,
  type SubscribeOptions,
  type Subscription,
} from '../bus.ts';
import { busClosed, checkPayload, notFlushed } from '../bus-errors.ts';
import { answerMessage, Inbox, NO_HEADERS } from '../inbox.ts';
import type { JsonLines } from '../json-lines.ts';
import { PAYLOAD_BYTES_MAX_DEFAULT } from '../payload.ts';
import { PendingRequests } from '../pending-requests.ts';
import { PublishLedger } from '../publish-ledger.ts';
import { StateSignal } from '../state-signal.ts';
import { checkPattern, checkSubject } from '../subject-index.ts';
import type { Subjects } from '../subjects.ts';
import { type ArrivedItem, PortLink } from './port-link.ts';

/** What a PortBus is made of. */
export interface PortBusOptions {
  clock: Clock;
  subjects: Subjects;
  /** Hears of a state listener that throws. */
  onError?: (error: unknown) => void;
}

/** Publishes that may be on their way to the main thread; the next one is dropped. */
export const PUBLISHES_UNTAKEN_MAX = 65_536;
/** A flush is given up after this long, in milliseconds: far beyond what a dead connection takes to be noticed. */
const FLUSH_TIMEOUT_MS = 120_000;

interface Served {
  inbox: Inbox;
  overflowed: number;
}

/**
 * The bus in a thread: all it does, the main thread does for it on its own bus, through `bridgePort`. Until the first
 * word from there its state is `down`; requests and subscriptions work at once all the same.
 */
export class PortBus implements Bus {
  readonly #options: PortBusOptions;
  readonly #link: PortLink;
  readonly #served = new Map<number, Served>();
  readonly #pending: PendingRequests;
  readonly #ledger = new PublishLedger();
  readonly #signal: StateSignal;
  #finished = new Map<number, number>();
  #payloadBytesMax = PAYLOAD_BYTES_MAX_DEFAULT;
  #untaken = 0;
  #lastSubscription = 0;
  #closed = false;

  /** @param port this thread's end; the other one is given to `bridgePort` */
  constructor(port: MessagePort, options: PortBusOptions) {
    this.#options = options;
    this.#pending = new PendingRequests(options.clock);
    this.#signal = new StateSignal('down', options.onError);
    this.#link = new PortLink(
      port,
      (item) => this.#receive(item),
      () => this.#gone(),
    );
  }

  get state(): BusState {
    return this.#signal.state;
  }

  get payloadBytesMax(): number {
    return this.#payloadBytesMax;
  }

  onState(listener: (state: BusState) => void): () => void {
    return this.#signal.on(listener);
  }

  publish(subject: string, envelope: Envelope): void {
    checkSubject(subject);
    if (!this.#link.open || this.#untaken >= PUBLISHES_UNTAKEN_MAX) {
      this.#ledger.dropped();
      return;
    }
    const { body, headers } = envelope;
    checkPayload(body.bytes.length, this.#payloadBytesMax);
    this.#untaken += 1;
    this.#ledger.published();
    this.#link.send({ verb: 'publish', subject, headers, body });
  }

  publishLines(subject: string, lines: JsonLines): void {
    checkSubject(subject);
    if (!this.#link.open || this.#untaken + lines.count > PUBLISHES_UNTAKEN_MAX) {
      this.#ledger.dropped();
      return;
    }
    this.#untaken += lines.count;
    this.#ledger.published();
    const { patterns, rows, count } = lines;
    const text = JSON.stringify(patterns);
    this.#link.send({ verb: 'publishLines', count, subject, text, body: Body.ofText(rows, undefined) });
  }

  async request(subject: string, envelope: Envelope, { timeoutMs }: RequestOptions): Promise<Message> {
    if (this.#closed) throw busClosed();
    checkSubject(subject);
    if (!this.#link.open) throw goneError();
    const { body, headers } = envelope;
    return this.#pending.open(subject, timeoutMs, (id) => {
      this.#link.send({ verb: 'request', id, count: timeoutMs, subject, headers, body });
    });
  }

  subscribe(subject: string, options: SubscribeOptions, handler: MessageHandler): Subscription {
    checkPattern(subject);
    if (this.#closed) throw busClosed();
    const { group, inboxMax = INBOX_MAX_DEFAULT, onError } = options;
    this.#lastSubscription += 1;
    const id = this.#lastSubscription;
    const inbox = new Inbox(handler, { inboxMax, onError, mayAnswer: this.#options.subjects.mayAnswer });
    const served: Served = { inbox, overflowed: 0 };
    this.#served.set(id, served);
    this.#link.send({ verb: 'subscribe', id, count: inboxMax, subject, text: group });
    return {
      get overflowed() {
        return served.overflowed + inbox.overflowed;
      },
      unsubscribe: () => {
        inbox.close();
        if (this.#served.delete(id)) this.#link.send({ verb: 'unsubscribe', id });
      },
    };
  }

  async flush(who: object = this): Promise<void> {
    if (this.#closed) throw busClosed();
    const mark = this.#ledger.mark(who);
    if (!this.#link.open) throw goneError();
    try {
      await this.#pending.open('(flush)', FLUSH_TIMEOUT_MS, (id) => this.#link.send({ verb: 'flush', id }));
    } catch (error) {
      // To the bridge this whole thread is one who flushes: what it tells once, the others hear of here.
      this.#ledger.dropped();
      this.#ledger.mark(who);
      throw error;
    }
    // Again, for another's flush may have brought the news while this one was under way.
    if (mark === undefined || this.#ledger.mark(who) === undefined) throw notFlushed();
    this.#ledger.reached(mark);
  }

  /** Closes the port: everything that this thread served or waited for ends. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#link.close();
    this.#gone();
    this.#signal.clear();
  }

  #receive(item: ArrivedItem): void {
    const { verb, id, count, subject, text, body, headers } = item;
    switch (verb) {
      case 'message':
        this.#deliver(item);
        return;
      case 'reply':
        this.#pending.settle(id, answerMessage(subject, body, headers ?? NO_HEADERS));
        return;
      case 'failed':
        this.#pending.fail(id, new RotaError(subject as ErrorCode, text ?? ''));
        return;
      case 'state':
        this.#payloadBytesMax = count;
        this.#signal.set(subject as BusState);
        return;
      case 'overflowed': {
        const served = this.#served.get(id);
        if (served !== undefined) served.overflowed = count;
        return;
      }
      case 'taken':
        this.#untaken -= count;
        return;
      case 'subscribe':
      case 'unsubscribe':
      case 'publish':
      case 'publishLines':
      case 'request':
      case 'answer':
      case 'finished':
      case 'flush':
        return;
      default:
        unreachable(verb);
    }
  }

  #deliver({ id, count: delivery, subject, text: reply, body, headers }: ArrivedItem): void {
    const served = this.#served.get(id);
    const send = (answer: Envelope): void => {
      this.#link.send({ verb: 'answer', id: delivery, headers: answer.headers, body: answer.body });
    };
    const arrival = { subject, body, headers: headers ?? NO_HEADERS, reply, send };
    // A message that crossed an unsubscribe: its requester is told.
    const inbox = served?.inbox ?? gone(this.#options.subjects);
    inbox.deliver(arrival, () => this.#tellFinished(id));
  }

  /** Counts what is done, and says it once a turn. */
  #tellFinished(id: number): void {
    if (this.#finished.size === 0) queueMicrotask(() => this.#flushFinished());
    this.#finished.set(id, (this.#finished.get(id) ?? 0) + 1);
  }

  #flushFinished(): void {
    const finished = this.#finished;
    this.#finished = new Map();
    for (const [id, count] of finished) this.#link.send({ verb: 'finished', id, count });
  }

  #gone(): void {
    for (const { inbox } of this.#served.values()) inbox.close();
    this.#served.clear();
    this.#pending.failAll(this.#closed ? busClosed : goneError);
    this.#ledger.disconnected();
    this.#signal.set('down');
  }
}

function gone(subjects: Subjects): Inbox {
  const inbox = new Inbox(() => {}, { mayAnswer: subjects.mayAnswer });
  inbox.close();
  return inbox;
}

function goneError(): RotaError {
  return new RotaError('unavailable', 'the port to the main thread is closed');
}
