import type { CliClient } from './cli-world.ts';
import type { Call, FlagValues } from './command.ts';
import { EXIT } from './command.ts';
import { cell } from './display.ts';
import { type FILTER_FLAGS, jobTarget } from './job-filter.ts';
import { withSession } from './session.ts';

/** The word of all verbs that take one job or a filter. */
export const TARGET_WORDS = [{ name: 'ID', what: 'this job; without it, those that the filter names' }] as const;

type Target = ReturnType<typeof jobTarget>;
type Job = Awaited<ReturnType<CliClient['get']>>;

/**
 * Does a verb to one job or to those of a filter, and writes what came of it.
 * @param done what it is called when it was done: `cancelled`
 */
export async function runJobVerb<F extends typeof FILTER_FLAGS>(
  call: Call<F>,
  done: string,
  send: (client: CliClient, target: Target) => Promise<Job | { count: number }>,
): Promise<number> {
  // The flags of every verb hold those of a filter.
  const target = jobTarget(call.positionals[0], call.flags as FlagValues<typeof FILTER_FLAGS>);
  return withSession(call, async ({ client }) => {
    const answer = await send(client, target);
    if (call.json) call.out.json(answer);
    else if ('count' in answer) call.out.line(`${answer.count} ${answer.count === 1 ? 'job' : 'jobs'} ${done}`);
    else call.out.line(`${cell(answer.id)} ${done === 'deleted' ? done : cell(answer.state)}`);
    return EXIT.ok;
  });
}
