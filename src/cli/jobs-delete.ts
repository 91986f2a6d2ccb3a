import { defineCommand } from './command.ts';
import { FILTER_FLAGS } from './job-filter.ts';
import { runJobVerb, TARGET_WORDS } from './job-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

/** `rota jobs delete`. */
export const jobsDelete = defineCommand({
  name: 'jobs delete',
  summary: 'delete a job that does not run, or all of a filter',
  positionals: TARGET_WORDS,
  flags: FILTER_FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota jobs delete ID', 'rota jobs delete --state completed --queue mail'],

  run: (call) =>
    runJobVerb(call, 'deleted', (client, target) =>
      typeof target === 'string' ? client.delete(target) : client.delete(target),
    ),
});
