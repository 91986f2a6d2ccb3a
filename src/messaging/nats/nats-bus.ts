import {
  createInbox,
  type Msg,
  type NatsConnection,
  type Subscription as NatsSubscription,
  PermissionViolationError,
  type Status,
} from '@nats-io/transport-node';
import { atMost, type Clock } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import type {
  Bus,
  BusState,
  Envelope,
  Message,
  MessageHandler,
  RequestOptions,
  SubscribeOptions,
  Subscription,
} from '../bus.ts';
import { busClosed, forbidden, nobodyServes, noConnection, notFlushed } from '../bus-errors.ts';
import { answerMessage, Inbox } from '../inbox.ts';
import type { JsonLines } from '../json-lines.ts';
import { HEADERS_BYTES_RESERVED } from '../payload.ts';
import { PendingRequests } from '../pending-requests.ts';
import { PublishLedger } from '../publish-ledger.ts';
import { StateSignal } from '../state-signal.ts';
import { checkPattern, checkSubject } from '../subject-index.ts';
import type { Subjects } from '../subjects.ts';
import { contentOf, isNoResponders } from './nats-message.ts';
import { NatsSender } from './nats-sender.ts';

/** What a NatsBus needs beside its connection. */
export interface NatsBusOptions {
  subjects: Subjects;
  clock: Clock;
  /** The first tokens of our reply subjects. Default `_INBOX`. */
  inboxPrefix?: string | undefined;
  /** Called at each disconnect and reconnect, before anybody else hears of it. */
  onDisconnect?: (() => void) | undefined;
  onReconnect?: (() => void) | undefined;
  /** Hears of what the server refuses (permissions) and of state listeners that throw. */
  onError?: ((error: unknown) => void) | undefined;
}

/** How long `close` lets the last messages reach the server, in milliseconds. */
const CLOSE_FLUSH_MS = 1_000;

interface Served {
  subject: string;
  group: string | undefined;
  inbox: Inbox;
  onRefused: SubscribeOptions['onRefused'];
  subscription: NatsSubscription | undefined;
}

/**
 * The bus over a NATS connection, which reconnects for ever; while it is away the state is `down`. What is published
 * then is dropped, not kept (nats.js would keep it without bound), requests fail at once, and those under way fail when
 * the connection is lost. Subscriptions are made again by nats.js at each reconnect.
 *
 * Requests share one reply subscription of our own instead of nats.js's: with it they run on the injected clock, fail
 * when the connection does, and cost half as much.
 */
export class NatsBus implements Bus {
  /** The connection itself, for JetStream and key-value users. It is closed by {@link close} only. */
  readonly connection: NatsConnection;
  /** Resolves when the connection is closed for good, by us or (with the error) by nats.js giving it up. */
  readonly closed: Promise<unknown>;
  readonly #options: NatsBusOptions;
  readonly #served = new Set<Served>();
  readonly #pending: PendingRequests;
  readonly #ledger = new PublishLedger();
  readonly #signal: StateSignal;
  readonly #sender: NatsSender;
  readonly #inbox: string;
  readonly #flushes = new Set<(error: RotaError) => void>();
  #answers: NatsSubscription;
  #serverVersion = '';
  #closed = false;
  #answersRefused: RotaError | undefined;

  /** @param connection a fresh one, made with unlimited reconnects; see `connectNats` */
  constructor(connection: NatsConnection, options: NatsBusOptions) {
    this.connection = connection;
    this.#options = options;
    this.#signal = new StateSignal('up', options.onError);
    this.#pending = new PendingRequests(options.clock);
    this.#sender = new NatsSender(connection);
    this.#inbox = `${createInbox(options.inboxPrefix)}.`;
    this.#answers = this.#subscribeToAnswers();
    this.#readInfo();
    this.closed = connection.closed().then((error) => {
      this.#closed = true;
      this.#lost();
      return error;
    });
    this.#watch(connection.status()).catch((error: unknown) => this.#options.onError?.(error));
  }

  get state(): BusState {
    return this.#signal.state;
  }

  get payloadBytesMax(): number {
    return this.#sender.payloadBytesMax;
  }

  /** Of the server that it is or was last connected to, like `2.9.10`. */
  get serverVersion(): string {
    return this.#serverVersion;
  }

  /** Why the server does not let us hear answers, so that every request fails; asked anew at each reconnect. */
  get answersRefused(): RotaError | undefined {
    return this.#answersRefused;
  }

  onState(listener: (state: BusState) => void): () => void {
    return this.#signal.on(listener);
  }

  publish(subject: string, envelope: Envelope): void {
    checkSubject(subject);
    if (this.state === 'down' || !this.#sender.admits(envelope.body.bytes)) {
      this.#ledger.dropped();
      return;
    }
    this.#sender.send(subject, envelope);
    this.#ledger.published();
  }

  publishLines(subject: string, lines: JsonLines): void {
    checkSubject(subject);
    if (this.state === 'down') {
      this.#ledger.dropped();
      return;
    }
    this.#ledger.published();
    if (!this.#sender.sendLines(subject, lines)) this.#ledger.dropped();
  }

  async request(subject: string, envelope: Envelope, { timeoutMs }: RequestOptions): Promise<Message> {
    if (this.#closed) throw busClosed();
    checkSubject(subject);
    if (this.state === 'down') throw noConnection();
    if (this.#answersRefused !== undefined) throw this.#answersRefused;
    if (!this.#sender.admits(envelope.body.bytes)) {
      throw new RotaError('overloaded', 'the NATS server does not keep up with what this process sends');
    }
    return this.#pending.open(subject, timeoutMs, (id) => this.#sender.send(subject, envelope, `${this.#inbox}${id}`));
  }

  subscribe(subject: string, options: SubscribeOptions, handler: MessageHandler): Subscription {
    checkPattern(subject);
    if (this.#closed) throw busClosed();
    const { group, inboxMax, onError, onRefused } = options;
    const inbox = new Inbox(handler, { inboxMax, onError, mayAnswer: this.#options.subjects.mayAnswer });
    const served: Served = { subject, group, inbox, onRefused, subscription: undefined };
    this.#served.add(served);
    this.#serve(served);
    return {
      get overflowed() {
        return inbox.overflowed;
      },
      unsubscribe: () => {
        inbox.close();
        if (this.#served.delete(served)) served.subscription?.unsubscribe();
      },
    };
  }

  flush(who: object = this): Promise<void> {
    if (this.#closed) return Promise.reject(busClosed());
    const mark = this.#ledger.mark(who);
    if (this.state === 'down' || mark === undefined) return Promise.reject(notFlushed());
    return new Promise((resolve, reject) => {
      this.#flushes.add(reject);
      this.connection.flush().then(
        () => {
          if (!this.#flushes.delete(reject)) return;
          this.#ledger.reached(mark);
          resolve();
        },
        () => {
          if (this.#flushes.delete(reject)) reject(notFlushed());
        },
      );
    });
  }

  /** Lets what was sent reach the server, for at most a second, and closes the connection. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { inbox, subscription } of this.#served) {
      inbox.close();
      if (!this.connection.isClosed()) subscription?.unsubscribe();
    }
    this.#served.clear();
    this.#pending.failAll(busClosed);
    if (this.state === 'up' && !this.connection.isClosed()) {
      const flushed = this.connection.flush().catch(() => {});
      await atMost(this.#options.clock, CLOSE_FLUSH_MS, flushed);
    }
    await this.connection.close();
    this.#lost();
    this.#signal.clear();
  }

  async #watch(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (status.type === 'disconnect') {
        this.#options.onDisconnect?.();
        this.#lost();
      } else if (status.type === 'reconnect') this.#regained();
      else if (status.type === 'error') this.#refused(status.error);
    }
  }

  #lost(): void {
    this.#ledger.disconnected();
    const flushes = [...this.#flushes];
    this.#flushes.clear();
    for (const reject of flushes) reject(notFlushed());
    this.#pending.failAll(this.#closed ? busClosed : noConnection);
    this.#signal.set('down');
  }

  #regained(): void {
    this.#readInfo();
    this.#options.onReconnect?.();
    if (this.#answers.isClosed()) {
      this.#answersRefused = undefined;
      this.#answers = this.#subscribeToAnswers();
    }
    // What the server refused before, it may allow now.
    for (const served of this.#served) if (served.subscription?.isClosed() !== false) this.#serve(served);
    this.#signal.set('up');
  }

  #refused(error: Error): void {
    if (error instanceof PermissionViolationError && error.operation === 'publish') {
      this.#pending.failAll((subject) => forbidden(`publish to ${subject}`, error), error.subject);
    }
    this.#options.onError?.(error);
  }

  #readInfo(): void {
    const { info } = this.connection;
    if (info === undefined) return;
    this.#sender.payloadBytesMax = Math.max(info.max_payload - HEADERS_BYTES_RESERVED, 0);
    this.#serverVersion = info.version;
  }

  #serve(served: Served): void {
    const { subject, group, inbox } = served;
    served.subscription = this.connection.subscribe(subject, {
      ...(group === undefined ? {} : { queue: group }),
      // An error here is a refusal, which also comes as a status; nothing may be thrown into nats.js's reader.
      callback: (error, msg) => {
        if (error === null) this.#deliver(inbox, msg);
        else served.onRefused?.(forbidden(`subscribe to ${subject}`, error));
      },
    });
  }

  #deliver(inbox: Inbox, msg: Msg): void {
    const { subject, reply = '' } = msg;
    inbox.deliver({
      subject,
      ...contentOf(msg),
      reply: reply === '' ? undefined : reply,
      send: (answer) => {
        if (this.state === 'up' && this.#sender.admits(answer.body.bytes)) this.#sender.send(reply, answer);
      },
    });
  }

  #subscribeToAnswers(): NatsSubscription {
    return this.connection.subscribe(`${this.#inbox}*`, {
      callback: (error, msg) => {
        if (error !== null) {
          this.#answersRefused = forbidden(`hear answers on ${this.#inbox}*`, error);
          this.#pending.failAll(() => forbidden('hear the answer', error));
          return;
        }
        const id = Number(msg.subject.slice(this.#inbox.length));
        if (isNoResponders(msg)) this.#pending.fail(id, nobodyServes);
        else {
          const { body, headers } = contentOf(msg);
          this.#pending.settle(id, answerMessage(msg.subject, body, headers));
        }
      },
    });
  }
}
