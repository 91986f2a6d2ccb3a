import { type Check, duration, type Issues, object, optional, time, uuidV7 } from '../kernel/check.ts';
import { parseTime, timeText } from '../kernel/clock.ts';
import { parseDuration } from '../kernel/duration.ts';
import type { WireErrorCode } from '../kernel/error.ts';
import type { Json } from '../kernel/json.ts';
import type { AnyJobDefinition, TypeDefaults } from './definition.ts';
import type { JobSchedule, NewJob } from './job.ts';
import { args, isTooLarge, jobDefaultFields, jobType, meta, nested, reference, tags } from './job-fields.ts';
import { LIMITS, MAX_ATTEMPTS_DEFAULT } from './limits.ts';
import { type UniquePolicy, uniqueClaim, uniquePolicy } from './unique.ts';

/** When a job that has not started is cancelled: at a time, or so many milliseconds after it was asked for. */
export type Deadline = { at: number } | { inMs: number };

const deadline: Check<Deadline> = (value, path, issues) => {
  const time = typeof value === 'string' ? parseTime(value) : undefined;
  if (time !== undefined) return { at: time };
  const inMs = parseDuration(value);
  if (inMs !== undefined) return { inMs };
  return issues.add(path, 'must be a duration like "30m" or milliseconds, or a time like "2026-01-31T10:00:00.000Z"');
};

/** A deadline as the wire writes it. */
export const deadlineView = (value: Deadline): string | number => ('at' in value ? timeText(value.at) : value.inMs);

/** Null counts as left out, so that the type's own holds; false says that this job is not unique whatever its type is. */
const unique: Check<UniquePolicy | false> = (value, path, issues) =>
  value === false ? false : uniquePolicy(value, path, issues);

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
  unique: optional(unique),
  deadline: optional(deadline),
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
  /** When the request was made; delays count from it. Default `now`. */
  madeAt?: number;
  /** Used when the request names no id. */
  newId: () => string;
  queue: string;
  /** What the type lays under; undefined: nobody says. */
  definition: TypeDefaults | undefined;
  traceparent?: string | null;
  schedule?: JobSchedule;
}

/** Lays the type's defaults under a request and dates it. Pure. */
export function newJob(request: JobRequest, world: NewJobWorld): NewJob {
  const { now, madeAt = now, definition } = world;
  const { scheduleIn } = request;
  const scheduledAt = request.scheduledAt ?? (scheduleIn === undefined ? now : madeAt + scheduleIn);
  const job: NewJob = {
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
    deadlineAt: deadlineAt(request.deadline, madeAt),
    traceparent: world.traceparent ?? null,
  };
  const policy = request.unique ?? definition?.unique ?? false;
  return policy === false ? job : { ...job, unique: uniqueClaim(policy, job) };
}

function deadlineAt(given: Deadline | undefined, madeAt: number): number | null {
  if (given === undefined) return null;
  return 'at' in given ? given.at : madeAt + given.inMs;
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
