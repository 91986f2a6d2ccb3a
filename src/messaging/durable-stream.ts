import type { Body } from './body.ts';
import type { Headers } from './bus.ts';

/** A message that a broker keeps until somebody is finished with it. It is delivered again and again until then. */
export interface StreamMessage {
  readonly subject: string;
  readonly body: Body;
  readonly headers: Headers;
  /** When the broker took it, in milliseconds since the epoch: the same at every delivery. */
  readonly takenAt: number;
  /** The same at every delivery, and never another message's, not even of a stream made anew under the same name. */
  readonly key: string;
  /** How often it was delivered, to anybody, this time included. */
  readonly deliveries: number;
  /** Tells the broker to forget it. Lost on the way, it comes once more. */
  finish(): void;
  /** Gives it back, to be delivered again after `delayMs` milliseconds, here or elsewhere. */
  giveBack(delayMs: number): void;
}

/**
 * One of the readers that share a stream; each message goes to one of them. What was taken is this reader's for as long
 * as it lives, however long that takes; a reader that dies leaves its messages to the others after `ackWaitMs`.
 */
export interface StreamReader {
  /**
   * Waits for messages and takes all that are here, at least one and at most about 1,000 in 16 MiB.
   * @returns an empty list when the signal has aborted or the reader has ended, by `close` or for a fault
   */
  take(signal: AbortSignal): Promise<StreamMessage[]>;
  /** Why it ended, where it was not closed: the caller opens the stream again. */
  readonly fault: string | undefined;
  /** Ends it and gives back whatever is not finished. Never throws. */
  close(): void;
}

/** Which stream, and how it is made where it does not exist. */
export interface StreamOptions {
  /** The stream's name. */
  stream: string;
  /** The subjects that it takes, as one pattern. */
  subject: string;
  /** What the readers that share it are called. */
  consumer: string;
  /** How long a reader may be silent before its messages go to others, in milliseconds. */
  ackWaitMs: number;
  /** What it holds at most; one more is refused to its publisher. Only for a stream that is made. */
  messagesMax: number;
  bytesMax: number;
}

/** The port to a broker that keeps messages: a stream is a queue of them, each removed when it is finished with. */
export interface DurableStreams {
  /**
   * Makes the stream and its consumer unless they exist, and begins to read. What an operator changed of an existing
   * one (its bounds, its replicas) stays.
   * @throws RotaError `unavailable` while there is no connection or the broker keeps no messages, `invalid_config` when
   * a stream of that name is another one
   */
  openStream(options: StreamOptions): Promise<StreamReader>;
}

/** The header that makes a publish to a stream idempotent: within the broker's window, and for an intake as long as the job is kept. */
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id';
