import type { JobChanges } from '../../job/job-change.ts';
import { args, jobType, meta, priority, queueName, reference, tag, tags } from '../../job/job-fields.ts';
import { LIMITS } from '../../job/limits.ts';
import { JOB_STATES, type JobState } from '../../job/state.ts';
import { arrayOf, boolean, type Check, integer, object, oneOf, optional, string, time } from '../../kernel/check.ts';
import { RotaError } from '../../kernel/error.ts';
import { isToken, TOKEN_RULE } from '../../kernel/identity.ts';
import { readRequest } from './request.ts';

/** The verbs of `job.<verb>`. */
export const JOB_VERBS = ['get', 'list', 'count', 'wait', 'cancel', 'retry', 'delete', 'update'] as const;

/** Jobs that one page of a list may have at most, and by default. */
export const LIST_LIMIT_MAX = 500;
const LIST_LIMIT_DEFAULT = 50;
/** How long `wait` may wait at most, and by default, in milliseconds. */
export const WAIT_MS_MAX = 60_000;
const WAIT_MS_DEFAULT = 30_000;

const id = string({ max: 64, what: 'a job id' });
const state = oneOf(JOB_STATES);
const states: Check<JobState[]> = (value, path, issues) => {
  if (Array.isArray(value)) return arrayOf(state, { min: 1, max: JOB_STATES.length })(value, path, issues);
  const one = state(value, path, issues);
  return one && [one];
};
const scheduleName = string({ max: 64, accept: isToken, what: `a schedule name: ${TOKEN_RULE}` });

const filterFields = {
  state: optional(states),
  queue: optional(queueName),
  type: optional(jobType),
  tag: optional(tag),
  reference: optional(reference),
  schedule: optional(scheduleName),
  before: optional(time),
  after: optional(time),
};
const filterShape = object(filterFields);

/** Which jobs, as `JobFilter` of the store has it. */
export interface Filter {
  states?: JobState[];
  queue?: string;
  type?: string;
  tag?: string;
  reference?: { type: string; id: string };
  schedule?: string;
  before?: number;
  after?: number;
}

type FilterInput = NonNullable<ReturnType<typeof filterShape>>;

function filterOf(input: FilterInput): Filter {
  const { state: wanted, queue, type, tag: label, reference: ref, schedule, before, after } = input;
  return {
    ...(wanted === undefined ? {} : { states: wanted }),
    ...(queue === undefined ? {} : { queue }),
    ...(type === undefined ? {} : { type }),
    ...(label === undefined ? {} : { tag: label.toLowerCase() }),
    ...(ref === undefined ? {} : { reference: ref }),
    ...(schedule === undefined ? {} : { schedule }),
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

const getShape = object({ id });
/** `jobs.job.get`. @throws RotaError `invalid_request` */
export const readGet = (body: unknown): { id: string } => readRequest(body, getShape);

const listShape = object({
  ...filterFields,
  limit: optional(integer(1, LIST_LIMIT_MAX)),
  cursor: optional(string({ max: 256, what: 'a cursor of the page before' })),
  order: optional(oneOf(['asc', 'desc'])),
});

/** `jobs.job.list`. @throws RotaError `invalid_request` */
export function readList(body: unknown): { filter: Filter; limit: number; order: 'asc' | 'desc'; cursor?: string } {
  const { limit = LIST_LIMIT_DEFAULT, order = 'desc', cursor, ...filter } = readRequest(body, listShape);
  return { filter: filterOf(filter), limit, order, ...(cursor === undefined ? {} : { cursor }) };
}

/** `jobs.job.count`. @throws RotaError `invalid_request` */
export const readCount = (body: unknown): { filter: Filter } => ({ filter: filterOf(readRequest(body, filterShape)) });

const waitShape = object({ id, timeoutMs: optional(integer(0, WAIT_MS_MAX)) });

/** `jobs.job.wait`. @throws RotaError `invalid_request` */
export function readWait(body: unknown): { id: string; timeoutMs: number } {
  const { id: job, timeoutMs = WAIT_MS_DEFAULT } = readRequest(body, waitShape);
  return { id: job, timeoutMs };
}

/** What a verb on jobs is about: one by its id, or all that fit a filter. */
export type Target = { id: string } | { filter: Filter };

const targetFields = { id: optional(id), ...filterFields };

function targetOf({ id: job, ...input }: { id?: string } & FilterInput): Target {
  const filtered = Object.keys(input).length > 0;
  if ((job !== undefined) === filtered) {
    const message = 'name either an id or a filter';
    throw new RotaError('invalid_request', message, { issues: [{ path: 'id', message }] });
  }
  return job === undefined ? { filter: filterOf(input) } : { id: job };
}

const cancelShape = object({ ...targetFields, terminate: optional(boolean) });

/** `jobs.job.cancel`: an id or a filter, one of them. @throws RotaError `invalid_request` */
export function readCancel(body: unknown): Target & { terminate: boolean } {
  const { terminate = false, ...input } = readRequest(body, cancelShape);
  return { ...targetOf(input), terminate };
}

const targetShape = object(targetFields);

/** `jobs.job.retry` and `jobs.job.delete`: an id or a filter, one of them. @throws RotaError `invalid_request` */
export const readTarget = (body: unknown): Target => targetOf(readRequest(body, targetShape));

const updateShape = object({
  id,
  args: optional(args),
  priority: optional(priority),
  queue: optional(queueName),
  scheduledAt: optional(time),
  maxAttempts: optional(integer(1, LIMITS.attemptsMax)),
  tags: optional(tags),
  meta: optional(meta),
});

/** `jobs.job.update`. @throws RotaError `invalid_request`, `too_large` */
export function readUpdate(body: unknown): { id: string; changes: JobChanges } {
  const { id: job, ...changes } = readRequest(body, updateShape);
  return { id: job, changes };
}
