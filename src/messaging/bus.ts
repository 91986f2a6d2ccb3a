import type { RotaError } from '../kernel/error.ts';
import type { Body } from './body.ts';
import type { JsonLines } from './json-lines.ts';

/** Header fields, by name as written. */
export type Headers = Readonly<Record<string, string>>;

/** What is sent: a body and what stands beside it. */
export interface Envelope {
  body: Body;
  headers?: Headers;
}

/** One message that came in. */
export interface Message {
  readonly subject: string;
  readonly body: Body;
  readonly headers: Headers;
  /** Where an answer is waited for; undefined for a plain publish. */
  readonly reply: string | undefined;
  /**
   * Answers it, at most once; more answers, and answers nobody waits for, are dropped. A reply subject that begins with
   * our own prefix or with `$` is never answered.
   */
  respond(answer: Envelope): void;
}

/** Deals with one message. What it returns is waited for: until then the message counts against the inbox. */
export type MessageHandler = (message: Message) => void | Promise<void>;

/** How a subject is served. */
export interface SubscribeOptions {
  /** Of the subscribers of one group only one gets each message. */
  group?: string;
  /**
   * Only parts of this process speak here: nothing that comes from others is delivered. Not on a route that sends all
   * through the broker, which cannot tell them apart.
   */
  own?: true;
  /** How many messages may be under way at once. Beyond it a request is answered `overloaded`, a publish dropped. Default 10,000. */
  inboxMax?: number;
  /** A handler that throws or rejects; the request was answered `unavailable`. */
  onError?: (error: unknown, message: Message) => void;
  /** The broker does not let us subscribe (`forbidden`): nothing comes until it does, which is tried at each reconnect. */
  onRefused?: ((error: RotaError) => void) | undefined;
}

/** A subject that is being served. */
export interface Subscription {
  /** Messages that were refused or dropped because the inbox was full. */
  readonly overflowed: number;
  /** Takes no more messages; those under way go on. */
  unsubscribe(): void;
}

/** How a request is sent. */
export interface RequestOptions {
  /** How long to wait for the answer, in milliseconds. */
  timeoutMs: number;
}

/** Whether other processes can be reached; parts of this process always can. */
export type BusState = 'up' | 'down';

/**
 * The port to messaging: subjects of tokens with `.`, `*` and `>` as in NATS. Actors know each other by subject only.
 * A publish may be lost; a request may have happened although it failed; neither ever throws for a peer's sake.
 */
export interface Bus {
  readonly state: BusState;
  /** The largest body that a message to another process may have, in bytes. */
  readonly payloadBytesMax: number;
  /** Calls the listener at each change of state, until the returned function is called. */
  onState(listener: (state: BusState) => void): () => void;
  publish(subject: string, envelope: Envelope): void;
  /** Publishes each of many bodies, as {@link publish} does; left out where that gains nothing. See `publishLines`. */
  publishLines?(subject: string, lines: JsonLines): void;
  /**
   * Sends a request and waits for its answer, which may itself be an error reply.
   * @throws RotaError `unavailable` when nobody serves the subject or the bus is down, `timeout` when no answer came in
   * time, `closed` after close
   */
  request(subject: string, envelope: Envelope, options: RequestOptions): Promise<Message>;
  subscribe(subject: string, options: SubscribeOptions, handler: MessageHandler): Subscription;
  /**
   * Resolves when everything published before has reached the broker.
   * @param who flushes. Those who share a bus and publish and flush on their own name themselves, each by an object of
   * its own: each then hears of every loss
   * @throws RotaError `unavailable` when that cannot be known: the bus is down, or was since `who` flushed last
   */
  flush(who?: object): Promise<void>;
  close(): Promise<void>;
}

/** Messages that one subscription may have under way unless it says otherwise. */
export const INBOX_MAX_DEFAULT = 10_000;
