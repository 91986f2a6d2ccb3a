import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { Body } from '../../messaging/body.ts';
import { STORE_TIMEOUT_MS } from '../store-client.ts';

/** A request that is larger than one message, as it was in one. */
export interface WholeRequest {
  verb: string;
  body: Body;
}

/** Requests that may be here in parts at once, and the bytes that all of them may come to. */
const REQUESTS_MAX = 100;
const BYTES_MAX = 128 * 1_048_576;

interface Parted {
  verb: string;
  bytes: Uint8Array;
  filled: number;
  timer: TimerHandle;
}

/**
 * Requests to the store that come in parts, because as rows they are larger than a message may be. Each is put together
 * here and then done as a whole, so that what stands or falls together still does. One whose requester has given up is
 * dropped.
 */
export class PartedRequests {
  readonly #clock: Clock;
  readonly #parted = new Map<number, Parted>();
  #last = 0;
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Makes room for a request of so many bytes.
   * @returns the number that its parts carry
   * @throws RotaError `overloaded` when too much is under way
   */
  begin({ verb, bytes }: { verb: string; bytes: number }): number {
    if (this.#parted.size >= REQUESTS_MAX || this.#bytes + bytes > BYTES_MAX) {
      throw new RotaError('overloaded', 'too many large requests are on their way to the store');
    }
    this.#last += 1;
    const number = this.#last;
    const timer = this.#clock.setTimeout(() => this.#drop(number), STORE_TIMEOUT_MS);
    this.#bytes += bytes;
    this.#parted.set(number, { verb, bytes: new Uint8Array(bytes), filled: 0, timer });
    return number;
  }

  /**
   * Takes the next part of a request.
   * @returns the whole request once it is here
   * @throws RotaError `unavailable` when the request is not known (any more): it is to be sent again from its start
   */
  add({ number, part }: { number: number; part: Uint8Array }): WholeRequest | undefined {
    const parted = this.#parted.get(number);
    if (parted === undefined || parted.filled + part.length > parted.bytes.length) {
      throw new RotaError('unavailable', 'the parts of a large request did not come together');
    }
    parted.bytes.set(part, parted.filled);
    parted.filled += part.length;
    if (parted.filled < parted.bytes.length) return undefined;
    this.#drop(number);
    return { verb: parted.verb, body: Body.encoded(parted.bytes, 'application/msgpack') };
  }

  /** Drops all of them. */
  close(): void {
    for (const number of [...this.#parted.keys()]) this.#drop(number);
  }

  #drop(number: number): void {
    const parted = this.#parted.get(number);
    if (parted === undefined) return;
    this.#clock.clearTimeout(parted.timer);
    this.#bytes -= parted.bytes.length;
    this.#parted.delete(number);
  }
}
