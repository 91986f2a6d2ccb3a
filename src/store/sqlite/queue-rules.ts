import type { StatementSync } from 'node:sqlite';
import type { Job } from '../../job/job.ts';
import { partitionKey } from '../../job/partition.ts';
import { RateWindow, type StartBucket } from '../../job/rate-window.ts';
import { integer, integerOrNull, type Row, text, textOrNull } from '../cell.ts';
import type { QueueRecord } from '../queue-record.ts';
import type { PartitionLine } from './partition-line.ts';
import { PartitionLines, type PartitionLinesWorld } from './partition-lines.ts';
import { RunningPartitions } from './running-partitions.ts';
import { SetAside } from './set-aside.ts';

/** What a claim asks of a queue that operators have said something of. */
export interface QueueRule extends QueueRecord {
  window: RateWindow | null;
}

const READ = `select queue, paused, global_limit, rate_limit, rate_period_ms, partition_by, partition_limit, sorted_to
  from queues`;

/**
 * What operators said of queues, read once and kept in memory: this process owns the store alone. A queue of which nothing
 * was said costs a claim one look into an empty map.
 */
export class QueueRules {
  #rules: Map<string, QueueRule> | undefined;
  readonly running: RunningPartitions;
  readonly aside: SetAside;
  readonly lines: PartitionLines;
  readonly #all: StatementSync;
  readonly #scales: StatementSync;
  readonly #starts: StatementSync;
  readonly #putStarts: StatementSync;
  readonly #dropStarts: StatementSync;

  constructor(world: Omit<PartitionLinesWorld, 'aside'>) {
    const { prepare } = world;
    this.running = new RunningPartitions(prepare);
    this.aside = new SetAside(prepare);
    this.lines = new PartitionLines({ ...world, aside: this.aside });
    this.#all = prepare(`${READ} order by queue`);
    this.#scales = prepare('select node, jobs from queue_scales where queue = ?');
    this.#starts = prepare('select since, at, starts from queue_starts where queue = ? order by since');
    this.#putStarts = prepare(`insert into queue_starts (queue, since, at, starts) values (?, ?, ?, ?)
      on conflict (queue, since) do update set at = excluded.at, starts = excluded.starts`);
    this.#dropStarts = prepare('delete from queue_starts where queue = ? and since < ?');
  }

  /** What was said of a queue; undefined: nothing. */
  of(queue: string): QueueRule | undefined {
    return this.#read().get(queue);
  }

  all(): QueueRule[] {
    return [...this.#read().values()];
  }

  /** The partition of a job in a queue; null: the queue has none. */
  keyOf(queue: string, job: Pick<Job, 'args' | 'meta'>): string | null {
    const partition = this.#read().get(queue)?.partition;
    return partition ? partitionKey(job, partition.by) : null;
  }

  /**
   * The line that so many available jobs of some type go to, in a queue with partitions.
   * @returns undefined: they are stored as set aside
   */
  toJoin(queue: string, jobs: { count: number; type: string }): PartitionLine | undefined {
    if (this.of(queue)?.sorting !== true) return this.lines.toJoin(queue, jobs);
    // What is there is being set aside.
    this.aside.add(queue, [jobs.type]);
    return undefined;
  }

  /** How many more jobs of a partition may start. */
  roomFor(queue: string, key: string): number {
    return (this.of(queue)?.partition?.limit ?? 0) - this.running.count(queue, key);
  }

  /** Counts starts against a queue's rate. */
  started(rule: QueueRule, jobs: number, now: number): void {
    if (rule.window === null || jobs === 0) return;
    const { write, from } = rule.window.note(now, jobs);
    this.#dropStarts.run(rule.queue, Math.min(from, Number.MAX_SAFE_INTEGER));
    for (const { since, at, starts } of write) this.#putStarts.run(rule.queue, since, at, starts);
  }

  /** What was read is not so any more: after a change, or because the group was rolled back. */
  drop(): void {
    this.#rules = undefined;
    this.running.drop();
    this.aside.drop();
    this.lines.drop();
  }

  #read(): Map<string, QueueRule> {
    this.#rules ??= new Map(this.#all.all().map((row) => [text(row.queue), this.#ruleOf(row)]));
    return this.#rules;
  }

  #ruleOf(row: Row): QueueRule {
    const queue = text(row.queue);
    const [limit, periodMs] = [integerOrNull(row.rate_limit), integerOrNull(row.rate_period_ms)];
    const rate = limit === null || periodMs === null ? null : { limit, periodMs };
    const [by, perKey] = [textOrNull(row.partition_by), integerOrNull(row.partition_limit)];
    const scales = new Map(this.#scales.all(queue).map(({ node, jobs }) => [text(node), integer(jobs)]));
    const scale = scales.get('') ?? null;
    scales.delete('');
    return {
      queue,
      paused: row.paused === 1,
      globalLimit: integerOrNull(row.global_limit),
      rate,
      partition: by === null || perKey === null ? null : { by, limit: perKey },
      sorting: row.sorted_to !== null,
      scale,
      scaleByNode: Object.fromEntries(scales),
      window: rate && new RateWindow(rate, this.#starts.all(queue).map(bucketOf)),
    };
  }
}

const bucketOf = (row: Row): StartBucket => ({
  since: integer(row.since),
  at: integer(row.at),
  starts: integer(row.starts),
});
