import type { StatementSync } from 'node:sqlite';
import { integer, integerOrNull, type Row, text, textOrNull } from '../cell.ts';
import { type LinedJob, PartitionLine } from './partition-line.ts';
import type { SetAside } from './set-aside.ts';

/** So many jobs, of all queues together, are in lines: 3 to 4 MiB. */
export const LINED_MAX = 20_000;

/** So many more changes than jobs in a line make it worth reading as a whole. */
const CHANGED_MAX = 100;

/** What lines are made of. */
export interface PartitionLinesWorld {
  prepare(sql: string): StatementSync;
  /** How many jobs of a queue wait. */
  waiting(queue: string): number;
  aside: SetAside;
  /** More jobs than that, of all queues together, are in no line. */
  linedMax: number;
}

/**
 * The lines of queues with partitions. Once a queue is sorted, what waits is all in its line, and this knows its partitions, or
 * all set aside, in the index of partitions. A claim from a line looks into no index, and what is inserted and claimed from there
 * was never written to the index of partitions, where each key has pages of its own: 0.9 of the rate that a queue without
 * partitions has, against 0.6. Sound because this process owns the store alone, and because whatever changes what waits in a
 * queue goes through `CountLedger`, which tells {@link changed} of what the line was not told: that is read again.
 */
export class PartitionLines {
  readonly #world: PartitionLinesWorld;
  readonly #queues = new Map<string, PartitionLine | 'aside'>();
  /** Places of lines where something has changed since. */
  readonly #changed = new Map<string, Set<number>>();
  readonly #isAside: StatementSync;
  readonly #line: StatementSync;
  readonly #places: StatementSync;
  readonly #types: StatementSync;
  readonly #setAside: StatementSync;

  constructor(world: PartitionLinesWorld) {
    const { prepare } = world;
    this.#world = world;
    this.#isAside = prepare(`select 1 from jobs indexed by jobs_partition where queue = ?
      and state = 'available' and partition_key is not null and aside is not null limit 1`);
    const line = 'jobs indexed by jobs_claim';
    const its = `where queue = ? and state = 'available' and aside is null`;
    const columns = 'seq, partition_key, type, priority, scheduled_at, deadline_at';
    // By place, for what it finds is mostly what was just inserted or changed.
    this.#places = prepare(`select ${columns} from jobs where seq in (select value from json_each(?))
      and queue = ? and state = 'available' and aside is null`);
    this.#line = prepare(`select ${columns} from ${line} ${its}
      order by priority, scheduled_at, seq limit ${world.linedMax + 1}`);
    this.#types = prepare(`select distinct type from ${line} ${its}`);
    this.#setAside = prepare(`update ${line} set aside = 1 ${its}`);
  }

  /**
   * The line of a queue with partitions, whose jobs are sorted: as it is known, or read, or emptied where it is too long.
   * @returns undefined: all that waits is set aside
   */
  open(queue: string): PartitionLine | undefined {
    let line = this.#queues.get(queue);
    if (line === 'aside' && this.#world.waiting(queue) === 0) {
      this.#world.aside.forget(queue);
      line = new PartitionLine();
    }
    const changed = this.#changed.get(queue);
    if (line === undefined) line = this.#look(queue);
    else if (line !== 'aside' && changed !== undefined) line = this.#lookAgain(queue, line, changed);
    this.#queues.set(queue, line);
    return line === 'aside' ? undefined : line;
  }

  /**
   * The line that so many new jobs of some type go to. Where it would be too long all of it is set aside, 5 µs a job.
   * @returns undefined: they are stored as set aside
   */
  toJoin(queue: string, jobs: { count: number; type: string }): PartitionLine | undefined {
    const line = this.open(queue);
    if (line !== undefined && this.#size + jobs.count <= this.#world.linedMax) return line;
    if (line !== undefined) this.#queues.set(queue, this.#putAside(queue));
    this.#world.aside.add(queue, [jobs.type]);
    return undefined;
  }

  /** Jobs were claimed from a queue, of whichever of its ways to wait. */
  took(queue: string, places: readonly number[]): void {
    const line = this.#queues.get(queue);
    if (line !== undefined && line !== 'aside') line.take(places);
  }

  /** The job at a place has begun or ceased to wait in a queue, or waits as another one, and its line was not told. */
  changed(queue: string, place: number): void {
    const line = this.#queues.get(queue);
    if (line === undefined) return;
    const places = this.#changed.get(queue) ?? new Set();
    // What is set aside is looked at as a whole, and so is a line of which most has changed.
    if (line === 'aside' || places.size > line.size + CHANGED_MAX) this.#forget(queue);
    else this.#changed.set(queue, places.add(place));
  }

  /** All are read again when next asked for. */
  drop(): void {
    this.#queues.clear();
    this.#changed.clear();
  }

  #forget(queue: string): void {
    this.#queues.delete(queue);
    this.#changed.delete(queue);
  }

  get #size(): number {
    let size = 0;
    for (const line of this.#queues.values()) if (line !== 'aside') size += line.size;
    return size;
  }

  #look(queue: string): PartitionLine | 'aside' {
    if (this.#isAside.get(queue) !== undefined) return this.#putAside(queue);
    const line = new PartitionLine();
    if (this.#world.waiting(queue) === 0) return line;
    const rows = this.#line.all(queue);
    if (rows.length + this.#size > this.#world.linedMax) return this.#putAside(queue);
    for (const row of rows) line.add(linedJob(row));
    return line;
  }

  /** Reads again what has changed; the rest of the line, and the turns of its keys, stay. */
  #lookAgain(queue: string, line: PartitionLine, places: ReadonlySet<number>): PartitionLine | 'aside' {
    this.#changed.delete(queue);
    const rows = this.#places.all(JSON.stringify([...places]), queue);
    const jobs = new Map(rows.map((row) => [integer(row.seq), linedJob(row)]));
    for (const place of places) line.change(place, jobs.get(place));
    return this.#size > this.#world.linedMax ? this.#putAside(queue) : line;
  }

  #putAside(queue: string): 'aside' {
    const types = this.#types.all(queue).map(({ type }) => text(type));
    if (types.length === 0) return 'aside';
    this.#world.aside.add(queue, types);
    this.#setAside.run(queue);
    return 'aside';
  }
}

const linedJob = (row: Row): LinedJob => ({
  place: integer(row.seq),
  // A sorted queue's jobs all have one.
  key: textOrNull(row.partition_key) ?? '',
  type: text(row.type),
  priority: integer(row.priority),
  scheduledAt: integer(row.scheduled_at),
  deadlineAt: integerOrNull(row.deadline_at),
});
