import { fileURLToPath } from 'node:url';
import { cron, defineScheduler, every } from 'rota';
import { cacheCleanup } from './jobs/cache-cleanup.ts';
import { cachePrewarm } from './jobs/cache-prewarm.ts';
import { cacheRefresh } from './jobs/cache-refresh.ts';
import { patternSync } from './jobs/pattern-sync.ts';
import { openPackageCache } from './package-cache.ts';
import { openPatternStore } from './pattern-store.ts';

/** What this installation runs. Start it with `npm start`; what is changed here holds from the next start. */
export default defineScheduler({
  timezone: 'UTC',

  // How many jobs of a queue run at the same time. Maintenance is kept small so that it never crowds out other work.
  queues: { default: 10, maintenance: { limit: 2 } },

  // Made once at the start, handed to each handler, closed at the stop. Jobs carry names and ids, services the handles.
  services: async ({ dataFolder, nats }) => {
    const cache = openPackageCache(dataFolder);
    return {
      cache,
      patterns: openPatternStore(dataFolder, nats),
      projectFolder: fileURLToPath(new URL('..', import.meta.url)),
      close: async () => cache.close(),
    };
  },

  // Every type that may be enqueued, with a schedule or without.
  jobs: [cacheCleanup, cacheRefresh, cachePrewarm, patternSync],

  schedules: {
    'cache-cleanup': cron('*/15 * * * *', cacheCleanup),
    'cache-refresh': cron('@hourly', cacheRefresh),
    'cache-prewarm': cron('0 */6 * * *', cachePrewarm),
    // A second schedule for the same job: once at each start, so that nobody waits six hours for a warm cache.
    'cache-prewarm-at-start': cron('@reboot', cachePrewarm),
    // A sync that hangs on a slow network is not joined by the next one.
    'pattern-sync': every('5m', patternSync, { overlap: 'skip' }),
    'pattern-sync-at-start': cron('@reboot', patternSync),
  },
});
