import type { HandlerJob } from '../../job/definition.ts';
import { parseTime } from '../../kernel/clock.ts';
import { isEmpty } from '../../kernel/json.ts';
import type { ClaimedWork } from './messages.ts';

/** Jobs that came together have their times in common. */
let lastRead = { text: '', ms: 0 };

/** A time of a claimed job, in milliseconds since the epoch. */
export function msOf(text: string): number {
  if (text !== lastRead.text) lastRead = { text, ms: parseTime(text) ?? 0 };
  return lastRead.ms;
}

/** What a handler is told of its job. */
export function handlerJob(work: ClaimedWork): HandlerJob {
  const { schedule } = work;
  return {
    id: work.id,
    type: work.type,
    queue: work.queue,
    attempt: work.attempt,
    maxAttempts: work.maxAttempts,
    run: work.run,
    priority: work.priority,
    // Jobs that came together may share what is empty, and a handler of plain JavaScript may write to it.
    tags: work.tags.length === 0 ? [] : work.tags,
    meta: isEmpty(work.meta) ? {} : work.meta,
    reference: work.reference,
    traceparent: work.traceparent,
    scheduledAt: msOf(work.scheduledAt),
    insertedAt: msOf(work.insertedAt),
    schedule: schedule && { ...schedule, at: msOf(schedule.at) },
  };
}
