import type { Clock, TimerHandle } from '../kernel/clock.ts';
import { RotaError } from '../kernel/error.ts';
import type { Message } from './bus.ts';

interface Waiting {
  resolve: (message: Message) => void;
  reject: (error: RotaError) => void;
  timer: TimerHandle;
  subject: string;
}

/** Requests of one bus that may wait for their answers at once; the next one is refused `overloaded`. */
export const REQUESTS_MAX = 65_536;

/** The requests that wait for an answer, by number, each with its timeout. */
export class PendingRequests {
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Opens one.
   * @param send sends the request under the number that its answer will carry; what it throws fails the request
   * @returns the answer; rejects `timeout` after `timeoutMs` milliseconds, `overloaded` beyond {@link REQUESTS_MAX}
   */
  open(subject: string, timeoutMs: number, send: (id: number) => void): Promise<Message> {
    if (this.#waiting.size >= REQUESTS_MAX) {
      return Promise.reject(new RotaError('overloaded', `${REQUESTS_MAX} requests wait for their answers already`));
    }
    this.#lastId += 1;
    const id = this.#lastId;
    return new Promise<Message>((resolve, reject) => {
      const timer = this.#clock.setTimeout(() => {
        this.fail(id, new RotaError('timeout', `no answer from ${subject} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer, subject });
      try {
        send(id);
      } catch (error) {
        this.#take(id);
        reject(error);
      }
    });
  }

  /** Gives a request its answer. One that nobody waits for is dropped. */
  settle(id: number, message: Message): void {
    this.#take(id)?.resolve(message);
  }

  /** Fails a request, with an error or with one made of its subject. One that nobody waits for is ignored. */
  fail(id: number, error: RotaError | ((subject: string) => RotaError)): void {
    const waiting = this.#take(id);
    waiting?.reject(typeof error === 'function' ? error(waiting.subject) : error);
  }

  /** Fails every request, or those to one subject, each with an error of its own. */
  failAll(error: (subject: string) => RotaError, onlySubject?: string): void {
    for (const [id, { subject }] of [...this.#waiting]) {
      if (onlySubject === undefined || subject === onlySubject) this.fail(id, error);
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    this.#clock.clearTimeout(waiting.timer);
    return waiting;
  }
}
