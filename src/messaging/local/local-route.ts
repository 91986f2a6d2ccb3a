import type { Clock } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
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
import { busClosed, noConnection, notFlushed } from '../bus-errors.ts';
import { answerMessage, INBOX_UNBOUNDED, Inbox, NO_HEADERS } from '../inbox.ts';
import { type JsonLines, publishLines } from '../json-lines.ts';
import { PAYLOAD_BYTES_MAX_DEFAULT } from '../payload.ts';
import { PendingRequests } from '../pending-requests.ts';
import { PublishLedger } from '../publish-ledger.ts';
import { LOCAL_INBOX } from '../reply.ts';
import { StateSignal } from '../state-signal.ts';
import { checkPattern, checkSubject, receiversOf, SubjectIndex } from '../subject-index.ts';
import type { Subjects } from '../subjects.ts';
import { hadByGroup, withDeliveredGroups } from './delivered-groups.ts';
import { TurnQueue } from './turn-queue.ts';

/** `local`: what this process serves is reached without the broker. `broker`: everything goes through it. */
export type Route = 'local' | 'broker';

/** What a LocalRoute is made of. */
export interface LocalRouteOptions {
  route: Route;
  clock: Clock;
  subjects: Subjects;
  /** Hears of a state listener that throws. */
  onError?: (error: unknown) => void;
}

interface Served {
  subject: string;
  options: SubscribeOptions;
  inbox: Inbox;
  remote: Subscription | undefined;
}

/**
 * The bus that all parts of a process share. It outlives the connection behind it (the *remote*), which is attached,
 * replaced and detached as it comes and goes; subscriptions are made again on each new one.
 *
 * On the route `local` a request that a subscription of this process fits is delivered here and nowhere else, its body
 * as the value it is. A publish is delivered here and also sent to the remote, which must not echo (`noEcho`), so that
 * nobody gets it twice. Of a queue group with a member here that member gets it, and a header tells the members
 * elsewhere to leave it: one delivery per group, as long as the others are behind a LocalRoute too (any other program
 * in such a group would get it as well). A plain subscription here counts as serving: whoever only wants to watch
 * requests does so from another process, or on the route `broker`.
 *
 * On the route `broker` the remote does everything and must echo.
 */
export class LocalRoute implements Bus {
  readonly #options: LocalRouteOptions;
  readonly #served = new Set<Served>();
  readonly #index = new SubjectIndex<Served>();
  readonly #pending: PendingRequests;
  readonly #ledger = new PublishLedger();
  readonly #signal: StateSignal;
  readonly #turns: TurnQueue;
  /** Whose turn it is in each group that has several members here. */
  readonly #groupTurns = new Map<string, number>();
  /** How to fail the requests that wait for the remote. */
  readonly #away = new Set<(error: RotaError) => void>();
  #remote: Bus | undefined;
  #leaveRemote: () => void = () => {};
  #payloadBytesMax = PAYLOAD_BYTES_MAX_DEFAULT;
  #losses = 0;
  #closed = false;

  constructor(options: LocalRouteOptions) {
    this.#options = options;
    this.#pending = new PendingRequests(options.clock);
    this.#signal = new StateSignal('down', options.onError);
    this.#turns = new TurnQueue(options.clock);
  }

  get state(): BusState {
    return this.#signal.state;
  }

  /** The remote's, or the last one known. */
  get payloadBytesMax(): number {
    this.#payloadBytesMax = this.#remote?.payloadBytesMax ?? this.#payloadBytesMax;
    return this.#payloadBytesMax;
  }

  onState(listener: (state: BusState) => void): () => void {
    return this.#signal.on(listener);
  }

  /** Makes this the way to other processes; the one before, if any, is detached. Whoever attaches it closes it. */
  attach(remote: Bus): void {
    if (this.#closed) throw busClosed();
    this.detach();
    this.#remote = remote;
    this.#leaveRemote = remote.onState((state) => this.#remoteChanged(state));
    for (const served of this.#served) this.#serveRemotely(served, remote);
    this.#signal.set(remote.state);
  }

  /** Leaves the remote: the state is `down` until another is attached. Parts of this process still reach each other. */
  detach(): void {
    const remote = this.#remote;
    if (remote === undefined) return;
    this.#payloadBytesMax = remote.payloadBytesMax;
    this.#remote = undefined;
    this.#leaveRemote();
    for (const served of this.#served) {
      served.remote?.unsubscribe();
      served.remote = undefined;
    }
    const error = this.#closed ? busClosed : noConnection;
    for (const fail of this.#away) fail(error());
    this.#remoteChanged('down');
  }

  publish(subject: string, envelope: Envelope): void {
    checkSubject(subject);
    if (this.#closed) {
      this.#ledger.dropped();
      return;
    }
    const fitting = this.#options.route === 'local' ? this.#index.match(subject) : [];
    const receivers = receiversOf(fitting, groupOf, this.#nextOfGroup);
    // The remote comes first: what it refuses (too large) then reaches nobody.
    this.#publishRemotely(subject, withDeliveredGroups(envelope, groupsOf(receivers)));
    const { body, headers = NO_HEADERS } = envelope;
    for (const { inbox } of receivers) {
      this.#turns.push(() => inbox.deliver({ subject, body, headers, reply: undefined, send: () => {} }));
    }
  }

  publishLines(subject: string, lines: JsonLines): void {
    const remote = this.#remote;
    const isAway = this.#closed || remote?.state !== 'up';
    if (isAway || (this.#options.route === 'local' && this.#index.match(subject).length > 0)) {
      for (const body of lines.bodies()) this.publish(subject, { body });
      return;
    }
    this.#ledger.published();
    publishLines(remote, subject, lines);
  }

  async request(subject: string, envelope: Envelope, options: RequestOptions): Promise<Message> {
    if (this.#closed) throw busClosed();
    checkSubject(subject);
    if (this.#options.route === 'local') {
      const fitting = this.#index.match(subject);
      if (fitting.length > 0) return this.#requestHere(subject, envelope, { ...options, fitting });
    }
    const remote = this.#remote;
    if (remote === undefined) throw noConnection();
    return new Promise((resolve, reject) => {
      this.#away.add(reject);
      remote
        .request(subject, envelope, options)
        .then(resolve, (error: unknown) => reject(this.#asUnavailable(error)))
        .finally(() => this.#away.delete(reject));
    });
  }

  subscribe(subject: string, options: SubscribeOptions, handler: MessageHandler): Subscription {
    checkPattern(subject);
    if (this.#closed) throw busClosed();
    const { inboxMax = INBOX_MAX_DEFAULT, onError } = options;
    const inbox = new Inbox(handler, { inboxMax, onError, mayAnswer: this.#options.subjects.mayAnswer });
    const served: Served = { subject, options, inbox, remote: undefined };
    this.#served.add(served);
    this.#index.add(subject, served);
    if (this.#remote !== undefined) this.#serveRemotely(served, this.#remote);
    return {
      get overflowed() {
        return inbox.overflowed;
      },
      unsubscribe: () => this.#forget(served),
    };
  }

  async flush(who: object = this): Promise<void> {
    if (this.#closed) throw busClosed();
    const mark = this.#ledger.mark(who);
    const remote = this.#remote;
    const losses = this.#losses;
    if (remote?.state !== 'up') throw notFlushed();
    // Also when this route knows of a loss: the remote then tells it too, now and not at the next flush.
    await remote.flush(who).catch((error: unknown) => {
      throw this.#asUnavailable(error);
    });
    if (mark === undefined || losses !== this.#losses) throw notFlushed();
    this.#ledger.reached(mark);
  }

  /** Ends every subscription and request. The remote is left, not closed. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.detach();
    for (const served of [...this.#served]) this.#forget(served);
    this.#pending.failAll(busClosed);
    this.#signal.clear();
  }

  #requestHere(
    subject: string,
    envelope: Envelope,
    { fitting, timeoutMs }: RequestOptions & { fitting: readonly Served[] },
  ): Promise<Message> {
    return this.#pending.open(subject, timeoutMs, (id) => {
      const reply = `${LOCAL_INBOX}${id}`;
      const { body, headers = NO_HEADERS } = envelope;
      const send = (answer: Envelope): void => {
        this.#pending.settle(id, answerMessage(reply, answer.body, answer.headers ?? NO_HEADERS));
      };
      for (const { inbox } of receiversOf(fitting, groupOf, this.#nextOfGroup)) {
        if (!this.#turns.push(() => inbox.deliver({ subject, body, headers, reply, send }))) {
          throw new RotaError('overloaded', 'too many messages wait to be delivered in this process');
        }
      }
    });
  }

  #publishRemotely(subject: string, envelope: Envelope): void {
    const remote = this.#remote;
    if (remote?.state !== 'up') {
      this.#ledger.dropped();
      return;
    }
    this.#ledger.published();
    remote.publish(subject, envelope);
  }

  #serveRemotely(served: Served, remote: Bus): void {
    const { subject, options, inbox } = served;
    const { group, own, onRefused } = options;
    if (own && this.#options.route === 'local') return;
    try {
      served.remote = remote.subscribe(
        subject,
        // This route's inbox counts what comes both ways, so the remote's need not.
        { ...(group === undefined ? {} : { group }), inboxMax: INBOX_UNBOUNDED, onRefused },
        (message) => {
          if (group !== undefined && hadByGroup(message.headers, group)) return;
          const { body, headers, reply } = message;
          inbox.deliver({ subject: message.subject, body, headers, reply, send: (answer) => message.respond(answer) });
        },
      );
    } catch (error) {
      // The remote has just been closed; the next one that is attached serves it.
      this.#options.onError?.(error);
    }
  }

  #forget(served: Served): void {
    if (!this.#served.delete(served)) return;
    this.#index.remove(served.subject, served);
    served.inbox.close();
    served.remote?.unsubscribe();
    served.remote = undefined;
  }

  #remoteChanged(state: BusState): void {
    if (state === 'down') {
      this.#losses += 1;
      this.#ledger.disconnected();
    }
    this.#signal.set(state);
  }

  readonly #nextOfGroup = (size: number, group: string): number => {
    const turn = ((this.#groupTurns.get(group) ?? -1) + 1) % size;
    this.#groupTurns.set(group, turn);
    return turn;
  };

  /** A remote that was closed under a caller is an outage to it, for this route lives on. */
  #asUnavailable(error: unknown): unknown {
    const gone = error instanceof RotaError && error.code === 'closed' && !this.#closed;
    return gone ? new RotaError('unavailable', 'the connection was closed meanwhile', { cause: error }) : error;
  }
}

const groupOf = (served: Served): string | undefined => served.options.group;

const groupsOf = (receivers: readonly Served[]): string[] => receivers.flatMap(({ options }) => options.group ?? []);
