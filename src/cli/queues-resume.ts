import { defineCommand } from './command.ts';
import { QUEUE_WORD, runQueueVerb } from './queue-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

/** `rota queues resume`. */
export const queuesResume = defineCommand({
  name: 'queues resume',
  summary: 'let jobs of a queue start again',
  positionals: [QUEUE_WORD],
  flags: {},
  settings: CONNECTION_SETTINGS,
  examples: ['rota queues resume mail'],
  run: (call) => runQueueVerb(call, (client) => client.queues.resume(call.positionals[0] ?? '')),
});
