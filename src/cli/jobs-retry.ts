import { defineCommand } from './command.ts';
import { FILTER_FLAGS } from './job-filter.ts';
import { runJobVerb, TARGET_WORDS } from './job-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

/** `rota jobs retry`. */
export const jobsRetry = defineCommand({
  name: 'jobs retry',
  summary: 'run a job again, or all of a filter',
  positionals: TARGET_WORDS,
  flags: FILTER_FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota jobs retry ID', 'rota jobs retry --state discarded --type email.send'],
  notes: ['One that has no attempt left gets one more. Of a filter those that wait or run already are passed over.'],
  run: (call) =>
    runJobVerb(call, 'made available', (client, target) =>
      typeof target === 'string' ? client.retry(target) : client.retry(target),
    ),
});
