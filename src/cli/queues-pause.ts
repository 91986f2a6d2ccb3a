import { defineCommand, type Flags } from './command.ts';
import { durationFlag } from './flag-values.ts';
import { QUEUE_WORD, runQueueVerb } from './queue-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

const FLAGS = {
  wait: { type: 'string', value: '30s', what: 'wait until nothing of it runs any more, at most so long (60s)' },
} as const satisfies Flags;

const WAIT_MS_MAX = 60_000;

/** `rota queues pause`. */
export const queuesPause = defineCommand({
  name: 'queues pause',
  summary: 'let no more jobs of a queue start',
  positionals: [QUEUE_WORD],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota queues pause mail', 'rota queues pause mail --wait 30s'],
  notes: ['It stays paused over restarts. With --wait a queue that still runs something then is exit code 1.'],
  run: (call) => {
    const [queue = ''] = call.positionals;
    const waitMs = call.flags.wait === undefined ? 0 : durationFlag('--wait', call.flags.wait);
    if (waitMs > WAIT_MS_MAX) throw new UsageError(`--wait ${call.flags.wait} is too long`, 'wait for 60s at most');
    return runQueueVerb(call, (client) => client.queues.pause(queue, waitMs > 0 ? { waitMs } : {}));
  },
});
