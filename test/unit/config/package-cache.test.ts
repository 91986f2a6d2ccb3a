import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openPackageCache } from '../../../config/package-cache.ts';
import { temporaryFolder } from './run-handler.ts';

test('a value is found until it expires, to the millisecond', async () => {
  await using folder = await temporaryFolder();
  const cache = openPackageCache(folder.path);
  cache.put('a', { name: 'a', tags: [1, null] }, { ttlMs: 100, now: 1_000 });
  expect(cache.get('a', 1_099)).toEqual({ name: 'a', tags: [1, null] });
  expect(cache.get('a', 1_100)).toBeUndefined();
  expect(cache.get('never put', 1_000)).toBeUndefined();
  cache.close();
});

test('without a time given it is now', async () => {
  await using folder = await temporaryFolder();
  const cache = openPackageCache(folder.path);
  cache.put('living', 1, { ttlMs: 60_000 });
  cache.put('dead', 1, { ttlMs: -1 });
  expect([cache.get('living'), cache.get('dead')]).toEqual([1, undefined]);
  expect(cache.removeExpired(10)).toBe(1);
  cache.close();
});

test('a put replaces value and lifetime', async () => {
  await using folder = await temporaryFolder();
  const cache = openPackageCache(folder.path);
  cache.put('a', 1, { ttlMs: 1, now: 0 });
  cache.put('a', 2, { ttlMs: 100, now: 0 });
  expect(cache.get('a', 50)).toBe(2);
  expect(cache.count()).toBe(1);
  cache.close();
});

test('removeExpired takes at most its limit, the longest expired first, and never a living entry', async () => {
  await using folder = await temporaryFolder();
  const cache = openPackageCache(folder.path);
  for (const ttlMs of [30, 10, 20, 500]) cache.put(`ttl-${ttlMs}`, ttlMs, { ttlMs, now: 0 });
  expect(cache.removeExpired(2, 100)).toBe(2);
  expect(cache.get('ttl-30', 0)).toBe(30);
  expect(cache.get('ttl-10', 0)).toBeUndefined();
  expect(cache.removeExpired(2, 100)).toBe(1);
  expect(cache.removeExpired(2, 100)).toBe(0);
  expect(cache.count()).toBe(1);
  cache.close();
});

test('it makes its folder, survives a reopening and may be open twice', async () => {
  await using folder = await temporaryFolder();
  const dataFolder = join(folder.path, 'not', 'there');
  const first = openPackageCache(dataFolder);
  first.put('a', 'kept', { ttlMs: 100, now: 0 });
  const second = openPackageCache(dataFolder);
  second.put('b', 'other', { ttlMs: 100, now: 0 });
  expect(first.get('b', 0)).toBe('other');
  first.close();
  second.close();
  const third = openPackageCache(dataFolder);
  expect(third.get('a', 0)).toBe('kept');
  third.close();
});
