import type { CliClient } from './cli-world.ts';
import { defineCommand, type Flags, type FlagValues } from './command.ts';
import { durationFlag, LIFTED, wholeNumber } from './flag-values.ts';
import { QUEUE_WORD, runQueueVerb } from './queue-verb.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { UsageError } from './usage-error.ts';

const FLAGS = {
  global: { type: 'string', value: 'N', what: 'so many at once over all nodes and workers' },
  rate: { type: 'string', value: 'N/TIME', what: 'so many started in any such time, like 100/1m' },
  partition: { type: 'string', value: 'PATH:N', what: 'so many at once of each value, like args.tenant:2' },
} as const satisfies Flags;

type Limits = Parameters<CliClient['queues']['limit']>[1];
const LIMIT_MAX = 1_000_000;

/** `rota queues limit`. */
export const queuesLimit = defineCommand({
  name: 'queues limit',
  summary: 'limit a queue over all its workers',
  positionals: [QUEUE_WORD],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota queues limit mail --global 10 --rate 100/1m', `rota queues limit mail --rate ${LIFTED}`],
  notes: [`"${LIFTED}" lifts a limit; those that are not named stay.`],
  run: (call) => {
    const limits = queueLimits(call.flags);
    return runQueueVerb(call, (client) => client.queues.limit(call.positionals[0] ?? '', limits));
  },
});

/** What flags limit. @throws UsageError where they say nothing, or what cannot be meant */
function queueLimits({ global, rate, partition }: FlagValues<typeof FLAGS>): Limits {
  if (global === undefined && rate === undefined && partition === undefined) {
    throw new UsageError('nothing is to be limited', 'give --global, --rate or --partition');
  }
  return {
    ...(global === undefined
      ? {}
      : { globalLimit: global === LIFTED ? null : wholeNumber('--global', global, { min: 0, max: LIMIT_MAX }) }),
    ...(rate === undefined ? {} : { rate: rate === LIFTED ? null : rateOf(rate) }),
    ...(partition === undefined ? {} : { partition: partition === LIFTED ? null : partitionOf(partition) }),
  };
}

function rateOf(text: string): { limit: number; period: number } {
  const [, limit, period] = /^([^/]+)\/(.+)$/.exec(text) ?? [];
  if (limit === undefined || period === undefined) throw new UsageError(`--rate ${text} is none`, 'write it as 100/1m');
  return { limit: wholeNumber('--rate', limit, LIMIT_MAX), period: durationFlag('--rate', period) };
}

function partitionOf(text: string): { by: string; limit: number } {
  const [, by, limit] = /^(.+):([^:]+)$/.exec(text) ?? [];
  if (by !== undefined && limit !== undefined) return { by, limit: wholeNumber('--partition', limit, LIMIT_MAX) };
  throw new UsageError(`--partition ${text} is none`, 'write it as args.tenant:2');
}
