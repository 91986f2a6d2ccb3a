import type { Job } from '../../job/job.ts';
import { partitionKey } from '../../job/partition.ts';
import type { Rate } from '../../job/rate-window.ts';
import { type Cell, integerOrNull, text, textOrNull } from '../cell.ts';
import type { PartitionLimit } from '../queue-record.ts';
import type { Transaction } from './transaction.ts';

/** What a claim asks of a queue that operators have said something of. */
export interface QueueRule {
  queue: string;
  paused: boolean;
  globalLimit: number | null;
  rate: Rate | null;
  partition: PartitionLimit | null;
  sorting: boolean;
}

/** What rules are read from. */
export const READ_RULES = `select queue, paused, global_limit, rate_limit, rate_period_ms, partition_by,
  partition_limit, sorted_to from @queues`;

/** What is read by groups that claim: the types of which jobs were set aside. */
export const READ_ASIDE = 'select queue, type from @set_aside';

/**
 * What operators said of queues, read as each transaction begins, in its first message. Groups that write hold a lock
 * that a change of rules waits for, so what was read is so until the group has committed.
 */
export class QueueRules {
  #rules: Map<string, QueueRule>;
  #aside: Map<string, Set<string>>;

  /** Takes the rows of {@link READ_RULES} and, of a group that claims, of {@link READ_ASIDE}. */
  constructor(rows: readonly Cell[][], aside: readonly Cell[][]) {
    this.#rules = rulesOf(rows);
    this.#aside = asideOf(aside);
  }

  /** What was said of a queue; undefined: nothing. */
  of(queue: string): QueueRule | undefined {
    return this.#rules.get(queue);
  }

  /** What was said of all queues, by name. */
  all(): QueueRule[] {
    return [...this.#rules.values()].sort((a, b) => (a.queue < b.queue ? -1 : 1));
  }

  /** The partition of a job in a queue; null: the queue has none. */
  keyOf(queue: string, job: Pick<Job, 'args' | 'meta'>): string | null {
    const partition = this.#rules.get(queue)?.partition;
    return partition ? partitionKey(job, partition.by) : null;
  }

  /** The types of which jobs of a queue were set aside. */
  asideOf(queue: string): readonly string[] {
    return [...(this.#aside.get(queue) ?? [])];
  }

  /** Jobs of these types are being set aside by this group. */
  setAside(queue: string, types: Iterable<string>): void {
    this.#aside.set(queue, new Set([...this.asideOf(queue), ...types]));
  }

  /** Reads the rules again: this group has changed them, or taken a change back. */
  async reread(tx: Transaction): Promise<void> {
    this.#rules = rulesOf(await tx.lists(READ_RULES));
    this.#aside = asideOf(await tx.lists(READ_ASIDE));
  }
}

/** Whether what executes of a queue, or when it started, decides about the next claim. */
export function isLimited({ globalLimit, rate, partition }: QueueRule): boolean {
  return globalLimit !== null || rate !== null || partition !== null;
}

function rulesOf(rows: readonly Cell[][]): Map<string, QueueRule> {
  return new Map(rows.map((row) => [text(row[0]), ruleOf(row)]));
}

function asideOf(rows: readonly Cell[][]): Map<string, Set<string>> {
  const aside = new Map<string, Set<string>>();
  for (const [queueCell, type] of rows) {
    const queue = text(queueCell);
    aside.set(queue, (aside.get(queue) ?? new Set()).add(text(type)));
  }
  return aside;
}

function ruleOf([queue, paused, globalLimit, rateLimit, period, by, perKey, sortedTo]: readonly Cell[]): QueueRule {
  const [limit, periodMs] = [integerOrNull(rateLimit), integerOrNull(period)];
  const [path, keyLimit] = [textOrNull(by), integerOrNull(perKey)];
  return {
    queue: text(queue),
    paused: paused === 1,
    globalLimit: integerOrNull(globalLimit),
    rate: limit === null || periodMs === null ? null : { limit, periodMs },
    partition: path === null || keyLimit === null ? null : { by: path, limit: keyLimit },
    sorting: sortedTo !== null,
  };
}
