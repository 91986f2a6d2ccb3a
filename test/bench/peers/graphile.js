import { readFileSync } from 'node:fs';
import { Logger, makeWorkerUtils, run } from 'graphile-worker';
import pg from 'pg';
import { serve } from '../peers-serve.ts';

/**
 * graphile-worker as a user runs it. It deletes what is complete: it keeps no history, which the others do.
 * Settings: `url`, `concurrency`, `localQueue` (its size), `pool` (connections), `chunk` (jobs of one
 * `addJobs`), `streams` of them at a time.
 */
const { version } = JSON.parse(
  readFileSync(new URL('node_modules/graphile-worker/package.json', import.meta.url), 'utf8'),
);
const TASK = 'bench';

serve(async ({ url, concurrency, localQueue, pool: max, chunk, streams }) => {
  const pool = new pg.Pool({ connectionString: url, max });
  // It insists on listeners of both; a broken connection is told by the query that needed it.
  pool.on('error', () => {});
  pool.on('connect', (client) => client.on('error', () => {}));
  const logger = new Logger(() => () => {});
  const utils = await makeWorkerUtils({ pgPool: pool, logger });
  await utils.migrate();
  const preset = {
    worker: {
      concurrentJobs: concurrency,
      maxPoolSize: max,
      localQueue: { size: localQueue },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  };
  let runner;
  return {
    name: `graphile-worker ${version}`,
    async work(handled) {
      runner ??= await run({
        ...{ preset, pgPool: pool, logger, noHandleSignals: true },
        taskList: { [TASK]: (args) => handled(args) },
      });
    },
    async rest() {
      await runner?.stop();
      runner = undefined;
    },
    async enqueueAll(all) {
      const chunks = [];
      for (let from = 0; from < all.length; from += chunk) chunks.push(all.slice(from, from + chunk));
      const stream = async () => {
        for (let next = chunks.shift(); next !== undefined; next = chunks.shift()) {
          await utils.addJobs(next.map((payload) => ({ identifier: TASK, payload })));
        }
      };
      await Promise.all(Array.from({ length: streams }, stream));
    },
    async enqueueOne(args) {
      await utils.addJob(TASK, args);
    },
    async settled() {
      const { rows } = await pool.query('select 1 from graphile_worker._private_jobs limit 1');
      return rows.length === 0;
    },
    async clear() {
      await pool.query('truncate graphile_worker._private_jobs');
    },
    async close() {
      await runner?.stop();
      await utils.release();
      await pool.end();
    },
  };
});
