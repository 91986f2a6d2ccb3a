/** What may be written without the server having said that it got that far, in bytes. */
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

  /** Whether a message of this size may be written now. One that is larger than the window goes alone. */
  admits(bytes: number): boolean {
    const waiting = this.#sentBytes - this.#reachedBytes;
    return waiting === 0 || waiting + bytes <= WINDOW_BYTES_MAX;
  }

  /** Counts a message that was written. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.#probing || this.#sentBytes - this.#probedBytes < PROBE_BYTES) return;
    this.#probing = true;
    this.#probedBytes = this.#sentBytes;
    const mark = this.#sentBytes;
    const done = (): void => {
      this.#probing = false;
      this.#reachedBytes = Math.max(this.#reachedBytes, mark);
    };
    // Also when it fails: what a lost connection had not taken waits nowhere any more.
    this.#probe().then(done, done);
  }
}
