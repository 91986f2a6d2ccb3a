import { isUuidV7 } from '../kernel/identity.ts';
import type { CliClient } from './cli-world.ts';
import type { Flags, FlagValues } from './command.ts';
import { UsageError } from './usage-error.ts';

/** The flags that say which jobs are meant. */
export const FILTER_FLAGS = {
  state: { type: 'string', value: 'STATE[,…]', what: 'only of these states, like available,retryable' },
  queue: { type: 'string', value: 'QUEUE', what: 'only of this queue' },
  type: { type: 'string', value: 'TYPE', what: 'only of this type' },
  tag: { type: 'string', value: 'TAG', what: 'only with this tag' },
  schedule: { type: 'string', value: 'NAME', what: 'only those that this schedule made' },
} as const satisfies Flags;

type Query = NonNullable<Parameters<CliClient['list']>[0]>;

/**
 * A job's id as it is stored.
 * @throws UsageError
 */
export function jobId(text: string): string {
  const id = text.toLowerCase();
  if (isUuidV7(id)) return id;
  throw new UsageError(`${text} is no job id`, 'an id is a whole UUID; "rota jobs --type TYPE" lists those of a type');
}

/** The filter that flags make. */
export function jobQuery({ state, queue, type, tag, schedule }: FlagValues<typeof FILTER_FLAGS>): Query {
  // The states are checked where they are known, at the other end.
  const states = state?.split(',').map((word) => word.trim()) as NonNullable<
    Extract<Query['state'], readonly unknown[]>
  >;
  return {
    ...(state === undefined ? {} : { state: states }),
    ...(queue === undefined ? {} : { queue }),
    ...(type === undefined ? {} : { type }),
    ...(tag === undefined ? {} : { tag }),
    ...(schedule === undefined ? {} : { schedule }),
  };
}

/**
 * The one job or the filter that a verb is for.
 * @throws UsageError for neither and for both, so that nothing is ever done to all jobs by leaving something out
 */
export function jobTarget(id: string | undefined, flags: FlagValues<typeof FILTER_FLAGS>): string | Query {
  const query = jobQuery(flags);
  const filtered = Object.keys(query).length > 0;
  if (id !== undefined && !filtered) return jobId(id);
  if (id === undefined && filtered) return query;
  const text = filtered ? 'an id and a filter exclude each other' : 'which jobs?';
  throw new UsageError(text, 'name one by its id, or many by --queue, --type, --state, --tag or --schedule');
}
