import { utf8Bytes } from '../kernel/json.ts';
import type { RejectedMessage, RejectedPage } from './rejected-message.ts';

/** A rejected message and its place. */
export interface PlacedRejection {
  place: number;
  it: RejectedMessage;
}

/** The place before which a page of rejected messages begins; undefined: the cursor is of no page before. */
export function rejectedStart(cursor: string | undefined): number | undefined {
  const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor);
  return Number.isSafeInteger(before) ? before : undefined;
}

/**
 * A page of rejected messages.
 * @param found up to one more than the page may have, newest first
 */
export function rejectedPage(
  found: readonly PlacedRejection[],
  { limit, bytesMax = Number.POSITIVE_INFINITY }: { limit: number; bytesMax?: number | undefined },
): RejectedPage {
  const page: PlacedRejection[] = [];
  let bytes = 0;
  for (const one of found.slice(0, limit)) {
    bytes += utf8Bytes(JSON.stringify(one.it));
    if (bytes > bytesMax && page.length > 0) break;
    page.push(one);
  }
  const last = page.at(-1);
  return {
    rejected: page.map(({ it }) => it),
    cursor: last !== undefined && page.length < found.length ? String(last.place) : null,
  };
}
