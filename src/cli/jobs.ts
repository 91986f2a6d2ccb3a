import { isRecord } from '../kernel/check.ts';
import { isUuidV7 } from '../kernel/identity.ts';
import type { CliClient } from './cli-world.ts';
import { defineCommand, EXIT, type Flags, type FlagValues } from './command.ts';
import { cell, relativeTime } from './display.ts';
import { wholeNumber } from './flag-values.ts';
import { jobPage } from './job-page.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { stateStyle } from './state-style.ts';
import { type Column, writeTable } from './table.ts';
import { UsageError } from './usage-error.ts';

const FLAGS = {
  state: { type: 'string', value: 'STATE[,…]', what: 'only of these states, like available,retryable' },
  queue: { type: 'string', value: 'QUEUE', what: 'only of this queue' },
  type: { type: 'string', value: 'TYPE', what: 'only of this type' },
  tag: { type: 'string', value: 'TAG', what: 'only with this tag' },
  schedule: { type: 'string', value: 'NAME', what: 'only those that this schedule made' },
  limit: { type: 'string', value: 'N', what: 'at most so many, default 20' },
} as const satisfies Flags;

type Query = NonNullable<Parameters<CliClient['list']>[0]>;
type Job = Awaited<ReturnType<CliClient['get']>>;

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 100_000;
/** What one request may ask for. */
const PAGE_MAX = 500;

/** `rota jobs`: the newest jobs, or one whole. */
export const jobs = defineCommand({
  name: 'jobs',
  summary: 'list jobs, newest first, or show one',
  positionals: [{ name: 'ID', what: 'show this job with all that is known of it' }],
  flags: FLAGS,
  settings: CONNECTION_SETTINGS,
  examples: ['rota jobs', 'rota jobs --state retryable,discarded --queue mail', 'rota jobs ID --json'],
  run: async (call) => {
    const { out, json, world, flags } = call;
    const [id] = call.positionals;
    if (id !== undefined) checkId(id);
    const query = jobQuery(flags);
    const limit = flags.limit === undefined ? LIMIT_DEFAULT : wholeNumber('--limit', flags.limit, LIMIT_MAX);
    return withSession(call, async ({ client }) => {
      if (id !== undefined) {
        const job = await client.get(id.toLowerCase());
        if (json) out.json(job);
        else out.line(jobPage(job, { now: world.clock.now(), paint: out.paint }));
        return EXIT.ok;
      }
      const { jobs: found, more } = await firstJobs(client, query, limit);
      if (json) out.json({ jobs: found });
      else writeTable(out, found, { columns: columnsAt(world.clock.now()), empty: 'no jobs' });
      if (more && !json) out.note(`there are more than these ${found.length}: see --limit and the filters`);
      return EXIT.ok;
    });
  },
});

function checkId(id: string): void {
  if (isUuidV7(id.toLowerCase())) return;
  throw new UsageError(`${id} is no job id`, 'an id is a whole UUID; "rota jobs --type TYPE" lists those of a type');
}

/** The filter that flags make. */
export function jobQuery({ state, queue, type, tag, schedule }: FlagValues<typeof FLAGS>): Query {
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

/** Pages through a list until there are enough, for a page may be shorter than it was asked to be. */
async function firstJobs(client: CliClient, query: Query, limit: number): Promise<{ jobs: Job[]; more: boolean }> {
  const found: Job[] = [];
  let cursor: string | null = null;
  do {
    const page: Query = { ...query, limit: Math.min(limit - found.length, PAGE_MAX) };
    const answer: { jobs: Job[]; cursor: string | null } = await client.list(
      cursor === null ? page : { ...page, cursor },
    );
    found.push(...answer.jobs);
    cursor = answer.cursor;
  } while (cursor !== null && found.length < limit);
  return { jobs: found, more: cursor !== null };
}

function columnsAt(nowMs: number): Column<Job>[] {
  return [
    { title: 'ID', text: ({ id }) => cell(id) },
    { title: 'STATE', text: ({ state }) => cell(state), style: ({ state }) => stateStyle(state) },
    { title: 'TYPE', text: ({ type }) => cell(type) },
    { title: 'QUEUE', text: ({ queue }) => cell(queue) },
    { title: 'ATTEMPT', text: ({ attempt, maxAttempts }) => `${attempt}/${maxAttempts}`, right: true },
    { title: 'INSERTED', text: ({ insertedAt }) => relativeTime(insertedAt, nowMs) },
    { title: 'ERROR', text: lastError, shrinks: true },
  ];
}

function lastError({ errors, state }: Job): string {
  const last = Array.isArray(errors) && state !== 'completed' ? errors.at(-1) : undefined;
  return isRecord(last) ? cell(last.message) : '';
}
