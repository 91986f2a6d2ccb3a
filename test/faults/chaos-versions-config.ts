import { appendFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { defineJob, defineScheduler, every, type HandlerContext } from '../../src/index.ts';

const notesFile = process.env.ROTA_TEST_NOTES ?? '/dev/null';
const version = process.env.ROTA_TEST_VERSION ?? 'former';

const typed = (type: string) =>
  defineJob({
    type,
    run: async ({ job }: HandlerContext) => {
      appendFileSync(notesFile, `start ${job.id} ${job.run}\n`);
      await wait(20);
      appendFileSync(notesFile, `end ${job.id} ${job.run}\n`);
      return version;
    },
  });

const both = typed('both');

/** A program in two versions: the former has a type that the later has not, and the other way round. */
export default defineScheduler({
  queues: { default: 10 },
  jobs: [both, typed(version)],
  schedules: { tick: every('1s', both) },
});
