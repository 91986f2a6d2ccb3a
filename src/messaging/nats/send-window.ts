/** What may be written without the server having said that it got that far, in bytes; one message may go beyond it. */
const WINDOW_BYTES_MAX = 64 * 1_048_576;
/** After how many bytes the server is asked how far it got. */
const PROBE_BYTES = 1_048_576;

/**
 * Bounds what waits in this process for a server that reads slowly: nats.js writes to the socket whatever comes, and a
 * socket keeps all that its peer does not take.
 */
export class SendWindow {
  readonly #probe: () => Promise<void>;
  #sentBytes = 0;
  #reachedBytes = 0;
  #probedBytes = 0;
  #probing = false;

  /** @param probe resolves when the server has everything written before; rejects when the connection was lost */
  constructor(probe: () => Promise<void>) {
    this.#probe = probe;
  }

  /**
   * Whether a message of this size may be written now. One of any size may where so little waits that the server was not
   * asked for it: it is never refused on a quiet connection.
   */
  admits(bytes: number): boolean {
    const waiting = this.#sentBytes - this.#reachedBytes;
    return waiting < PROBE_BYTES || waiting + bytes <= WINDOW_BYTES_MAX;
  }

  /** Counts a message that was written. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
    this.#askOn();
  }

  /** What was written while the server was asked is asked for next: those who are refused write nothing that would do it. */
  #askOn(): void {
    if (this.#probing || this.#sentBytes - this.#probedBytes < PROBE_BYTES) return;
    this.#probing = true;
    this.#probedBytes = this.#sentBytes;
    const mark = this.#sentBytes;
    const done = (): void => {
      this.#probing = false;
      this.#reachedBytes = Math.max(this.#reachedBytes, mark);
      this.#askOn();
    };
    // Also when it fails: what a lost connection had not taken waits nowhere any more.
    this.#probe().then(done, done);
  }
}
