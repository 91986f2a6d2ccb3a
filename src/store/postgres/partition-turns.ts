/** Keys that partitions were served last by. A hint for fairness: lost with the store, and each store has its own. */
export class PartitionTurns {
  readonly #last = new Map<string, string>();

  last(queue: string, priority: number): string {
    return this.#last.get(`${queue} ${priority}`) ?? '';
  }

  served(queue: string, priority: number, key: string): void {
    this.#last.set(`${queue} ${priority}`, key);
  }
}
