import { defineCommand, type Flags } from './command.ts';
import { FILTER_FLAGS } from './job-filter.ts';
import { runJobVerb, TARGET_WORDS } from './job-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

const FLAGS = {
  ...FILTER_FLAGS,
  terminate: { type: 'boolean', what: 'kill the thread or process of one that runs' },
} as const satisfies Flags;

/** `rota jobs cancel`. */
export const jobsCancel = defineCommand({
  name: 'jobs cancel',
  summary: 'cancel a job, or all of a filter',
  positionals: TARGET_WORDS,
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota jobs cancel ID', 'rota jobs cancel --queue mail --state available,scheduled'],
  notes: ['A job that runs is cancelled at once; then its handler hears of it by its signal.'],
  run: (call) => {
    const options = call.flags.terminate ? { terminate: true } : {};
    return runJobVerb(call, 'cancelled', (client, target) =>
      typeof target === 'string' ? client.cancel(target, options) : client.cancel(target, options),
    );
  },
});
