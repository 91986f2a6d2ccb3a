import type { RotaError } from '../../kernel/error.ts';
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
import { busClosed, checkPayload, nobodyServes, noConnection, notFlushed } from '../bus-errors.ts';
import { answerMessage, Inbox } from '../inbox.ts';
import { PendingRequests } from '../pending-requests.ts';
import { PublishLedger } from '../publish-ledger.ts';
import { StateSignal } from '../state-signal.ts';
import { checkPattern, checkSubject } from '../subject-index.ts';
import type { Subjects } from '../subjects.ts';
import type { MemoryBroker, Receiver } from './memory-broker.ts';

/** What its broker tells an endpoint. */
export interface MemoryBusOptions {
  name: string;
  subjects: Subjects;
  noEcho?: boolean;
  /** The beginning of this endpoint's reply subjects, with the dot. */
  inbox: string;
}

/** One endpoint of a {@link MemoryBroker}; made by its `connect`. */
export class MemoryBus implements Bus {
  readonly name: string;
  readonly noEcho: boolean;
  readonly #broker: MemoryBroker;
  readonly #subjects: Subjects;
  readonly #inbox: string;
  readonly #answers: Receiver;
  readonly #served = new Map<Receiver, { subject: string; inbox: Inbox }>();
  readonly #pending: PendingRequests;
  readonly #ledger = new PublishLedger();
  readonly #signal = new StateSignal('down');
  readonly #flushes = new Set<(error: RotaError) => void>();
  #closed = false;

  constructor(broker: MemoryBroker, options: MemoryBusOptions) {
    this.name = options.name;
    this.noEcho = options.noEcho ?? false;
    this.#broker = broker;
    this.#subjects = options.subjects;
    this.#inbox = options.inbox;
    this.#pending = new PendingRequests(broker.clock);
    this.#answers = {
      bus: this,
      group: undefined,
      receive: ({ subject, body, headers }) => {
        this.#pending.settle(Number(subject.slice(this.#inbox.length)), answerMessage(subject, body, headers));
      },
    };
    broker.index.add(`${this.#inbox}*`, this.#answers);
  }

  get state(): BusState {
    return this.#signal.state;
  }

  get payloadBytesMax(): number {
    return this.#broker.payloadBytesMax;
  }

  onState(listener: (state: BusState) => void): () => void {
    return this.#signal.on(listener);
  }

  publish(subject: string, envelope: Envelope): void {
    checkSubject(subject);
    if (this.state === 'down') {
      this.#ledger.dropped();
      return;
    }
    this.#send(subject, envelope, undefined);
    this.#ledger.published();
  }

  async request(subject: string, envelope: Envelope, { timeoutMs }: RequestOptions): Promise<Message> {
    if (this.#closed) throw busClosed();
    checkSubject(subject);
    if (this.state === 'down') throw noConnection();
    return this.#pending.open(subject, timeoutMs, (id) => {
      if (this.#send(subject, envelope, `${this.#inbox}${id}`) > 0) return;
      this.#broker.carry(undefined, this, () => {
        this.#pending.fail(id, nobodyServes);
      });
    });
  }

  subscribe(subject: string, options: SubscribeOptions, handler: MessageHandler): Subscription {
    checkPattern(subject);
    if (this.#closed) throw busClosed();
    const { group, inboxMax, onError } = options;
    const inbox = new Inbox(handler, { inboxMax, onError, mayAnswer: this.#subjects.mayAnswer });
    const receiver: Receiver = {
      bus: this,
      group,
      receive: (message) => {
        const { reply = '' } = message;
        const send = (answer: Envelope): void => {
          if (this.state === 'up') this.#send(reply, answer, undefined);
        };
        // A message that crossed an unsubscribe is lost, as in NATS.
        if (this.#served.has(receiver)) inbox.deliver({ ...message, send });
      },
    };
    this.#served.set(receiver, { subject, inbox });
    this.#broker.index.add(subject, receiver);
    return {
      get overflowed() {
        return inbox.overflowed;
      },
      unsubscribe: () => this.#forget(receiver),
    };
  }

  flush(who: object = this): Promise<void> {
    if (this.#closed) return Promise.reject(busClosed());
    const mark = this.#ledger.mark(who);
    if (this.state === 'down' || mark === undefined) return Promise.reject(notFlushed());
    return new Promise((resolve, reject) => {
      this.#flushes.add(reject);
      queueMicrotask(() => {
        if (!this.#flushes.delete(reject)) return;
        this.#ledger.reached(mark);
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const receiver of [...this.#served.keys()]) this.#forget(receiver);
    this.#broker.index.remove(`${this.#inbox}*`, this.#answers);
    this.#broker.leave(this);
    this.reachable(false);
    this.#signal.clear();
  }

  /** The broker's word on whether this endpoint reaches it. */
  reachable(yes: boolean): void {
    if (yes) {
      this.#signal.set('up');
      return;
    }
    this.#ledger.disconnected();
    for (const reject of this.#flushes) reject(notFlushed());
    this.#flushes.clear();
    this.#pending.failAll(this.#closed ? busClosed : noConnection);
    this.#signal.set('down');
  }

  #send(subject: string, envelope: Envelope, reply: string | undefined): number {
    checkPayload(envelope.body.bytes.length, this.payloadBytesMax);
    return this.#broker.route(this, { subject, envelope, reply });
  }

  #forget(receiver: Receiver): void {
    const served = this.#served.get(receiver);
    if (served === undefined) return;
    this.#served.delete(receiver);
    this.#broker.index.remove(served.subject, receiver);
    served.inbox.close();
  }
}
