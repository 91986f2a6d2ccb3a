/** How large one batch may be. */
export interface BatchLimits<T> {
  bytesMax: number;
  bytesOf(item: T): number;
}

/** Cuts a list into batches, in order, none larger than a message may be; one item always goes. */
export function* batchesOf<T>(items: readonly T[], { bytesMax, bytesOf }: BatchLimits<T>): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = bytesOf(item);
    if (batch.length > 0 && bytes + size > bytesMax) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
