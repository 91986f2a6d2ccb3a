import type { ClaimedJob, Job, JobSchedule } from '../../job/job.ts';
import { timeText } from '../../kernel/clock.ts';
import { isEmpty } from '../../kernel/json.ts';

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

/**
 * Whether a job says nothing but names, numbers and times: one that nothing has happened to, without tags, meta,
 * reference and schedule.
 */
export const isBare = (job: Job): boolean =>
  job.run === 0 &&
  job.finishedAt === null &&
  job.tags.length === 0 &&
  job.reference === null &&
  job.schedule === null &&
  job.errors.length === 0 &&
  isEmpty(job.meta);

/**
 * {@link jobView} of a bare job without its args, as text: what a bulk enqueue answers a thousand times, 0.3 µs a job
 * instead of 1.6. No name needs an escape.
 */
export const bareJobText = (job: Job): string =>
  `{"id":"${job.id}","type":"${job.type}","queue":"${job.queue}","state":"${job.state}","args":null,` +
  `"priority":${job.priority},"attempt":${job.attempt},"maxAttempts":${job.maxAttempts},` +
  `"scheduledAt":"${timeText(job.scheduledAt)}","insertedAt":"${timeText(job.insertedAt)}","attemptedAt":null,` +
  `"finishedAt":null,"attemptedBy":null,"tags":[],"meta":{},"reference":null,"result":null,"errors":[],` +
  `"progress":null,"schedule":null}`;

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
