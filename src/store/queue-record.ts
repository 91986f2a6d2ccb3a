import type { Rate } from '../job/rate-window.ts';

/** At most `limit` jobs of each partition execute at once; `by` is the path that tells them apart. */
export interface PartitionLimit {
  by: string;
  limit: number;
}

/** What an operator has said of a queue. What was never said is false, null or absent. */
export interface QueueRecord {
  queue: string;
  paused: boolean;
  /** Jobs of the queue that may execute at once, over all workers. */
  globalLimit: number | null;
  rate: Rate | null;
  partition: PartitionLimit | null;
  /** The jobs that were there before the partition limit are being sorted into partitions; until then none starts. */
  sorting: boolean;
  /** How many a node may run at once, instead of what its flags and config say: for all nodes, and by node. */
  scale: number | null;
  scaleByNode: Record<string, number>;
}

/** A change of what was said; what is left out stays, null lifts. */
export interface QueueChange {
  paused?: boolean;
  globalLimit?: number | null;
  rate?: Rate | null;
  partition?: PartitionLimit | null;
  /** For one node, or for all that are not named. */
  scale?: { node: string | null; limit: number | null };
}

/** What the control of queues says to the store. */
export interface QueueVerbs {
  /** What operators have said: of the queues named, else of all of which something was said. */
  queues: { options: { queues?: readonly string[] }; answer: QueueRecord[] };
  /** Changes what is said of one queue. `changed`: something is different now. */
  changeQueue: {
    options: { now: number; queue: string; change: QueueChange };
    answer: { queue: QueueRecord; changed: boolean };
  };
  /** One bounded step of sorting jobs into partitions that were there before their queue had any. */
  sortPartitions: { options: { queue: string; limit: number }; answer: { done: boolean } };
  /** When a queue's rate lets the next job start; null: now, or it has no rate. */
  nextStart: { options: { now: number; queue: string }; answer: { at: number | null } };
}

/** How many of a queue's jobs a node may run at once where an operator said so; undefined: what the node's config says. */
export function scaledLimit(record: QueueRecord | undefined, node: string): number | undefined {
  if (record === undefined) return undefined;
  const { scale, scaleByNode } = record;
  return Object.hasOwn(scaleByNode, node) ? scaleByNode[node] : (scale ?? undefined);
}
