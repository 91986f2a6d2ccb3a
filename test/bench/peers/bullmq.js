import { readFileSync } from 'node:fs';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { serve } from '../peers-serve.ts';

/**
 * BullMQ on Redis as a user runs it; completed jobs are kept. Settings: `port` of Redis, `concurrency` of a worker,
 * `workers` in this process, `chunk` (jobs of one `addBulk`), `streams` of them at a time.
 */
const { version } = JSON.parse(readFileSync(new URL('node_modules/bullmq/package.json', import.meta.url), 'utf8'));
const QUEUE = 'bench';

serve(async ({ port, concurrency, workers: count, chunk, streams, pipelined }) => {
  const address = { host: '127.0.0.1', port };
  const connection = new Redis({ ...address, maxRetriesPerRequest: null, enableAutoPipelining: pipelined });
  const queue = new Queue(QUEUE, { connection });
  await queue.waitUntilReady();
  let workers = [];
  return {
    name: `BullMQ ${version}`,
    async work(handled) {
      if (workers.length > 0) return;
      const handler = async ({ data }) => handled(data);
      workers = Array.from({ length: count }, () => new Worker(QUEUE, handler, { connection: address, concurrency }));
      await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    },
    async rest() {
      await Promise.all(workers.map((worker) => worker.close()));
      workers = [];
    },
    async enqueueAll(all) {
      const chunks = [];
      for (let from = 0; from < all.length; from += chunk) chunks.push(all.slice(from, from + chunk));
      const stream = async () => {
        for (let next = chunks.shift(); next !== undefined; next = chunks.shift()) {
          await queue.addBulk(next.map((data) => ({ name: 'noop', data })));
        }
      };
      await Promise.all(Array.from({ length: streams }, stream));
    },
    async enqueueOne(args) {
      await queue.add('noop', args);
    },
    async settled(jobs) {
      const { completed, wait, active } = await queue.getJobCounts('completed', 'wait', 'active');
      return completed === jobs && wait + active === 0;
    },
    // The server is the bench's own and holds nothing else.
    async clear() {
      await connection.flushall();
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.close()));
      await queue.close();
      connection.disconnect();
    },
  };
});
