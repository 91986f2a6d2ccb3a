/**
 * Knows whether what was published can still be vouched for, so that a flush tells the truth (promise G8).
 *
 * A flush that reaches the broker proves only what went down the same connection. So a publish that was dropped, or
 * that nothing had acknowledged when the connection was lost, fails the next flush, and only that one: whoever
 * flushes learns of it once and publishes again. Callers that share a bus and flush on their own therefore publish and
 * flush in one turn of the event loop; then no other flush can come between and take the news.
 */
export class PublishLedger {
  #published = 0;
  #reached = 0;
  #lost = false;

  /** Something was handed to the connection. */
  published(): void {
    this.#published += 1;
  }

  /** Something was not even sent. */
  dropped(): void {
    this.#lost = true;
  }

  /** The connection was lost: what is not acknowledged may be lost with it. */
  disconnected(): void {
    if (this.#published > this.#reached) this.#lost = true;
    this.#reached = this.#published;
  }

  /**
   * Begins a flush.
   * @returns what to give to {@link reached} when the broker has answered; undefined when the flush has failed already
   */
  mark(): number | undefined {
    const lost = this.#lost;
    this.#lost = false;
    return lost ? undefined : this.#published;
  }

  /** Everything up to the mark has reached the broker. */
  reached(mark: number): void {
    this.#reached = Math.max(this.#reached, mark);
  }
}
