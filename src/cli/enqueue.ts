import { isRecord } from '../kernel/check.ts';
import { DURATION_MS_MAX } from '../kernel/duration.ts';
import { RotaError } from '../kernel/error.ts';
import { isUuidV7 } from '../kernel/identity.ts';
import type { Json } from '../kernel/json.ts';
import type { CliClient } from './cli-world.ts';
import { type Call, defineCommand, EXIT, type Flags, type FlagValues } from './command.ts';
import { cell } from './display.ts';
import { durationFlag, metaFlag, priorityFlag, timeFlag, wholeNumber } from './flag-values.ts';
import { readJson } from './json-input.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

const FLAGS = {
  queue: { type: 'string', value: 'QUEUE', what: 'the queue; default: the one that the type is declared with' },
  id: { type: 'string', value: 'UUID', what: 'its id, a UUIDv7; the same id again answers the existing job' },
  priority: { type: 'string', value: '0-9', what: '0 is first; or critical, high, normal, low' },
  'schedule-in': { type: 'string', value: '5m', what: 'when: after a delay' },
  'scheduled-at': { type: 'string', value: 'TIME', what: 'when: at a time, like 2026-01-31T10:00:00Z' },
  'max-attempts': { type: 'string', value: 'N', what: '1 to 1000' },
  tag: { type: 'string', multiple: true, value: 'TAG', what: 'a word to find it by' },
  meta: { type: 'string', value: 'JSON', what: 'an object that is kept with it' },
  reference: { type: 'string', value: 'TYPE:ID', what: 'what it stands for outside, like file_upload:42' },
  wait: { type: 'boolean', what: 'wait until it ends, and write its result' },
  'wait-timeout': { type: 'string', value: '1m', what: 'wait, but no longer than this' },
} as const satisfies Flags;

type EnqueueFlags = FlagValues<typeof FLAGS>;
type Options = NonNullable<Parameters<CliClient['enqueue']>[2]>;

/** `rota enqueue`: one job into its queue. */
export const enqueue = defineCommand({
  name: 'enqueue',
  summary: 'put a job into its queue',
  positionals: [
    { name: 'TYPE', required: true, what: 'the job type, like cache.cleanup' },
    { name: 'JSON', what: 'its args, default {}; "-" reads them from standard input' },
  ],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: [
    'rota enqueue cache.cleanup',
    `rota enqueue email.send '{"to":"a@example.org"}' --schedule-in 5m --tag welcome`,
    'rota enqueue report.build --wait --json',
  ],
  notes: ['With --wait a job that ends without completing is exit code 1.'],
  run: async (call) => {
    const [type = ''] = call.positionals;
    const args = await argsOf(call);
    const options = enqueueOptions(call.flags);
    const waitMs = waitTime(call.flags);
    return withSession(call, async ({ client }) => {
      const queue = call.flags.queue ?? (await queueOf(client, type));
      const { id, job, conflict } = await client.enqueue(type, args, { ...options, queue });
      if (waitMs !== undefined) return waitForEnd({ client, id, waitMs }, call);
      if (call.json) call.out.json({ job, conflict });
      else call.out.line(`${id} ${job.state}`);
      if (conflict && !call.json) call.out.note('a job with this id was there already; nothing was added');
      return EXIT.ok;
    });
  },
});

async function argsOf({ positionals, world }: Call<typeof FLAGS>): Promise<Json | undefined> {
  const [, text] = positionals;
  if (text === undefined) return undefined;
  return readJson(text === '-' ? await world.readStdin() : text, 'the text of the args');
}

/** The type's own queue, where a living node declares one. */
async function queueOf(client: CliClient, type: string): Promise<string> {
  const known = (await client.nodes.types()).filter(isRecord);
  const queue = known.find((entry) => entry.type === type)?.queue;
  return typeof queue === 'string' ? queue : 'default';
}

/**
 * The options of an enqueue as flags give them.
 * @throws UsageError for a value that cannot be meant
 */
export function enqueueOptions(flags: EnqueueFlags): Options {
  const { id, priority, tag, meta, reference } = flags;
  const delay = flags['schedule-in'];
  const time = flags['scheduled-at'];
  const attempts = flags['max-attempts'];
  if (delay !== undefined && time !== undefined) {
    throw new UsageError('--schedule-in and --scheduled-at exclude each other', 'give one of them');
  }
  if (id !== undefined && !isUuidV7(id.toLowerCase())) {
    throw new UsageError(`--id ${id} is no UUIDv7`, 'leave it out to have one made');
  }
  return {
    ...(id === undefined ? {} : { id: id.toLowerCase() }),
    ...(priority === undefined ? {} : { priority: priorityFlag(priority) }),
    ...(delay === undefined ? {} : { scheduleIn: durationFlag('--schedule-in', delay) }),
    ...(time === undefined ? {} : { scheduledAt: timeFlag('--scheduled-at', time) }),
    ...(attempts === undefined ? {} : { maxAttempts: wholeNumber('--max-attempts', attempts, 1_000) }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(meta === undefined ? {} : { meta: metaFlag(meta) }),
    ...(reference === undefined ? {} : { reference: referenceOf(reference) }),
  };
}

function referenceOf(text: string): { type: string; id: string } {
  const [, type, id] = /^([^:]+):(.+)$/s.exec(text) ?? [];
  if (type !== undefined && id !== undefined) return { type, id };
  throw new UsageError(`--reference ${text} is none`, 'write it as TYPE:ID, like file_upload:42');
}

/** How long to wait for the end, in milliseconds; undefined: not at all. */
function waitTime(flags: EnqueueFlags): number | undefined {
  const limit = flags['wait-timeout'];
  if (limit !== undefined) return durationFlag('--wait-timeout', limit);
  return flags.wait ? DURATION_MS_MAX : undefined;
}

interface Waiting {
  client: CliClient;
  id: string;
  waitMs: number;
}

async function waitForEnd({ client, id, waitMs }: Waiting, { out, json }: Call<typeof FLAGS>): Promise<number> {
  try {
    const job = await client.wait(id, { timeoutMs: waitMs });
    if (json) out.json(job);
    else out.line(`${id} ${job.state}`);
    if (!json && job.result !== null) out.line(cell(job.result));
    return EXIT.ok;
  } catch (error) {
    // The job is worth showing however it ended; the error itself is told as any other.
    if (json && error instanceof RotaError && 'job' in error) out.json(error.job);
    throw error;
  }
}
