import { appendFileSync } from 'node:fs';
import { defineJob, defineScheduler } from '../../src/index.ts';

const notesFile = process.env.ROTA_TEST_NOTES ?? '/dev/null';

/** Takes its node with it, every time. */
const poison = defineJob({
  type: 'poison',
  queue: 'bad',
  run: async ({ job }) => {
    appendFileSync(notesFile, `start ${job.id} ${job.run}\n`);
    process.kill(process.pid, 'SIGKILL');
    // Nothing is settled in the moment that the signal takes.
    await new Promise(() => {});
  },
});
const good = defineJob({ type: 'good', run: async () => 'done' });

export default defineScheduler({ queues: { default: 5, bad: 2 }, jobs: [poison, good] });
