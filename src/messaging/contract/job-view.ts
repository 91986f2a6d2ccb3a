import type { ClaimedJob, Job, JobSchedule } from '../../job/job.ts';
import { timeText } from '../../kernel/clock.ts';

const textOrNull = (ms: number | null): string | null => (ms === null ? null : timeText(ms));

/** A schedule mark as the wire writes it. */
export const scheduleView = (schedule: JobSchedule | null): object | null =>
  schedule && { name: schedule.name, at: timeText(schedule.at), late: schedule.late };

/** A job as replies write it: times as text, absent fields as null. */
export function jobView(job: Job) {
  return {
    id: job.id,
    type: job.type,
    queue: job.queue,
    state: job.state,
    args: job.args,
    priority: job.priority,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    scheduledAt: timeText(job.scheduledAt),
    insertedAt: timeText(job.insertedAt),
    attemptedAt: textOrNull(job.attemptedAt),
    finishedAt: textOrNull(job.finishedAt),
    attemptedBy: job.worker === null ? null : { node: job.node, worker: job.worker },
    tags: job.tags,
    meta: job.meta,
    reference: job.reference,
    result: job.result,
    errors: job.errors.map((entry) => ({ ...entry, at: timeText(entry.at) })),
    progress: job.progress,
    schedule: scheduleView(job.schedule),
  };
}

/** A job in a reply. */
export type JobView = ReturnType<typeof jobView>;

/** A claimed job as a worker gets it: what running it needs. */
export function claimedView(job: ClaimedJob) {
  return {
    id: job.id,
    run: job.run,
    type: job.type,
    queue: job.queue,
    args: job.args,
    attempt: job.attempt,
    maxAttempts: job.maxAttempts,
    priority: job.priority,
    timeout: job.timeoutMs,
    meta: job.meta,
    tags: job.tags,
    reference: job.reference,
    schedule: scheduleView(job.schedule),
    scheduledAt: timeText(job.scheduledAt),
    insertedAt: timeText(job.insertedAt),
    traceparent: job.traceparent,
  };
}
