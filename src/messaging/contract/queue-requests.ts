import { queueName } from '../../job/job-fields.ts';
import { partitionPath } from '../../job/partition.ts';
import type { JobState } from '../../job/state.ts';
import {
  arrayOf,
  type Check,
  duration,
  integer,
  isRecord,
  object,
  oneOf,
  optional,
  string,
} from '../../kernel/check.ts';
import { RotaError } from '../../kernel/error.ts';
import { isToken, TOKEN_RULE } from '../../kernel/identity.ts';
import { readRequest } from './request.ts';

/** The verbs of `ctl.queue.<verb>`. */
export const QUEUE_VERBS = ['list', 'pause', 'resume', 'scale', 'limit', 'purge'] as const;
export type QueueVerb = (typeof QUEUE_VERBS)[number];

/** How long `pause` may wait at most for the queue to be quiet, in milliseconds. */
export const PAUSE_WAIT_MS_MAX = 60_000;

/** Jobs at once that any limit may name at most. */
const LIMIT_MAX = 1_000_000;

/** The states of jobs that wait: what `purge` deletes unless it is told otherwise. */
export const WAITING_STATES = ['scheduled', 'available', 'retryable'] as const satisfies readonly JobState[];
const PURGEABLE_STATES = [...WAITING_STATES, 'completed', 'cancelled', 'discarded'] as const;

/** What limits a queue. Null: not limited. A period is milliseconds in replies. */
export interface QueueLimits {
  /** Jobs that may execute at once, over all workers. */
  globalLimit: number | null;
  /** Jobs that may start in any stretch of the period. */
  rate: { limit: number; period: number } | null;
  /** Jobs of one value that may execute at once; `by` is a path like `args.tenant`. */
  partition: { by: string; limit: number } | null;
}

/** A queue in a reply. */
export interface QueueView extends QueueLimits {
  name: string;
  /** How many of its jobs one node runs at once; where nodes differ, the first one's. */
  limit: number;
  /** Nodes that an operator gave a limit of their own; absent where there are none. */
  limits?: Record<string, number>;
  paused: boolean;
  counts: Record<JobState, number>;
  /** The nodes that run it. */
  nodes: string[];
}

/** A queue after a verb: `scope` says for whom it holds. */
export interface QueueAnswer extends QueueView {
  /** `all`, or the node. */
  scope: string;
  /** After a `pause` with `waitMs`: jobs still executed when that was over. */
  timedOut?: true;
}

const limit = integer(0, LIMIT_MAX);
const nodeName = string({ max: 64, accept: isToken, what: `a node name: ${TOKEN_RULE}` });

const nameShape = object({ queue: queueName });
/** `ctl.queue.resume`. @throws RotaError `invalid_request` */
export const readQueueName = (body: unknown): string => readRequest(body, nameShape).queue;

const pauseShape = object({ queue: queueName, waitMs: optional(integer(0, PAUSE_WAIT_MS_MAX)) });
/** `ctl.queue.pause`. @throws RotaError `invalid_request` */
export function readPause(body: unknown): { queue: string; waitMs: number } {
  const { queue, waitMs = 0 } = readRequest(body, pauseShape);
  return { queue, waitMs };
}

const limitOrNull: Check<{ limit: number | null }> = (value, path, issues) => {
  if (value === null) return { limit: null };
  const read = limit(value, path, issues);
  return read === undefined ? undefined : { limit: read };
};
const scaleShape = object({ queue: queueName, limit: limitOrNull, node: optional(nodeName) });
/** `ctl.queue.scale`. @throws RotaError `invalid_request` */
export function readScale(body: unknown): { queue: string; limit: number | null; node: string | null } {
  const { queue, limit: read, node = null } = readRequest(body, scaleShape);
  return { queue, limit: read.limit, node };
}

const period: Check<number> = (value, path, issues) => {
  const ms = duration(value, path, issues);
  return ms === 0 ? issues.add(path, 'must be at least a millisecond') : ms;
};
const limitShape = object({
  queue: queueName,
  globalLimit: optional(limit),
  rate: optional(object({ limit: integer(1, LIMIT_MAX), period })),
  partition: optional(object({ by: partitionPath, limit: integer(1, LIMIT_MAX) })),
});
const LIMIT_FIELDS = ['globalLimit', 'rate', 'partition'] as const;

/** `ctl.queue.limit`: what is left out stays, null lifts; something must be said. @throws RotaError `invalid_request` */
export function readLimit(body: unknown): { queue: string; limits: Partial<QueueLimits> } {
  const { queue, ...limits } = readRequest(body, limitShape);
  const lifted = LIMIT_FIELDS.filter((field) => isRecord(body) && body[field] === null);
  if (lifted.length === 0 && Object.keys(limits).length === 0) {
    const message = `must name at least one of ${LIMIT_FIELDS.join(', ')}`;
    throw new RotaError('invalid_request', `the request ${message}`, { issues: [{ path: 'globalLimit', message }] });
  }
  return { queue, limits: { ...limits, ...Object.fromEntries(lifted.map((field) => [field, null])) } };
}

const purgeShape = object({
  queue: queueName,
  states: optional(arrayOf(oneOf(PURGEABLE_STATES), { min: 1, max: PURGEABLE_STATES.length })),
});
/** `ctl.queue.purge`; what executes is never purged. @throws RotaError `invalid_request` */
export function readPurge(body: unknown): { queue: string; states: JobState[] } {
  const { queue, states = [...WAITING_STATES] } = readRequest(body, purgeShape);
  return { queue, states };
}
