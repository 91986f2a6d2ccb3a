import { isRecord } from '../../kernel/check.ts';
import type { Clock, TimerHandle } from '../../kernel/clock.ts';
import { RotaError } from '../../kernel/error.ts';
import { Body } from '../../messaging/body.ts';
import { STORE_TIMEOUT_MS } from '../store-client.ts';

/** A request that is larger than one message, as it was in one. */
export interface WholeRequest {
  verb: string;
  body: Body;
}

/** A part of a request, as our own store client sends it. */
export interface RequestPart {
  /** What {@link PartedRequests.begin} answered. */
  number: number;
  /** The place of its first byte in the whole. */
  from: number;
  part: Uint8Array;
}

/** Requests that may be here in parts at once, and the bytes that all of them may come to. */
const REQUESTS_MAX = 100;
const BYTES_MAX = 128 * 1_048_576;
/** Numbers that one millisecond has. */
const NUMBERS_PER_MS = 1_000;

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
  #last: number;
  #bytes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    // By the time, so that the numbers of an earlier life of this actor, whose parts may still come, are no one else's.
    this.#last = Math.trunc(clock.now()) * NUMBERS_PER_MS;
  }

  /**
   * Makes room for a request of so many bytes.
   * @param said the verb and how many bytes, checked here
   * @returns the number that its parts carry
   * @throws RotaError `overloaded` when too much is under way, `invalid_request` for what nobody of ours says
   */
  begin(said: unknown): number {
    const { verb, bytes } = beginning(said);
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
   * Takes the next part of a request. One that is here already, for a message may be repeated, changes nothing.
   * @param said a {@link RequestPart}, checked here
   * @returns the whole request once it is here
   * @throws RotaError `unavailable` when the request is not known (any more): it is to be sent again from its start
   */
  add(said: unknown): WholeRequest | undefined {
    const { number, from, part } = partIn(said);
    const parted = this.#parted.get(number);
    const end = from + part.length;
    if (parted === undefined || from > parted.filled || end > parted.bytes.length) {
      throw new RotaError('unavailable', 'the parts of a large request did not come together');
    }
    if (from < parted.filled) return undefined;
    parted.bytes.set(part, from);
    parted.filled = end;
    if (end < parted.bytes.length) return undefined;
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

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

function beginning(said: unknown): { verb: string; bytes: number } {
  const { verb, bytes } = isRecord(said) ? said : {};
  if (typeof verb === 'string' && isWhole(bytes) && bytes > 0) return { verb, bytes };
  throw new RotaError('invalid_request', 'this is no beginning of a request in parts');
}

function partIn(said: unknown): RequestPart {
  const { number, from, part } = isRecord(said) ? said : {};
  if (isWhole(number) && isWhole(from) && from >= 0 && part instanceof Uint8Array) return { number, from, part };
  throw new RotaError('invalid_request', 'this is no part of a request');
}
