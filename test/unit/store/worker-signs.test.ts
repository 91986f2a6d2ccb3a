import type { StatementSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { WorkerSigns } from '../../../src/store/sqlite/worker-signs.ts';

/** A table of workers that counts its writes. */
function table() {
  const rows = new Map<string, { key: number; seenAt: number }>();
  const written: string[] = [];
  const get = (worker: string, _node: string | null, seenAt: number): { key: number } => {
    const key = rows.get(worker)?.key ?? 1_000 + rows.size;
    rows.set(worker, { key, seenAt });
    written.push(worker);
    return { key };
  };
  // Of a statement it needs no more than this.
  const signs = new WorkerSigns(() => ({ get }) as unknown as StatementSync);
  return { signs, rows, written };
}

test('signs that are due are written together, those that soon would be with them', () => {
  const { signs, written } = table();
  const workers = Array.from({ length: 100 }, (_, index) => `worker-${index}`);
  for (const [index, worker] of workers.entries()) signs.seen(worker, 'n', index);
  expect(written.splice(0)).toEqual(workers);
  for (const [index, worker] of workers.entries()) signs.seen(worker, 'n', 9_000 + index);
  expect(written).toEqual([]);
  // The first that is due takes all along, so the others are not due one by one.
  for (const [index, worker] of workers.entries()) signs.seen(worker, 'n', 10_000 + index);
  expect(new Set(written)).toEqual(new Set(workers));
  expect(written).toHaveLength(100);
});

test('a new worker and one that moved to another node are written at once', () => {
  const { signs, written } = table();
  const key = signs.seen('a', 'n', 0);
  expect(signs.seen('a', 'm', 1)).toBe(key);
  expect(signs.seen('a', 'm', 2)).toBe(key);
  expect(signs.seen('a', null, 3)).toBe(key);
  expect(written).toEqual(['a', 'a']);
});
