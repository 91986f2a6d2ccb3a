import type { StatementSync } from 'node:sqlite';
import { integer, integerOrNull, type Row, text } from '../cell.ts';
import { type LinedJob, PartitionLine } from './partition-line.ts';
import type { SetAside } from './set-aside.ts';

/** So many jobs, of all queues together, are in lines: some 2 MiB. */
export const LINED_MAX = 20_000;

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
 * The lines of queues with partitions. A queue's available jobs are all in its line, and this knows their partitions, or all
 * set aside, in the index of partitions. A claim from a line looks into no index, and what is inserted and claimed from there
 * was never written to the index of partitions, where each key has pages of its own: 0.9 of the rate that a queue without
 * partitions has, against 0.6. Sound because this process owns the store alone, and because whatever changes what waits in a
 * queue goes through `CountLedger`, which tells {@link changed} unless the line was told: it is then read again, 1 µs a job.
 */
export class PartitionLines {
  readonly #world: PartitionLinesWorld;
  readonly #queues = new Map<string, PartitionLine | 'aside'>();
  /** Lines that have changed since, for the turns of their keys. */
  readonly #stale = new Map<string, PartitionLine>();
  readonly #isAside: StatementSync;
  readonly #line: StatementSync;
  readonly #types: StatementSync;
  readonly #setAside: StatementSync;

  constructor(world: PartitionLinesWorld) {
    const { prepare } = world;
    this.#world = world;
    this.#isAside = prepare(`select 1 from jobs indexed by jobs_partition where queue = ?
      and state = 'available' and partition_key is not null and aside is not null limit 1`);
    const line = 'jobs indexed by jobs_claim';
    const its = `where queue = ? and state = 'available' and aside is null`;
    this.#line = prepare(`select seq, partition_key, type, priority, scheduled_at, deadline_at from ${line} ${its}
      order by priority, scheduled_at, seq limit ${world.linedMax + 1}`);
    this.#types = prepare(`select distinct type from ${line} ${its}`);
    this.#setAside = prepare(`update ${line} set aside = 1 ${its}`);
  }

  /** The line of a queue with partitions, whose jobs are sorted; undefined: all that waits is set aside. */
  of(queue: string): PartitionLine | undefined {
    let line = this.#queues.get(queue);
    if (line === 'aside' && this.#world.waiting(queue) === 0) {
      this.#world.aside.forget(queue);
      line = new PartitionLine();
    }
    line ??= this.#look(queue);
    this.#queues.set(queue, line);
    return line === 'aside' ? undefined : line;
  }

  /**
   * The line that so many new jobs of some type go to. Where it would be too long all of it is set aside, 5 µs a job.
   * @returns undefined: they are stored as set aside
   */
  toJoin(queue: string, jobs: { count: number; type: string }): PartitionLine | undefined {
    const line = this.of(queue);
    if (line !== undefined && this.#size + jobs.count <= this.#world.linedMax) return line;
    if (line !== undefined) this.#queues.set(queue, this.#putAside(queue));
    this.#world.aside.add(queue, [jobs.type]);
    return undefined;
  }

  /** What waits in a queue has changed in a way that its line was not told. */
  changed(queue: string): void {
    const line = this.#queues.get(queue);
    if (line === undefined) return;
    if (line !== 'aside') this.#stale.set(queue, line);
    this.#queues.delete(queue);
  }

  /** All are read again when next asked for. */
  drop(): void {
    this.#queues.clear();
    this.#stale.clear();
  }

  get #size(): number {
    let size = 0;
    for (const line of this.#queues.values()) if (line !== 'aside') size += line.size;
    return size;
  }

  #look(queue: string): PartitionLine | 'aside' {
    const before = this.#stale.get(queue);
    this.#stale.delete(queue);
    if (this.#isAside.get(queue) !== undefined) return this.#putAside(queue);
    if (this.#world.waiting(queue) === 0) return new PartitionLine();
    const rows = this.#line.all(queue);
    if (rows.length + this.#size > this.#world.linedMax) return this.#putAside(queue);
    return PartitionLine.of(rows.map(linedJob), before);
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
  key: text(row.partition_key),
  type: text(row.type),
  priority: integer(row.priority),
  scheduledAt: integer(row.scheduled_at),
  deadlineAt: integerOrNull(row.deadline_at),
});
