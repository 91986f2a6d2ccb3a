import type { StoreOptions } from './job-store.ts';

/** The cursor of a page that reached a place. It names its order, for going on in the other one would repeat rows. */
export function listCursor(order: 'asc' | 'desc', place: number): string {
  return `${order === 'asc' ? 'a' : 'd'}${place.toString(36)}`;
}

/** The place from which a page goes on, itself excluded; undefined: the cursor is none of a page in this order. */
export function listStart({ order, cursor }: StoreOptions<'list'>): number | undefined {
  if (cursor === undefined) return order === 'desc' ? Number.MAX_SAFE_INTEGER : 0;
  const place = Number.parseInt(cursor.slice(1), 36);
  return Number.isSafeInteger(place) && place > 0 && listCursor(order, place) === cursor ? place : undefined;
}
