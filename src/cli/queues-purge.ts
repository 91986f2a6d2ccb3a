import type { CliClient } from './cli-world.ts';
import { defineCommand, EXIT, type Flags } from './command.ts';
import { QUEUE_WORD } from './queue-verb.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';

const FLAGS = {
  state: { type: 'string', value: 'STATE[,…]', what: 'those of these states instead, like completed,discarded' },
} as const satisfies Flags;

type Purge = NonNullable<Parameters<CliClient['queues']['purge']>[1]>;

/** `rota queues purge`. */
export const queuesPurge = defineCommand({
  name: 'queues purge',
  summary: 'delete the waiting jobs of a queue',
  positionals: [QUEUE_WORD],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota queues purge mail', 'rota queues purge mail --state completed,discarded'],
  notes: ['Jobs that run are never deleted.'],
  run: (call) =>
    withSession(call, async ({ client }) => {
      const { state } = call.flags;
      // The states are checked where they are known, at the other end.
      const states = state?.split(',').map((word) => word.trim()) as NonNullable<Purge['states']>;
      const count = await client.queues.purge(call.positionals[0] ?? '', state === undefined ? {} : { states });
      if (call.json) call.out.json({ count });
      else call.out.line(`${count} ${count === 1 ? 'job' : 'jobs'} deleted`);
      return EXIT.ok;
    }),
});
