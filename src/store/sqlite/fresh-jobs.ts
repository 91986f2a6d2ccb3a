import type { NewJob } from '../../job/job.ts';

/** Beyond so many rows, or characters of args, the oldest is remembered no longer. */
const ROWS_MAX = 20_000;
const ARGS_LENGTH_MAX = 4 * 1024 * 1024;

/** What jobs that came together have in common. */
type AlikeJob = Pick<NewJob, 'type' | 'priority' | 'maxAttempts' | 'scheduledAt' | 'insertedAt'>;

/** What is remembered of a row. */
export interface FreshJob {
  readonly place: number;
  readonly id: string;
  /** As JSON, so that who inserted a job and who runs it share no object. */
  readonly args: string;
  readonly alike: AlikeJob;
}

/**
 * Rows of available plain jobs that were just inserted, by their places, so that a claim need not read them again: it looks
 * into the index which ones are next, and only that. Sound because this process owns the store alone, and because of one
 * rule: whatever may change or remove a waiting job, or give its place to another one, drops all of it first; so does a
 * rollback. A claim forgets what it takes. Plain jobs have neither a deadline nor a unique key, so who looks for those
 * (`expire`, an insert of an equal job) never meets one that is remembered.
 */
export class FreshJobs {
  readonly #rows = new Map<number, FreshJob>();
  #argsLength = 0;

  get size(): number {
    return this.#rows.size;
  }

  /**
   * Remembers plain jobs that are alike, which were stored from one place on without a gap.
   * @param own the id and the args of each, by turns
   */
  remember(first: number, job: NewJob, own: readonly string[]): void {
    if (job.state !== 'available') return;
    const { type, priority, maxAttempts, scheduledAt, insertedAt } = job;
    const alike = { type, priority, maxAttempts, scheduledAt, insertedAt };
    for (let at = 0; at < own.length; at += 2) {
      const [place, id = '', args = ''] = [first + at / 2, own[at], own[at + 1]];
      this.#rows.set(place, { place, id, args, alike });
      this.#argsLength += args.length;
    }
    while (this.#rows.size > ROWS_MAX || this.#argsLength > ARGS_LENGTH_MAX) {
      const [oldest] = this.#rows.keys();
      if (oldest === undefined) return;
      this.forget([oldest]);
    }
  }

  /** The jobs at these places; undefined unless all are remembered. */
  at(places: readonly number[]): FreshJob[] | undefined {
    const jobs: FreshJob[] = [];
    for (const place of places) {
      const job = this.#rows.get(place);
      if (job === undefined) return undefined;
      jobs.push(job);
    }
    return jobs;
  }

  forget(places: readonly number[]): void {
    if (this.#rows.size === 0) return;
    for (const place of places) {
      const job = this.#rows.get(place);
      if (job === undefined) continue;
      this.#rows.delete(place);
      this.#argsLength -= job.args.length;
    }
  }

  drop(): void {
    this.#rows.clear();
    this.#argsLength = 0;
  }
}
