import { cron, defineJob, defineScheduler } from '../../src/index.ts';

const fine = defineJob({ type: 'fine', run: () => {} });

/** A config with a mistake at every place. */
export default defineScheduler({
  timezone: 'Mars/Olympus',
  queues: { 'bad name': 1, negative: -1 },
  jobs: [{ type: 'no job' } as unknown as typeof fine],
  schedules: { never: cron('61 * * * *', fine) },
  ...{ whatever: 1 },
});
