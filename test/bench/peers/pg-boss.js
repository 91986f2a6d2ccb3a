import { readFileSync } from 'node:fs';
import { PgBoss } from 'pg-boss';
import { serve } from '../peers-serve.ts';

/**
 * pg-boss as a user runs it; completed jobs are kept. Settings: `url`, `batch` (jobs of one fetch), `workers`, `chunk`
 * (jobs of one `insert`), `streams` of them at a time, `pool` (connections), `partition` (a table for the queue).
 */
const { version } = JSON.parse(readFileSync(new URL('node_modules/pg-boss/package.json', import.meta.url), 'utf8'));
const QUEUE = 'bench';

serve(async ({ url, batch, workers, chunk, streams, pool, partition }) => {
  const boss = new PgBoss({ connectionString: url, max: pool, useListenNotify: true });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  await boss.deleteQueue(QUEUE);
  await boss.createQueue(QUEUE, { notify: true, partition });
  const { table } = await boss.getQueue(QUEUE);
  const db = boss.getDb();
  let working = false;
  return {
    name: `pg-boss ${version}`,
    async work(handled) {
      if (working) return;
      working = true;
      const options = {
        ...{ batchSize: batch, localConcurrency: workers, burstWhenBatchFull: true },
        ...{ pollingIntervalSeconds: 0.5, notifyPollingIntervalSeconds: 0.5 },
      };
      await boss.work(QUEUE, options, async (jobs) => {
        for (const { data } of jobs) handled(data);
      });
    },
    async rest() {
      if (working) await boss.offWork(QUEUE);
      working = false;
    },
    async enqueueAll(all) {
      const chunks = [];
      for (let from = 0; from < all.length; from += chunk) chunks.push(all.slice(from, from + chunk));
      const stream = async () => {
        for (let next = chunks.shift(); next !== undefined; next = chunks.shift()) {
          await boss.insert(
            QUEUE,
            next.map((data) => ({ data })),
          );
        }
      };
      await Promise.all(Array.from({ length: streams }, stream));
    },
    async enqueueOne(args) {
      await boss.send(QUEUE, args);
    },
    async settled(jobs) {
      const { rows } = await db.executeSql(
        `select count(*)::int as all, (count(*) filter (where state = 'completed'))::int as completed
         from pgboss.${table} where name = $1`,
        [QUEUE],
      );
      return rows[0].all === jobs && rows[0].completed === jobs;
    },
    async clear() {
      await db.executeSql(`truncate pgboss.${table}`);
    },
    async close() {
      await boss.stop({ graceful: false });
    },
  };
});
