import type { ClaimedJob } from '../../src/job/job.ts';

/** A claimed job with all its fields: a store may make one only where it is looked at. */
export function wholeClaimed(job: ClaimedJob): ClaimedJob {
  const { id, run, type, queue, args, attempt, maxAttempts, priority, timeoutMs, meta, tags } = job;
  const { reference, schedule, scheduledAt, insertedAt, traceparent } = job;
  const rest = { meta, tags, reference, schedule, scheduledAt, insertedAt, traceparent };
  return { id, run, type, queue, args, attempt, maxAttempts, priority, timeoutMs, ...rest };
}
