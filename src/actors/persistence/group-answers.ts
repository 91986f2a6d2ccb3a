import { RotaError } from '../../kernel/error.ts';
import type { BegunAnswer, StoreReply } from '../../store/job-store.ts';
import type { Waiting } from './commit-group.ts';

/** Tells those who wait for a group what it came to, each once. */
export class GroupAnswers {
  readonly #group: readonly Waiting[];
  readonly #early = new Set<Waiting>();

  constructor(group: readonly Waiting[]) {
    this.#group = group;
  }

  /**
   * Answers claims of our own workers before the group is durable (see `OnBegun`): a job begins while the disk syncs, 0.72 of
   * the time from its enqueue on. Who claims from elsewhere lives on through a power loss here, and hears of it afterwards.
   */
  readonly begun = async (claims: readonly BegunAnswer[]): Promise<void> => {
    for (const { index, jobs } of claims) {
      const waiting = this.#group[index];
      if (!waiting?.isOwn) continue;
      this.#early.add(waiting);
      waiting.resolve(jobs);
    }
    // What is said in one turn is on its way a microtask later.
    await undefined;
  };

  /** The group is durable. */
  all(replies: readonly StoreReply[]): void {
    for (const [index, waiting] of this.#group.entries()) {
      if (this.#early.has(waiting)) continue;
      const reply = replies[index];
      if (reply === undefined) waiting.reject(new RotaError('unavailable', 'the store gave no answer'));
      else if (reply.ok) waiting.resolve(reply.answer);
      else waiting.reject(new RotaError(reply.error.code, reply.error.message));
    }
  }

  /** It is not, or nobody knows. */
  failed(error: unknown): void {
    for (const waiting of this.#group) if (!this.#early.has(waiting)) waiting.reject(error);
  }
}
