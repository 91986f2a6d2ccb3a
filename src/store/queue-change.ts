import type { PartitionLimit, QueueChange, QueueRecord } from './queue-record.ts';

/** What stands for a queue of which nothing was said. */
export function nothingSaid(queue: string): QueueRecord {
  const nothing = { paused: false, globalLimit: null, rate: null, partition: null, sorting: false, scale: null };
  return { queue, ...nothing, scaleByNode: {} };
}

/** What is said of a queue after a change, its scale apart, which has rows of its own; undefined: nothing differs. Pure. */
export function saidAfter(before: QueueRecord, { scale, ...said }: QueueChange): QueueRecord | undefined {
  const after = { ...before, ...said };
  const sameScale = scale === undefined || scaleOf(before, scale.node) === scale.limit;
  return sameScale && sameSaid(before, after) ? undefined : after;
}

function scaleOf({ scale, scaleByNode }: QueueRecord, node: string | null): number | null {
  if (node === null) return scale;
  return Object.hasOwn(scaleByNode, node) ? (scaleByNode[node] ?? null) : null;
}

function sameSaid(a: QueueRecord, b: QueueRecord): boolean {
  const samePartition = (one: PartitionLimit | null, other: PartitionLimit | null): boolean =>
    one?.by === other?.by && one?.limit === other?.limit;
  const sameRate = a.rate?.limit === b.rate?.limit && a.rate?.periodMs === b.rate?.periodMs;
  return (
    a.paused === b.paused && a.globalLimit === b.globalLimit && sameRate && samePartition(a.partition, b.partition)
  );
}
