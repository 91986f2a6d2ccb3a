import type { AnyJobDefinition, EnqueueOptions } from '../job/definition.ts';
import { backoffWire } from '../job/retry-policy.ts';
import { Issues } from '../kernel/check.ts';
import { parseDuration } from '../kernel/duration.ts';
import { RotaError, type WireErrorCode } from '../kernel/error.ts';
import { type Json, jsonOf } from '../kernel/json.ts';

/** What may be enqueued: a type by name, or its definition. */
export type JobTypeRef = string | AnyJobDefinition;

/** The queue that a job goes to: the option, else the definition's, else `default`. */
export function queueOf(type: JobTypeRef, options: EnqueueOptions): string {
  return options.queue ?? (typeof type === 'string' ? 'default' : type.queue);
}

/** The body of an enqueue. */
export type JobBody = { id: string; type: string } & Record<string, unknown>;

/**
 * The body of an enqueue, as the wire has it and whoever reads it gets it.
 * @param options with an id chosen here, so that the request may be repeated
 * @param at where it stands in its request, for the issues
 * @throws RotaError `invalid_job` for a time that is none, `invalid_args` and `invalid_job` for what is no JSON
 */
export function jobBody(
  { type, args }: { type: JobTypeRef; args: unknown },
  options: EnqueueOptions & { id: string },
  at = '',
): JobBody {
  const { queue: _queue, scheduledAt, backoff, deadline, traceparent: _traceparent, id, ...rest } = options;
  // Not by assignments, for one to `__proto__` would lose the option that is to be refused.
  const body: JobBody = { type: typeof type === 'string' ? type : type.type, id, ...rest };
  for (const key in body) if (body[key] === undefined) delete body[key];
  if (scheduledAt !== undefined) body.scheduledAt = timeOf(scheduledAt, 'scheduledAt');
  if (deadline !== undefined) body.deadline = deadline instanceof Date ? timeOf(deadline, 'deadline') : deadline;
  if (backoff !== undefined) body.backoff = backoffWire(backoff);
  if (args !== undefined) body.args = args;
  return wireBody(body, { code: 'invalid_job', at });
}

/**
 * A body as whoever reads it gets it, whatever route and codec it goes by: what JSON makes of it now. Whoever gave what it
 * is made of may change that afterwards.
 * @param options the code of a fault outside of args, and where the body stands in its request
 * @throws RotaError with that code, or `invalid_args`
 */
export function wireBody<T extends object>(body: T, { code, at = '' }: { code: WireErrorCode; at?: string }): T {
  const issues = new Issues();
  const json: Json | undefined = jsonOf(body, at, issues);
  const [first] = issues.list;
  // The same members, less those that are undefined.
  if (first === undefined) return json as T;
  const isOfArgs = first.path.split('.').includes('args');
  throw new RotaError(isOfArgs ? 'invalid_args' : code, `${first.path} ${first.message}`, { issues: issues.list });
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
