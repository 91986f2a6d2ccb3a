import { type Check, duration, type Issues, object, optional, time, uuidV7 } from '../kernel/check.ts';
import type { WireErrorCode } from '../kernel/error.ts';
import type { Json } from '../kernel/json.ts';
import type { AnyJobDefinition } from './definition.ts';
import type { JobSchedule, NewJob } from './job.ts';
import { args, isTooLarge, jobDefaultFields, jobType, meta, nested, reference, tags } from './job-fields.ts';
import { LIMITS, MAX_ATTEMPTS_DEFAULT } from './limits.ts';

const unsupported: Check<never> = (_value, path, issues) => issues.add(path, 'is not yet supported');

const requestFields = object({
  type: jobType,
  args: optional(args),
  id: optional(uuidV7),
  ...jobDefaultFields,
  scheduledAt: optional(time),
  scheduleIn: optional(duration),
  tags: optional(tags),
  meta: optional(meta),
  reference: optional(reference),
  unique: optional(unsupported),
  deadline: optional(unsupported),
});

/** A checked request for one job, before the type's defaults are laid under it. */
export type JobRequest = NonNullable<ReturnType<typeof requestFields>>;

/** Checks the fields of one job request; unknown ones are refused by name. */
export const jobRequest: Check<JobRequest> = (value, path, issues) => {
  const request = requestFields(value, path, issues);
  if (request?.scheduledAt !== undefined && request.scheduleIn !== undefined) {
    return issues.add(
      path === '' ? 'scheduleIn' : `${path}.scheduleIn`,
      'cannot stand beside scheduledAt: give one of them',
    );
  }
  return request;
};

/** The W3C trace context of an enqueue; anything that is none is dropped, for a trace must never cost a job. */
export const traceparentText = (text: string | undefined): string | null =>
  text !== undefined &&
  /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}/.test(text) &&
  text.length <= LIMITS.traceparentLengthMax
    ? text
    : null;

/** What turns a request into a row. */
export interface NewJobWorld {
  /** Milliseconds since the epoch. */
  now: number;
  /** Used when the request names no id. */
  newId: () => string;
  queue: string;
  /** The type's own definition, where this node has it. */
  definition: AnyJobDefinition | undefined;
  traceparent?: string | null;
  schedule?: JobSchedule;
}

/** Lays the type's defaults under a request and dates it. Pure. */
export function newJob(request: JobRequest, world: NewJobWorld): NewJob {
  const { now, definition } = world;
  const scheduledAt = request.scheduledAt ?? now + (request.scheduleIn ?? 0);
  return {
    id: request.id ?? world.newId(),
    type: request.type,
    queue: world.queue,
    state: scheduledAt > now ? 'scheduled' : 'available',
    args: request.args ?? {},
    priority: request.priority ?? definition?.priority ?? 5,
    maxAttempts: request.maxAttempts ?? definition?.maxAttempts ?? MAX_ATTEMPTS_DEFAULT,
    scheduledAt,
    insertedAt: now,
    tags: request.tags ?? [],
    meta: request.meta ?? {},
    reference: request.reference ?? null,
    schedule: world.schedule ?? null,
    backoff: request.backoff ?? definition?.backoff ?? null,
    timeoutMs: request.timeout ?? definition?.timeoutMs ?? null,
    traceparent: world.traceparent ?? null,
  };
}

/**
 * Checks args against the type's schema and answers its output, which is what is stored.
 * Without a schema the args pass as they are.
 * @param path where the args stand in the request, for the issues
 */
export async function checkArgs(
  definition: AnyJobDefinition | undefined,
  value: Json,
  { path, issues }: { path: string; issues: Issues },
): Promise<Json | undefined> {
  const schema = definition?.schema;
  if (schema === undefined) return value;
  const result = await schema['~standard'].validate(value);
  if (result.issues !== undefined) {
    for (const { path: steps = [], message } of result.issues) {
      const text = steps.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
      nested([{ path: text, message }], path, issues);
    }
    return undefined;
  }
  return args(result.value ?? {}, path, issues);
}

/** The code that a faulty job request is answered with: size first, then what it is about. */
export function requestFaultCode(issues: Issues): WireErrorCode {
  return isTooLarge(issues) ? 'too_large' : 'invalid_job';
}
