import type { AnyJobDefinition, EnqueueOptions } from '../job/definition.ts';
import { parseDuration } from '../kernel/duration.ts';
import { RotaError } from '../kernel/error.ts';

/** What may be enqueued: a type by name, or its definition. */
export type JobTypeRef = string | AnyJobDefinition;

/** The queue that a job goes to: the option, else the definition's, else `default`. */
export function queueOf(type: JobTypeRef, options: EnqueueOptions): string {
  return options.queue ?? (typeof type === 'string' ? 'default' : type.queue);
}

/**
 * The body of an enqueue, as the wire has it.
 * @param id chosen here, so that the request may be repeated
 * @throws RotaError `invalid_job` for a time that is none
 */
export function jobBody(
  type: JobTypeRef,
  args: unknown,
  options: EnqueueOptions & { id: string },
): Record<string, unknown> {
  const { queue: _queue, scheduledAt, backoff, deadline, traceparent: _traceparent, ...rest } = options;
  const body: Record<string, unknown> = { type: typeof type === 'string' ? type : type.type, ...rest };
  if (args !== undefined) body.args = args;
  if (scheduledAt !== undefined) body.scheduledAt = timeOf(scheduledAt, 'scheduledAt');
  if (deadline !== undefined) body.deadline = deadline instanceof Date ? timeOf(deadline, 'deadline') : deadline;
  if (backoff !== undefined) {
    const { kind, baseMs, maxMs, jitter } = backoff;
    body.backoff = {
      kind,
      base: baseMs,
      ...(maxMs === undefined ? {} : { max: maxMs }),
      ...(jitter === undefined ? {} : { jitter }),
    };
  }
  for (const [key, value] of Object.entries(body)) if (value === undefined) delete body[key];
  return body;
}

/** A time as the wire writes it. @throws RotaError `invalid_job` for a time that is none */
export function timeOf(value: Date | string | number, name: string): string {
  if (typeof value === 'string') return value;
  const date = new Date(value);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw new RotaError('invalid_job', `${name} is no time`, { issues: [{ path: name, message: 'is no time' }] });
}

/** Milliseconds of a duration option. @throws RotaError `invalid_request` */
export function durationOption(value: unknown, name: string): number {
  const ms = parseDuration(value);
  if (ms !== undefined) return ms;
  throw new RotaError('invalid_request', `${name} must be a duration like "30s" or milliseconds`, {
    issues: [{ path: name, message: 'must be a duration' }],
  });
}
