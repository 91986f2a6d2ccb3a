/**
 * Knows whether what was published can still be vouched for, so that a flush tells the truth (promise G8).
 *
 * A flush that reaches the broker proves only what went down the same connection. So a publish that was dropped, or
 * that nothing had acknowledged when the connection was lost, fails the next flush of each of those who flush, and only
 * that one: whoever flushes learns of it once and publishes again, and nobody takes the news from another. Whose publish
 * it was is not known, so that some publish again what was not lost.
 */
export class PublishLedger {
  #published = 0;
  #reached = 0;
  #losses = 0;
  /** The losses that each of those who flush has heard of. */
  readonly #told = new WeakMap<object, number>();

  /** Something was handed to the connection. */
  published(): void {
    this.#published += 1;
  }

  /** Something was not even sent. */
  dropped(): void {
    this.#losses += 1;
  }

  /** The connection was lost: what is not acknowledged may be lost with it. */
  disconnected(): void {
    if (this.#published > this.#reached) this.#losses += 1;
    this.#reached = this.#published;
  }

  /**
   * Begins a flush.
   * @param who flushes; one who never did before hears of every loss that there was. Default: all who say nothing
   * @returns what to give to {@link reached} when the broker has answered; undefined when the flush has failed already
   */
  mark(who: object = this): number | undefined {
    const isNews = (this.#told.get(who) ?? 0) < this.#losses;
    if (isNews) this.#told.set(who, this.#losses);
    return isNews ? undefined : this.#published;
  }

  /** Everything up to the mark has reached the broker. */
  reached(mark: number): void {
    this.#reached = Math.max(this.#reached, mark);
  }
}
