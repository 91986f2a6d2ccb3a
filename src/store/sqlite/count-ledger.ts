import type { StatementSync } from 'node:sqlite';
import type { JobState } from '../../job/state.ts';
import { integer } from '../cell.ts';

/**
 * How many jobs each queue has in each state. Counting a million rows takes a second, so every change of a state is
 * noted here and the sums are written once per group, in its transaction.
 */
export class CountLedger {
  readonly #changes = new Map<string, Map<JobState, number>>();
  /** What is written of those that were asked for: this process owns the store alone. */
  readonly #written = new Map<string, Map<JobState, number>>();
  /** Told that the job at a place waits in a queue, or waits there no more. */
  readonly #onWaiting: (queue: string, place: number) => void;
  readonly #write: StatementSync;
  readonly #read: StatementSync;

  constructor(prepare: (sql: string) => StatementSync, onWaiting: (queue: string, place: number) => void) {
    this.#onWaiting = onWaiting;
    this.#write = prepare(`insert into job_counts (queue, state, jobs) values (?, ?, ?)
      on conflict (queue, state) do update set jobs = jobs + excluded.jobs`);
    this.#read = prepare('select jobs from job_counts where queue = ? and state = ?');
  }

  /** Notes that a queue has `jobs` more (or fewer) jobs in a state; of those that wait its line was told. */
  add(queue: string, state: JobState, jobs: number): void {
    let states = this.#changes.get(queue);
    if (states === undefined) {
      states = new Map();
      this.#changes.set(queue, states);
    }
    states.set(state, (states.get(state) ?? 0) + jobs);
  }

  /** Notes that the job at a place came into a state (`jobs` is 1) or left it (-1), which nobody else was told. */
  put(place: number, { queue, state, jobs }: { queue: string; state: JobState; jobs: 1 | -1 }): void {
    if (state === 'available') this.#onWaiting(queue, place);
    this.add(queue, state, jobs);
  }

  /** How many jobs a queue has in a state, with what is not written yet. */
  of(queue: string, state: JobState): number {
    const written = this.#written.get(queue)?.get(state) ?? this.#readOf(queue, state);
    return written + (this.#changes.get(queue)?.get(state) ?? 0);
  }

  /** Notes that the job at a place went from a state to another. */
  move(place: number, { queue, from, to }: { queue: string; from: JobState; to: JobState }): void {
    this.put(place, { queue, state: from, jobs: -1 });
    this.put(place, { queue, state: to, jobs: 1 });
  }

  /** Writes what was noted, inside the group's transaction. */
  flush(): void {
    for (const [queue, states] of this.#changes) {
      const known = this.#written.get(queue);
      for (const [state, jobs] of states) {
        if (jobs === 0) continue;
        this.#write.run(queue, state, jobs);
        const written = known?.get(state);
        if (written !== undefined) known?.set(state, written + jobs);
      }
    }
    this.#changes.clear();
  }

  /** Forgets what was noted: the group was rolled back. */
  drop(): void {
    this.#changes.clear();
    this.#written.clear();
  }

  #readOf(queue: string, state: JobState): number {
    const row = this.#read.get(queue, state);
    const jobs = row === undefined ? 0 : integer(row.jobs);
    let states = this.#written.get(queue);
    if (states === undefined) {
      states = new Map();
      this.#written.set(queue, states);
    }
    states.set(state, jobs);
    return jobs;
  }
}
