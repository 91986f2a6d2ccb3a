import { join } from 'node:path';
import { defineJob } from 'rota';
import { HOT_PACKAGES_KEY, type HotPackage, hotPackages, readManifest } from '../installed-packages.ts';
import type { PackageCache } from '../package-cache.ts';

/** Twice the six hours between two runs. A package that is uninstalled expires, and cache-cleanup removes it. */
const TTL_MS = 12 * 3_600_000;
const PROGRESS_EVERY = 10;

/** Loads the metadata of the most used packages into the cache, under `package:<name>@<version>`. */
export const cachePrewarm = defineJob({
  type: 'cache.prewarm',
  maxAttempts: 3,
  timeout: '2m',
  async run({ signal, log, progress, services }) {
    const cache: PackageCache = services.cache;
    const projectFolder: string = services.projectFolder;
    // At the very first start cache-refresh has not run yet: then the view is computed here.
    const hot = cache.get<HotPackage[]>(HOT_PACKAGES_KEY) ?? (await hotPackages(projectFolder, signal));

    let loaded = 0;
    let missing = 0;
    for (const { location } of hot) {
      signal.throwIfAborted();
      const manifest = await readManifest(join(projectFolder, location));
      if (manifest) {
        const { name, version, description, license, homepage, dependencies } = manifest;
        const metadata = { name, version, description, license, homepage, dependencies };
        cache.put(`package:${name}@${version}`, metadata, { ttlMs: TTL_MS });
        loaded += 1;
      } else {
        missing += 1; // uninstalled since the view was computed
      }
      if ((loaded + missing) % PROGRESS_EVERY === 0) progress({ done: loaded + missing, of: hot.length });
    }
    log.info({ loaded, missing }, 'package cache warmed');
    return { loaded, missing };
  },
});
