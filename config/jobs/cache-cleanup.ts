import { setImmediate } from 'node:timers/promises';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { defineJob } from 'rota';
import type { PackageCache } from '../package-cache.ts';

/** Few enough that one step does not hold up whatever else runs in this thread. */
const STEP = 500;
const LIMIT_DEFAULT = 100_000;

/** `{ limit?: number }`. zod, valibot or arktype would do; for one field a Standard Schema by hand is as short. */
const args: StandardSchemaV1<unknown, { limit: number }> = {
  '~standard': {
    version: 1,
    vendor: 'config',
    validate(value) {
      const { limit = LIMIT_DEFAULT, ...others } = Object(value) as { limit?: unknown };
      const issues = Object.keys(others).map((key) => ({ message: 'is not a known field', path: [key] }));
      if (typeof limit !== 'number' || !Number.isSafeInteger(limit) || limit < 1) {
        return { issues: [...issues, { message: 'must be a whole number from 1', path: ['limit'] }] };
      }
      return issues.length > 0 ? { issues } : { value: { limit } };
    },
  },
};

/** Removes what has expired from the package cache, at most `limit` entries in one run. */
export const cacheCleanup = defineJob({
  type: 'cache.cleanup',
  queue: 'maintenance',
  args,
  maxAttempts: 3,
  async run({ args: { limit }, signal, log, services }) {
    const cache: PackageCache = services.cache;
    // One `now` for all steps: what expires meanwhile is for the next run, so this one ends.
    const now = Date.now();
    let removed = 0;
    while (removed < limit) {
      // Stopping between two steps is safe: what is removed stays so, and the next attempt takes the rest.
      signal.throwIfAborted();
      const step = Math.min(STEP, limit - removed);
      const gone = cache.removeExpired(step, now);
      removed += gone;
      if (gone < step) break;
      await setImmediate();
    }
    const result = { removed, kept: cache.count() };
    log.info(result, 'package cache cleaned');
    return result;
  },
});
