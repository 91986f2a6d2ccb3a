/** How often the head of a queue of which a claim got nothing is looked at, in milliseconds. */
const LOOK_EVERY_MS = 1_000;

/** When a claim that got nothing last looked at what stands at the head of its queue. Each store has its own. */
export class QueueHeads {
  readonly #lookedAt = new Map<string, number>();

  /** Whether it is time to look; then it counts as done. */
  isDue(queue: string, now: number): boolean {
    const last = this.#lookedAt.get(queue);
    if (last !== undefined && now - last < LOOK_EVERY_MS && now >= last) return false;
    this.#lookedAt.set(queue, now);
    return true;
  }
}
