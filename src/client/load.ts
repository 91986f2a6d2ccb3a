import { jsonBytesMost, utf8Bytes } from '../kernel/json.ts';
import { listBytesMax, PAYLOAD_BYTES_MAX_DEFAULT } from '../messaging/payload.ts';

/** What is to travel with others of its kind in one message. */
export interface Load<T extends object = object> {
  body: T;
  /** How many bytes of JSON it has; while it is not measured, at most. */
  bytes: number;
  measured: boolean;
}

/** Bytes of JSON that travel together at most: a server as it comes takes them in either codec. */
const BATCH_BYTES_MAX = listBytesMax(PAYLOAD_BYTES_MAX_DEFAULT, 'msgpack');

/** A body that is not measured yet: most are so small that they need not be, which is half of what sending them costs. */
export function loadOf<T extends object>(body: T): Load<T> {
  const most = jsonBytesMost(body);
  return { body, bytes: Number.isNaN(most) ? bytesOf(body) : most, measured: Number.isNaN(most) };
}

/** How many bytes a body has as JSON. */
export const bytesOf = (body: object): number => utf8Bytes(JSON.stringify(body));

/**
 * Cuts what shall travel together into messages that a server takes, in order.
 * @param countMax how many one message may hold
 */
export function* batches<T extends Load>(loads: Iterable<T>, countMax: number): Generator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  let measuredTo = 0;
  for (const load of loads) {
    // Only where there is not room for all that they may be at most, it counts what they are.
    if (batch.length > 0 && bytes + load.bytes > BATCH_BYTES_MAX) {
      for (const one of batch.slice(measuredTo)) bytes -= excessOf(one);
      measuredTo = batch.length;
      excessOf(load);
    }
    if (batch.length > 0 && (batch.length >= countMax || bytes + load.bytes > BATCH_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
      measuredTo = 0;
    }
    batch.push(load);
    bytes += load.bytes;
  }
  if (batch.length > 0) yield batch;
}

/** Measures a load. @returns by how many bytes it is smaller than was thought */
function excessOf(load: Load): number {
  if (load.measured) return 0;
  const most = load.bytes;
  load.bytes = bytesOf(load.body);
  load.measured = true;
  return most - load.bytes;
}
