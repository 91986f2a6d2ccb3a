import { isRecord } from '../kernel/check.ts';
import type { CliClient } from './cli-world.ts';
import { defineCommand, EXIT, type Flags } from './command.ts';
import { cell, relativeTime } from './display.ts';
import { wholeNumber } from './flag-values.ts';
import { FILTER_FLAGS, jobId, jobQuery } from './job-filter.ts';
import { jobPage } from './job-page.ts';
import { withSession } from './session.ts';
import { CONNECTION_SETTINGS } from './setting-flags.ts';
import { stateStyle } from './state-style.ts';
import { type Column, writeTable } from './table.ts';

const FLAGS = {
  ...FILTER_FLAGS,
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
  notes: ['"rota jobs cancel", "retry", "delete" and "update" change them.'],
  examples: ['rota jobs', 'rota jobs --state retryable,discarded --queue mail', 'rota jobs ID --json'],
  run: async (call) => {
    const { out, json, world, flags } = call;
    const [id] = call.positionals;
    const wanted = id === undefined ? undefined : jobId(id);
    const query = jobQuery(flags);
    const limit = flags.limit === undefined ? LIMIT_DEFAULT : wholeNumber('--limit', flags.limit, LIMIT_MAX);
    return withSession(call, async ({ client }) => {
      if (wanted !== undefined) {
        const job = await client.get(wanted);
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
