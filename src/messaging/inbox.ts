import { errorText, RotaError } from '../kernel/error.ts';
import type { Body } from './body.ts';
import { type Envelope, type Headers, INBOX_MAX_DEFAULT, type Message, type MessageHandler } from './bus.ts';
import { answerCodec, errorReply, refuse } from './reply.ts';

/** A message as an adapter got it. */
export interface Arrival {
  subject: string;
  body: Body;
  headers: Headers;
  /** Where an answer is waited for; undefined for a plain publish. */
  reply: string | undefined;
  /** Carries an answer back. Called at most twice: a second time with an error reply if the first call threw. */
  send: (answer: Envelope) => void;
}

/** What a subscription asked for, and what the adapter adds. */
export interface InboxOptions {
  /** How many messages may be under way at once. */
  inboxMax?: number | undefined;
  onError?: ((error: unknown, message: Message) => void) | undefined;
  /** Whether a reply subject may be answered; see `Subjects.mayAnswer`. */
  mayAnswer: (reply: string) => boolean;
}

/** A bound that is never met, for a subscription whose messages another inbox counts. */
export const INBOX_UNBOUNDED = Number.MAX_SAFE_INTEGER;

/**
 * What stands between an adapter and one subscription's handler, the same for every adapter: it counts what is under
 * way, refuses beyond the bound, answers for a handler that fails and lets nothing out that would break the adapter.
 */
export class Inbox {
  readonly #handler: MessageHandler;
  readonly #options: InboxOptions;
  readonly #inboxMax: number;
  #underWay = 0;
  #overflowed = 0;
  #closed = false;

  constructor(handler: MessageHandler, options: InboxOptions) {
    this.#handler = handler;
    this.#options = options;
    this.#inboxMax = options.inboxMax ?? INBOX_MAX_DEFAULT;
  }

  /** Messages that were refused or dropped because too many were under way. */
  get overflowed(): number {
    return this.#overflowed;
  }

  /**
   * Hands a message to the handler. Never throws.
   * @param finished called once when the message no longer counts, whatever became of it
   */
  deliver(arrival: Arrival, finished?: () => void): void {
    const message = new ArrivedMessage(arrival, this.#options.mayAnswer);
    if (this.#closed) {
      refuse(message, new RotaError('unavailable', `nobody serves ${arrival.subject} any more`));
      finished?.();
      return;
    }
    if (this.#underWay >= this.#inboxMax) {
      this.#overflowed += 1;
      refuse(message, overloaded(arrival.subject, this.#inboxMax));
      finished?.();
      return;
    }
    this.#underWay += 1;
    const done = (): void => {
      this.#underWay -= 1;
      finished?.();
    };
    try {
      const result = this.#handler(message);
      if (result === undefined) done();
      else {
        result.then(done, (error: unknown) => {
          this.#failed(error, message);
          done();
        });
      }
    } catch (error) {
      this.#failed(error, message);
      done();
    }
  }

  /** Takes no more messages: requests that still come are answered `unavailable`. Those under way go on. */
  close(): void {
    this.#closed = true;
  }

  #failed(error: unknown, message: ArrivedMessage): void {
    refuse(message, error);
    try {
      this.#options.onError?.(error, message);
    } catch {
      // The reporter failed; there is nobody left to tell, and the adapter must go on.
    }
  }
}

/** The refusal of a request that an inbox has no room for. */
export function overloaded(subject: string, inboxMax: number): RotaError {
  return new RotaError('overloaded', `${subject} has ${inboxMax} messages under way: retry later`);
}

class ArrivedMessage implements Message {
  readonly #arrival: Arrival;
  readonly #mayAnswer: (reply: string) => boolean;
  #answered = false;

  constructor(arrival: Arrival, mayAnswer: (reply: string) => boolean) {
    this.#arrival = arrival;
    this.#mayAnswer = mayAnswer;
  }

  get subject(): string {
    return this.#arrival.subject;
  }

  get body(): Body {
    return this.#arrival.body;
  }

  get headers(): Headers {
    return this.#arrival.headers;
  }

  get reply(): string | undefined {
    return this.#arrival.reply;
  }

  respond(answer: Envelope): void {
    const { reply, send } = this.#arrival;
    if (this.#answered || reply === undefined || !this.#mayAnswer(reply)) return;
    this.#answered = true;
    try {
      send(answer);
    } catch (error) {
      // The answer cannot be sent as it is (too large, no JSON): the requester is told so instead of left waiting.
      try {
        const told =
          error instanceof RotaError ? error : new RotaError('unavailable', errorText(error), { cause: error });
        send(errorReply(told, answerCodec(this)));
      } catch {
        // Not even that: the requester's timeout tells it.
      }
    }
  }
}

/** An answer, as the requester gets it. Nobody waits for an answer to it. */
export function answerMessage(subject: string, body: Body, headers: Headers): Message {
  return { subject, body, headers, reply: undefined, respond: () => {} };
}

/** The headers of a message that has none. */
export const NO_HEADERS: Headers = Object.freeze({});
