import type { CliClient } from './cli-world.ts';
import { defineCommand, EXIT, type Flags, type FlagValues } from './command.ts';
import { cell } from './display.ts';
import { metaFlag, priorityFlag, timeFlag, wholeNumber } from './flag-values.ts';
import { jobId } from './job-filter.ts';
import { readJson } from './json-input.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

const FLAGS = {
  args: { type: 'string', value: 'JSON', what: 'its args from now on' },
  priority: { type: 'string', value: '0-9', what: '0 is first; or critical, high, normal, low' },
  queue: { type: 'string', value: 'QUEUE', what: 'the queue that it moves to' },
  'scheduled-at': { type: 'string', value: 'TIME', what: 'when it shall run, like 2026-01-31T10:00:00Z' },
  'max-attempts': { type: 'string', value: 'N', what: '1 to 1000' },
  tag: { type: 'string', multiple: true, value: 'TAG', what: 'its tags, instead of those that it has' },
  meta: { type: 'string', value: 'JSON', what: 'an object, instead of the one that it has' },
} as const satisfies Flags;

type Changes = Parameters<CliClient['update']>[1];

/** `rota jobs update`. */
export const jobsUpdate = defineCommand({
  name: 'jobs update',
  summary: 'change a job that does not run',
  positionals: [{ name: 'ID', required: true, what: 'the job' }],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota jobs update ID --priority high', 'rota jobs update ID --scheduled-at 2026-01-31T10:00:00Z'],
  run: (call) => {
    const id = jobId(call.positionals[0] ?? '');
    const changes = jobChanges(call.flags);
    return withSession(call, async ({ client }) => {
      const job = await client.update(id, changes);
      if (call.json) call.out.json(job);
      else call.out.line(`${id} ${cell(job.state)}`);
      return EXIT.ok;
    });
  },
});

/** What flags change. @throws UsageError where they say nothing, or what cannot be meant */
function jobChanges(flags: FlagValues<typeof FLAGS>): Changes {
  const { args, priority, queue, tag, meta } = flags;
  const time = flags['scheduled-at'];
  const attempts = flags['max-attempts'];
  const changes: Changes = {
    ...(args === undefined ? {} : { args: readJson(args, 'the text of --args') }),
    ...(priority === undefined ? {} : { priority: priorityFlag(priority) }),
    ...(queue === undefined ? {} : { queue }),
    ...(time === undefined ? {} : { scheduledAt: timeFlag('--scheduled-at', time) }),
    ...(attempts === undefined ? {} : { maxAttempts: wholeNumber('--max-attempts', attempts, 1_000) }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(meta === undefined ? {} : { meta: metaFlag(meta) }),
  };
  if (Object.keys(changes).length > 0) return changes;
  throw new UsageError('nothing is to be changed', '"rota jobs update --help" shows what may be');
}
