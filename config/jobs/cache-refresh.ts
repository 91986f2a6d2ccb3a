import { defineJob } from 'rota';
import { HOT_PACKAGES_KEY, hotPackages } from '../installed-packages.ts';
import type { PackageCache } from '../package-cache.ts';

/** Longer than the hour between two runs, so that one failed run does not leave readers without the view. */
const TTL_MS = 3 * 3_600_000;
/** The result is for people who look at the job; the whole view is in the cache. */
const TOP = 5;

/** Recomputes the "hot packages" view: which installed packages most others depend on. */
export const cacheRefresh = defineJob({
  type: 'cache.refresh',
  queue: 'maintenance',
  maxAttempts: 3,
  timeout: '2m',
  async run({ signal, log, services }) {
    const cache: PackageCache = services.cache;
    const projectFolder: string = services.projectFolder;
    const hot = await hotPackages(projectFolder, signal);
    cache.put(HOT_PACKAGES_KEY, hot, { ttlMs: TTL_MS });
    log.info({ packages: hot.length, projectFolder }, 'hot packages recomputed');
    return { packages: hot.length, top: hot.slice(0, TOP).map(({ name, dependents }) => ({ name, dependents })) };
  },
});
