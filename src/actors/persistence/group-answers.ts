import { RotaError } from '../../kernel/error.ts';
import type { BegunAnswer, StoreReply } from '../../store/job-store.ts';
import type { Waiting } from './commit-group.ts';

/** Tells those who wait for a group what it came to, each once. */
export class GroupAnswers {
  readonly #group: readonly Waiting[];
  readonly #early = new Set<Waiting>();
  /** Of telling it early. */
  readonly #failures: unknown[] = [];

  constructor(group: readonly Waiting[]) {
    this.#group = group;
  }

  /**
   * Answers claims of our own workers before the group is durable (see `OnBegun`): their jobs begin while the disk syncs. Who
   * claims from elsewhere lives on through a power loss here, and hears of it afterwards.
   */
  readonly begun = async (claims: readonly BegunAnswer[]): Promise<void> => {
    for (const { index, jobs } of claims) {
      const waiting = this.#group[index];
      if (!waiting?.isOwn) continue;
      this.#early.add(waiting);
      try {
        waiting.resolve(jobs);
      } catch (error) {
        // It is no failure of the group, which has still to become durable.
        this.#failures.push(error);
      }
    }
    // What is said in one turn is on its way a microtask later.
    await undefined;
  };

  /** The group is durable. @throws what telling somebody early has thrown */
  all(replies: readonly StoreReply[]): void {
    for (const [index, waiting] of this.#group.entries()) {
      if (this.#early.has(waiting)) continue;
      const reply = replies[index];
      if (reply === undefined) waiting.reject(new RotaError('unavailable', 'the store gave no answer'));
      else if (reply.ok) waiting.resolve(reply.answer);
      else waiting.reject(new RotaError(reply.error.code, reply.error.message));
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** It is not, or nobody knows. */
  failed(error: unknown): void {
    for (const waiting of this.#group) if (!this.#early.has(waiting)) waiting.reject(error);
  }
}
