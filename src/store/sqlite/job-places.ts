import type { StatementSync } from 'node:sqlite';
import { integer } from '../cell.ts';

/**
 * The places (`seq`) of jobs, so that none is given twice: SQLite by itself gives the one after the highest that is there,
 * and so that of a deleted job again if it was the newest. Sound because this process owns the store alone.
 */
export class JobPlaces {
  /** The highest place that was there when the store was opened: whatever came since is above it. */
  readonly highestAtStart: number;
  readonly #last: StatementSync;
  #highest: number;
  #isHighestThere = true;

  constructor(prepare: (sql: string) => StatementSync) {
    this.#last = prepare('select max(seq) as seq from jobs');
    this.highestAtStart = this.last();
    this.#highest = this.highestAtStart;
  }

  /** The highest place that a job has now; 0 where there are none. */
  last(): number {
    return integer(this.#last.get()?.seq ?? 0);
  }

  /** The place that the next job must be given; null where SQLite gives it one that no job had. */
  next(): number | null {
    return this.#isHighestThere ? null : this.#highest + 1;
  }

  /** A job was stored at a place, after all that were stored before. */
  given(place: number): void {
    this.#highest = place;
    this.#isHighestThere = true;
  }

  /** Jobs were deleted, or what was stored was rolled back. */
  removed(): void {
    this.#isHighestThere = false;
  }
}
