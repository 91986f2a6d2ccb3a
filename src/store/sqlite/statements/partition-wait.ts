import type { NewJob } from '../../../job/job.ts';
import type { PartitionLine } from '../partition-line.ts';
import type { StoreWorld } from '../verb.ts';

/** How new jobs of a queue with partitions wait. */
export class PartitionWait {
  /** The partition of each. */
  readonly keys: readonly string[];
  /** The line that they join; undefined: they are set aside, or do not wait. */
  readonly line: PartitionLine | undefined;
  /** What their rows say of that: 1 where they are set aside. */
  readonly aside: number | null;

  /**
   * @param jobs of one queue, type and state
   * @param begins they begin as they are stored
   * @returns undefined: their queue has no partitions
   */
  static of(world: StoreWorld, jobs: readonly NewJob[], begins = false): PartitionWait | undefined {
    const [first] = jobs;
    if (first === undefined || !world.queues.of(first.queue)?.partition) return undefined;
    const { queue, type, state } = first;
    const keys = jobs.map((job) => world.queues.keyOf(queue, job) ?? '');
    const waits = !begins && state === 'available';
    const line = waits ? world.queues.toJoin(queue, { count: jobs.length, type }) : undefined;
    return new PartitionWait(keys, line, waits && line === undefined ? 1 : null);
  }

  private constructor(keys: readonly string[], line: PartitionLine | undefined, aside: number | null) {
    this.keys = keys;
    this.line = line;
    this.aside = aside;
  }

  /** The job at a place of the list was stored. */
  joined(at: number, { type, priority, scheduledAt, deadlineAt }: NewJob, place: number): void {
    this.line?.add({ place, key: this.keys[at] ?? '', type, priority, scheduledAt, deadlineAt });
  }

  /** Puts the partition of each job behind its id and its args. */
  withKeys(own: readonly string[]): string[] {
    return this.keys.flatMap((key, at) => [own[2 * at] ?? '', own[2 * at + 1] ?? '', key]);
  }
}
