import { defineJob, defineScheduler } from 'rota';

/** What memory is measured with: a handler that does nothing, 1,000 of them at once. */
export default defineScheduler({
  jobs: [defineJob({ type: 'bench.noop', queue: 'bench', run: () => null })],
  queues: { bench: 1_000 },
});
