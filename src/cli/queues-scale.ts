import { defineCommand, type Flags } from './command.ts';
import { LIFTED, wholeNumber } from './flag-values.ts';
import { QUEUE_WORD, runQueueVerb } from './queue-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

const FLAGS = {
  node: { type: 'string', value: 'NODE', what: 'only on this node' },
} as const satisfies Flags;

const LIMIT_MAX = 1_000_000;

/** `rota queues scale`. */
export const queuesScale = defineCommand({
  name: 'queues scale',
  summary: 'say how many jobs of a queue a node runs at once',
  positionals: [QUEUE_WORD, { name: 'LIMIT', required: true, what: `so many; "${LIFTED}": what flags and config say` }],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota queues scale mail 5', 'rota queues scale mail 20 --node big', `rota queues scale mail ${LIFTED}`],
  notes: ['It holds over restarts and beats flags and config, until it is lifted.'],
  run: (call) => {
    const [queue = '', text = ''] = call.positionals;
    const { node } = call.flags;
    const limit = text === LIFTED ? null : wholeNumber('LIMIT', text, { min: 0, max: LIMIT_MAX });
    return runQueueVerb(call, (client) => client.queues.scale(queue, limit, node === undefined ? {} : { node }));
  },
});
