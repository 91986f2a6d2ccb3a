import { appendFileSync } from 'node:fs';
import { defineJob, defineScheduler } from '../../src/index.ts';

/** What a message may do to the node that checks it. */
interface Args {
  how?: 'crash';
}

const notesFile = process.env.ROTA_TEST_NOTES ?? '/dev/null';

/** Does to whoever checks it what its args say, every time. */
const poison = defineJob<Args>({
  type: 'poison',
  args: {
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => {
        if ((value as Args).how === 'crash') process.kill(process.pid, 'SIGKILL');
        return { value: value as Args };
      },
    },
  },
  async run() {},
});

const work = defineJob<{ n?: number }>({
  type: 'work',
  async run({ job }) {
    appendFileSync(notesFile, `run ${job.id} ${job.run}\n`);
  },
});

export default defineScheduler({ queues: { default: 20 }, jobs: [work, poison] });
