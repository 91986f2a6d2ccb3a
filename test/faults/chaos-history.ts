import type { PlainClient, WireEvent, WireJob } from '../support/plain-client.ts';
import type { Note } from '../support/rota-process.ts';

/** A job as far as the checker of a fleet looks at it. */
export interface ChaosJob extends WireJob {
  queue: string;
  insertedAt: string;
  scheduledAt: string;
  attemptedAt: string | null;
  finishedAt: string | null;
  schedule: { name: string; at: string } | null;
}

/** A span of time, in milliseconds since the epoch. */
export interface Span {
  from: number;
  to: number;
}

/** What a load asked for and what it was answered. */
export class Asked {
  /** Ids of jobs that some request named, answered or not. */
  readonly sent = new Set<string>();
  /** Ids of jobs whose enqueue was answered, with how the job must end where only one end is right. */
  readonly acknowledged = new Map<string, string | undefined>();
  /** Ids of jobs that may be cancelled by us. */
  readonly cancelled = new Set<string>();
  /** Ids of jobs that may be retried by us, after their end. */
  readonly retried = new Set<string>();
  /** By unique key: the ids that enqueues with it were answered. */
  readonly unique = new Map<string, Set<string>>();
  /** Schedules that fire once, at a time, which were put before it was reached. */
  readonly put = new Map<string, string>();
  /** While the queue `slow` was paused, from the answer to the pause until the request to resume it. */
  readonly pauses: Span[] = [];
}

/** All that is known of a run from outside. */
export interface History {
  asked: Asked;
  /** Every job, as the store has it at the end. */
  jobs: readonly ChaosJob[];
  notes: readonly Note[];
  events: readonly WireEvent[];
  /** When those who listen may have missed what was told: the broker was ended. */
  deaf: readonly Span[];
  /** How many jobs of the queue `slow` may run at once, over all nodes. */
  limit: number;
  /** The most that the database had executing of it at any look. */
  mostExecuting: number;
  /** Rows of the outbox at the end. */
  untold: number;
  /** Lives of nodes that nobody had ended. */
  strayExits: readonly string[];
}

/** Every job of the fleet, page by page. */
export async function everyJob(client: PlainClient): Promise<ChaosJob[]> {
  const jobs: ChaosJob[] = [];
  let cursor: string | null = null;
  do {
    const body: object = { limit: 500, order: 'asc', ...(cursor === null ? {} : { cursor }) };
    const page: { jobs: ChaosJob[]; cursor: string | null } = await client.ask('jobs.job.list', body);
    jobs.push(...page.jobs);
    cursor = page.cursor;
  } while (cursor !== null);
  return jobs;
}
