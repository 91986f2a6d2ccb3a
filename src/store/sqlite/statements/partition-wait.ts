import type { NewJob } from '../../../job/job.ts';
import { partitionKey } from '../../../job/partition.ts';
import type { PartitionLine } from '../partition-line.ts';
import type { StoreWorld } from '../verb.ts';

/** New jobs of one queue, type and state, with their partitions. */
export interface NewJobs {
  readonly jobs: readonly NewJob[];
  /** The partition of each; undefined: their queue has none. */
  readonly keys: readonly string[] | undefined;
}

/** Jobs of one queue, type and state with their partitions. */
export function withPartitions(world: StoreWorld, jobs: readonly NewJob[]): NewJobs {
  const [first] = jobs;
  const by = first && world.queues.of(first.queue)?.partition?.by;
  return { jobs, keys: by === undefined ? undefined : jobs.map((job) => partitionKey(job, by)) };
}

/** The first of new jobs. */
export function firstOf({ jobs, keys }: NewJobs, count: number): NewJobs {
  return count === jobs.length ? { jobs, keys } : { jobs: jobs.slice(0, count), keys: keys?.slice(0, count) };
}

/** How new jobs of a queue with partitions wait. */
export class PartitionWait {
  readonly #keys: readonly string[];
  /** The line that they join; undefined: they are set aside, or do not wait. */
  readonly line: PartitionLine | undefined;
  /** What their rows say of that: 1 where they are set aside. */
  readonly aside: number | null;

  /** @returns undefined: their queue has no partitions */
  static of(world: StoreWorld, { jobs, keys }: NewJobs, begins = false): PartitionWait | undefined {
    const [first] = jobs;
    if (first === undefined || keys === undefined) return undefined;
    const { queue, type, state } = first;
    const waits = !begins && state === 'available';
    const line = waits ? world.queues.toJoin(queue, { count: jobs.length, type }) : undefined;
    return new PartitionWait(keys, line, waits && line === undefined ? 1 : null);
  }

  private constructor(keys: readonly string[], line: PartitionLine | undefined, aside: number | null) {
    this.#keys = keys;
    this.line = line;
    this.aside = aside;
  }

  /** The job at a place of the list was stored. */
  joined(at: number, { type, priority, scheduledAt, deadlineAt }: NewJob, place: number): void {
    this.line?.add({ place, key: this.#keys[at] ?? '', type, priority, scheduledAt, deadlineAt });
  }

  /** Puts the partition of each job behind its id and its args. */
  withKeys(own: readonly string[]): string[] {
    const all: string[] = [];
    for (const [at, key] of this.#keys.entries()) all.push(own[2 * at] ?? '', own[2 * at + 1] ?? '', key);
    return all;
  }
}
