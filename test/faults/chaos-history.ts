import type { PublishedMessage } from '../support/intake-load.ts';
import type { PlainClient, WireEvent, WireJob } from '../support/plain-client.ts';
import type { Note } from '../support/rota-process.ts';
import type { RejectedEntry } from './intake-checker.ts';

/** A job as far as the checker of a fleet looks at it. */
export interface ChaosJob extends WireJob {
  queue: string;
  insertedAt: string;
  scheduledAt: string;
  attemptedAt: string | null;
  finishedAt: string | null;
  schedule: { name: string; at: string } | null;
  tags: string[];
}

/** A span of time, in milliseconds since the epoch. */
export interface Span {
  from: number;
  to: number;
}

/** Whether a time is in a span, its ends included. */
export const within = (at: number, { from, to }: Span): boolean => at >= from && at <= to;

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
  /** Ids of jobs that were asked for in transactions which never committed. */
  readonly rolledBack = new Set<string>();
  /** While the queue `slow` was paused, from the answer to the pause until the request to resume it. */
  readonly pauses: Span[] = [];
}

/** How soon a fleet worked again after a fault, in milliseconds from its end. */
export interface Recovery {
  fault: string;
  /** Until a job completed; infinite when none did. */
  firstMs: number;
  /** Until everything had ended that had been enqueued before the fault's end. */
  drainedMs: number;
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
  /** Messages that the durable intake took, and what was rejected. */
  published: readonly PublishedMessage[];
  rejected: readonly RejectedEntry[];
  /** Schedules that must have fired, each with how often at least. */
  ticksMin: Readonly<Record<string, number>>;
  /** How soon jobs completed again after each fault. */
  recoveries: readonly Recovery[];
  /** Lives of nodes that nobody had ended. */
  strayExits: readonly string[];
}

/** Every job of the fleet, page by page. */
export function everyJob(client: PlainClient): Promise<ChaosJob[]> {
  return everyPage(client, 'jobs.job.list', { field: 'jobs', order: 'asc' });
}

/** Every message that the durable intake rejected. */
export function everyRejection(client: PlainClient): Promise<RejectedEntry[]> {
  return everyPage(client, 'jobs.ctl.rejected.list', { field: 'rejected' });
}

async function everyPage<T>(
  client: PlainClient,
  ...[subject, { field, ...body }]: [subject: string, query: { field: string; order?: string }]
): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null = null;
  do {
    const query: object = { limit: 500, ...body, ...(cursor === null ? {} : { cursor }) };
    const page: Record<string, unknown> = await client.ask(subject, query);
    // Pages have their own field, and where to go on.
    all.push(...(page[field] as T[]));
    cursor = (page.cursor ?? null) as string | null;
  } while (cursor !== null);
  return all;
}
