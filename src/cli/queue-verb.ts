import { isRecord } from '../kernel/check.ts';
import { durationText } from '../kernel/duration.ts';
import type { CliClient } from './cli-world.ts';
import type { Call } from './command.ts';
import { EXIT } from './command.ts';
import { cell } from './display.ts';
import { withSession } from './session.ts';

type Answer = Awaited<ReturnType<CliClient['queues']['pause']>>;

/** The word that all verbs of queues begin with. */
export const QUEUE_WORD = { name: 'QUEUE', required: true, what: 'its name' } as const;

/** Sends a verb of a queue and writes the queue as it stands then. */
export function runQueueVerb(call: Call, send: (client: CliClient) => Promise<Answer>): Promise<number> {
  return withSession(call, async ({ client }) => {
    const queue = await send(client);
    if (call.json) call.out.json(queue);
    else call.out.line(queueLine(queue));
    return 'timedOut' in queue ? EXIT.failed : EXIT.ok;
  });
}

/** A queue on one line: `mail: paused, limit 5, 2 executing, 7 available`. */
function queueLine({ name, scope, limit, globalLimit, rate, partition, paused, counts, timedOut }: Answer): string {
  return [
    `${cell(name)}: ${paused ? 'paused' : 'runs'}`,
    `limit ${cell(limit)}${scope === 'all' ? '' : ` on ${cell(scope)}`}`,
    ...(globalLimit === null ? [] : [`${globalLimit} over all nodes`]),
    ...(rate === null ? [] : [`${rate.limit} in ${durationText(rate.period)}`]),
    ...(partition === null ? [] : [`${partition.limit} for each ${cell(partition.by)}`]),
    ...(isRecord(counts) ? [`${cell(counts.executing)} executing`, `${cell(counts.available)} available`] : []),
    ...(timedOut ? ['which is not quiet yet'] : []),
  ].join(', ');
}
