import type { StoreRequest } from '../job-store.ts';
import type { FreshJob } from './fresh-jobs.ts';

/**
 * A job that is on its way from its insert to the claim right behind it: its row says already that it executes, so that it
 * is written once and the index of what may be claimed not at all. Only within one transaction that stands or falls whole.
 */
export class BegunJob {
  /** The request behind the one that is being answered, in such a transaction. */
  behind: StoreRequest | undefined;
  #job: [FreshJob] | undefined;

  /** Stored as executing, for the claim behind. */
  put(job: FreshJob): void {
    this.#job = [job];
  }

  /** All that there is for the claim that asks; undefined: it has to look. */
  take(): [FreshJob] | undefined {
    const job = this.#job;
    this.#job = undefined;
    return job;
  }

  /** The group is over, or was rolled back. */
  drop(): void {
    this.behind = undefined;
    this.#job = undefined;
  }
}
