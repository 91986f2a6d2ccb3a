import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HOT_PACKAGES_KEY, type HotPackage } from '../../../config/installed-packages.ts';
import { cacheCleanup } from '../../../config/jobs/cache-cleanup.ts';
import { cachePrewarm } from '../../../config/jobs/cache-prewarm.ts';
import { cacheRefresh } from '../../../config/jobs/cache-refresh.ts';
import { openPackageCache, type PackageCache } from '../../../config/package-cache.ts';
import type { Json } from '../../../src/kernel/json.ts';
import { runHandler, temporaryFolder } from './run-handler.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let cache: PackageCache;
let services: { cache: PackageCache; projectFolder: string };

beforeEach(async () => {
  folder = await temporaryFolder();
  cache = openPackageCache(join(folder.path, 'data'));
  services = { cache, projectFolder: join(folder.path, 'project') };
});
afterEach(async () => {
  cache.close();
  await folder[Symbol.asyncDispose]();
});

type FakeManifest = { name: string; version?: string } & Record<string, unknown>;

async function writeJson(file: string, content: unknown): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify(content));
}

/** A project on disk: its lockfile lists all folders, `absent` ones are not installed. */
async function writeProject(packages: Record<string, FakeManifest>, absent: string[] = []): Promise<void> {
  await writeJson(join(services.projectFolder, 'package-lock.json'), {
    lockfileVersion: 3,
    packages: Object.fromEntries([...Object.keys(packages), ...absent].map((location) => [location, {}])),
  });
  for (const [location, manifest] of Object.entries(packages)) {
    await writeJson(join(services.projectFolder, location, 'package.json'), { version: '1.0.0', ...manifest });
  }
}

const PROJECT: Record<string, FakeManifest> = {
  '': { name: 'app', dependencies: { web: '1', log: '1' } },
  'node_modules/web': { name: 'web', license: 'MIT', dependencies: { bytes: '2', log: '1', '@scope/one': '1' } },
  'node_modules/log': { name: 'log', optionalDependencies: { native: '1', '@scope/one': '1' } },
  'node_modules/bytes': { name: 'bytes', version: '1.0.0', peerDependencies: { log: '1' } },
  'node_modules/web/node_modules/bytes': { name: 'bytes', version: '2.0.0', description: 'counts bytes' },
  'node_modules/@scope/one': { name: '@scope/one', dependencies: { bytes: '1' } },
};

describe('cache-cleanup', () => {
  test('removes the expired entries, in several steps, and keeps the living', async () => {
    for (let n = 0; n < 1_200; n += 1) cache.put(`old-${n}`, n, { ttlMs: 1, now: 0 });
    cache.put('living', 1, { ttlMs: 60_000 });
    const result = await runHandler(cacheCleanup, { services, args: { limit: 5_000 } });
    expect(result).toEqual({ removed: 1_200, kept: 1 });
    expect(cache.get('living')).toBe(1);
    expect(await runHandler(cacheCleanup, { services, args: { limit: 5_000 } })).toEqual({ removed: 0, kept: 1 });
  });

  test('stops at its limit', async () => {
    for (let n = 0; n < 700; n += 1) cache.put(`old-${n}`, n, { ttlMs: 1, now: 0 });
    expect(await runHandler(cacheCleanup, { services, args: { limit: 600 } })).toEqual({ removed: 600, kept: 100 });
  });

  test('an abort between two steps ends it; the next run takes the rest', async () => {
    for (let n = 0; n < 1_200; n += 1) cache.put(`old-${n}`, n, { ttlMs: 1, now: 0 });
    const abort = new AbortController();
    const first = runHandler(cacheCleanup, { services, args: { limit: 5_000 }, signal: abort.signal });
    abort.abort();
    await expect(first).rejects.toThrow('aborted');
    expect(cache.count()).toBe(700);
    expect(await runHandler(cacheCleanup, { services, args: { limit: 5_000 } })).toEqual({ removed: 700, kept: 0 });
  });

  test('its args are checked: every fault is told with its field', async () => {
    const check = (args: unknown) => cacheCleanup.schema?.['~standard'].validate(args);
    expect(check({})).toEqual({ value: { limit: 100_000 } });
    expect(check({ limit: 7 })).toEqual({ value: { limit: 7 } });
    for (const limit of [0, -1, 1.5, '7', null]) {
      expect(check({ limit })).toEqual({ issues: [expect.objectContaining({ path: ['limit'] })] });
    }
    expect(check({ limit: 0, limits: 7 })).toEqual({
      issues: [expect.objectContaining({ path: ['limits'] }), expect.objectContaining({ path: ['limit'] })],
    });
    expect(check([1])).toHaveProperty('issues');
  });
});

describe('cache-refresh', () => {
  test('ranks by dependents, finding each dependency where Node would', async () => {
    await writeProject(PROJECT, ['node_modules/native']);
    const result = await runHandler(cacheRefresh, { services });
    expect(cache.get(HOT_PACKAGES_KEY)).toEqual([
      { name: 'log', version: '1.0.0', location: 'node_modules/log', dependents: 3 },
      { name: '@scope/one', version: '1.0.0', location: 'node_modules/@scope/one', dependents: 2 },
      { name: 'bytes', version: '1.0.0', location: 'node_modules/bytes', dependents: 1 },
      { name: 'web', version: '1.0.0', location: 'node_modules/web', dependents: 1 },
      { name: 'bytes', version: '2.0.0', location: 'node_modules/web/node_modules/bytes', dependents: 1 },
    ]);
    expect(result).toMatchObject({ packages: 5, top: [{ name: 'log', dependents: 3 }, {}, {}, {}, {}] });
  });

  test('works on the project this config stands in', async () => {
    const projectFolder = fileURLToPath(new URL('../../..', import.meta.url));
    await runHandler(cacheRefresh, { services: { ...services, projectFolder } });
    const hot = cache.get<HotPackage[]>(HOT_PACKAGES_KEY) ?? [];
    expect(hot.length).toBeGreaterThan(5);
    expect(hot.length).toBeLessThanOrEqual(50);
    expect(hot[0]?.dependents).toBeGreaterThan(1);
    expect(hot.map(({ name }) => name)).toContain('@nats-io/nats-core');
  });

  test('says what is wrong without a lockfile, and which file is broken', async () => {
    await expect(runHandler(cacheRefresh, { services })).rejects.toThrow('package-lock.json is missing');
    await writeProject(PROJECT);
    await writeFile(join(services.projectFolder, 'node_modules/web/package.json'), '{ half');
    await expect(runHandler(cacheRefresh, { services })).rejects.toThrow(/web.package\.json cannot be read/);
    expect(cache.get(HOT_PACKAGES_KEY)).toBeUndefined();
  });

  test('an aborted run stores nothing', async () => {
    await writeProject(PROJECT);
    await expect(runHandler(cacheRefresh, { services, signal: AbortSignal.abort() })).rejects.toThrow('aborted');
    expect(cache.get(HOT_PACKAGES_KEY)).toBeUndefined();
  });
});

describe('cache-prewarm', () => {
  test('loads the metadata of the hot packages, also before the first refresh', async () => {
    await writeProject(PROJECT);
    expect(await runHandler(cachePrewarm, { services })).toEqual({ loaded: 5, missing: 0 });
    expect(cache.get('package:bytes@2.0.0')).toEqual({ name: 'bytes', version: '2.0.0', description: 'counts bytes' });
    expect(cache.get('package:web@1.0.0')).toMatchObject({ license: 'MIT', dependencies: { bytes: '2' } });
  });

  test('follows the view that refresh left, and counts what was uninstalled since', async () => {
    await writeProject(PROJECT);
    await runHandler(cacheRefresh, { services });
    await rm(join(services.projectFolder, 'node_modules/web'), { recursive: true });
    expect(await runHandler(cachePrewarm, { services })).toEqual({ loaded: 3, missing: 2 });
  });

  test('tells its progress, and an abort ends it', async () => {
    const dependencies = Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`p${n}`, '1']));
    const packages: Record<string, FakeManifest> = { '': { name: 'app', dependencies } };
    for (const name of Object.keys(dependencies)) packages[`node_modules/${name}`] = { name };
    await writeProject(packages);
    const seen: Json[] = [];
    const abort = new AbortController();
    await runHandler(cachePrewarm, { services, onProgress: (value) => seen.push(value) });
    expect(seen).toEqual([
      { done: 10, of: 25 },
      { done: 20, of: 25 },
    ]);
    const aborted = runHandler(cachePrewarm, { services, signal: abort.signal, onProgress: () => abort.abort() });
    await expect(aborted).rejects.toThrow('aborted');
  });
});
