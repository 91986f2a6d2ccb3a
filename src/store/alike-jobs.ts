import type { NewJob } from '../job/job.ts';
import { isEmpty } from '../kernel/json.ts';

/**
 * Whether a job has nothing but what every job has. Jobs of one bulk enqueue mostly are so, and stores write them together:
 * what neither this nor {@link isLike} asks for, nor is each one's own, is not written.
 */
export function isPlain(job: NewJob): boolean {
  return (
    job.unique === undefined &&
    job.timeoutMs === null &&
    job.deadlineAt === null &&
    job.reference === null &&
    job.schedule === null &&
    job.traceparent === null &&
    job.backoff === null &&
    job.tags.length === 0 &&
    isEmpty(job.meta)
  );
}

/** Whether a plain job is like another but for its id, its times and its args. */
export function isLike(job: NewJob, other: NewJob): boolean {
  return (
    job.queue === other.queue &&
    job.type === other.type &&
    job.state === other.state &&
    job.priority === other.priority &&
    job.maxAttempts === other.maxAttempts
  );
}

/** Whether two jobs also have their times in common. */
export const isOfOneTime = (job: NewJob, other: NewJob): boolean =>
  job.scheduledAt === other.scheduledAt && job.insertedAt === other.insertedAt;
