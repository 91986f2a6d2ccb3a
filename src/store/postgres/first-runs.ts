import type { FirstRun } from '../first-run.ts';

/** Beyond so many the oldest are forgotten: they run long, or were settled at another store. */
const KEPT_MAX = 20_000;

/**
 * What this store's claims left of jobs in their first run, so that a settlement need not read it. Nothing of it changes
 * while the job executes; whether it still does, in that run and at that worker, only its row says, for other stores may
 * end it too. What is not here is read.
 */
export class FirstRuns {
  readonly #runs = new Map<string, FirstRun>();

  /** Notes what a claim that has committed took. */
  keep(runs: readonly FirstRun[]): void {
    for (const run of runs) {
      // Behind all others, also where an older job had its id.
      this.#runs.delete(run.id);
      this.#runs.set(run.id, run);
    }
    for (const id of this.#runs.keys()) {
      if (this.#runs.size <= KEPT_MAX) break;
      this.#runs.delete(id);
    }
  }

  /**
   * What is known of a job that is about to be settled, once: whatever comes of it, it is read the next time.
   * @param insertedAt where it is given, which of the jobs that had this id is meant
   */
  take(id: string, insertedAt?: number): FirstRun | undefined {
    const run = this.#runs.get(id);
    if (run === undefined || (insertedAt !== undefined && insertedAt !== run.insertedAt)) return undefined;
    this.#runs.delete(id);
    return run;
  }
}
