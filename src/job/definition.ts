import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type Check, Issues, isRecord, object, oneOf, optional } from '../kernel/check.ts';
import type { Duration } from '../kernel/duration.ts';
import { type Issue, RotaError } from '../kernel/error.ts';
import type { Json } from '../kernel/json.ts';
import type { Logger } from '../kernel/log.ts';
import type { JobReference, JobSchedule } from './job.ts';
import { jobDefaultFields, jobType, queueName } from './job-fields.ts';
import { MAX_ATTEMPTS_DEFAULT, type Priority } from './limits.ts';
import type { BackoffPolicy } from './retry-policy.ts';
import { type UniqueOptions, type UniquePolicy, uniquePolicy } from './unique.ts';

/** Where a handler runs; inline is the main thread. */
export type Isolation = 'inline' | 'thread' | 'process';

/** A backoff that a worker computes itself: the attempt that failed (from 1) to a duration. */
export type BackoffFunction = (attempt: number) => Duration;

/** What a handler may know of its own job. Times are milliseconds since the epoch. */
export interface HandlerJob {
  id: string;
  type: string;
  queue: string;
  attempt: number;
  maxAttempts: number;
  run: number;
  priority: number;
  scheduledAt: number;
  insertedAt: number;
  tags: readonly string[];
  meta: Readonly<Record<string, Json>>;
  reference: JobReference | null;
  schedule: JobSchedule | null;
  traceparent: string | null;
}

/** Options of a single enqueue. Durations and times as on the wire. */
export interface EnqueueOptions {
  id?: string;
  queue?: string;
  priority?: Priority;
  scheduledAt?: Date | string | number;
  scheduleIn?: Duration;
  maxAttempts?: number;
  backoff?: BackoffPolicy;
  timeout?: Duration;
  tags?: readonly string[];
  meta?: Record<string, Json>;
  reference?: JobReference;
  /** False: not unique, whatever its type says. */
  unique?: UniqueOptions | false;
  /** From when on it is cancelled instead of started: a time, or a duration (a number is one, in milliseconds). */
  deadline?: Date | string | number;
  traceparent?: string;
}

/** Enqueues another job from a handler: by type and args, or by definition. */
export type EnqueueFunction = <T extends string | AnyJobDefinition>(
  type: T,
  args?: ArgsOf<T>,
  options?: EnqueueOptions,
) => Promise<{ job: { id: string }; conflict: boolean }>;

/**
 * What the config's `services` made, or what `start` was given: database handles, mailers, caches.
 * A handler gives its own name a type: `const cache: PackageCache = services.cache`.
 */
// biome-ignore lint/suspicious/noExplicitAny: services are whatever an installation makes; only its handlers know.
export type Services = { readonly [name: string]: any };

/** What a handler is given. `signal` aborts on cancel, on timeout and at the end of a stop's grace. */
export interface HandlerContext<Args = Json> {
  args: Args;
  job: HandlerJob;
  signal: AbortSignal;
  log: Logger;
  /** Tells how far it is: any JSON up to 4 KiB. The last one wins. */
  progress(value: Json): void;
  services: Services;
  enqueue: EnqueueFunction;
}

/** What {@link defineJob} takes. */
export interface JobDefinitionOptions<Args, Input = Args> {
  type: string;
  /** Default `default`. */
  queue?: string;
  /** Any Standard Schema (zod, valibot, arktype, …); checked at enqueue, its output is what is stored. */
  args?: StandardSchemaV1<Input, Args>;
  /** 1 to 1000, default 20. */
  maxAttempts?: number;
  /** Default none. */
  timeout?: Duration;
  /** Default `normal`. */
  priority?: Priority;
  /** Default 15 s + 2^attempt s. */
  backoff?: BackoffPolicy | BackoffFunction;
  /** When one of its jobs counts as another that is there already; default: never. */
  unique?: UniqueOptions;
  /** Default `inline`. */
  isolation?: Isolation;
  /** Left out: workers elsewhere run this type. */
  run?(context: HandlerContext<Args>): unknown;
}

/** A job type as declared: checked, with its defaults filled in. `Input` is what an enqueue gives, `Args` what a run gets. */
export interface JobDefinition<Args = Json, Input = Args> {
  readonly type: string;
  readonly queue: string;
  readonly schema: StandardSchemaV1<Input, Args> | undefined;
  readonly maxAttempts: number;
  readonly timeoutMs: number | null;
  readonly priority: number;
  readonly backoff: BackoffPolicy | null;
  readonly backoffFunction: BackoffFunction | undefined;
  readonly unique: UniquePolicy | undefined;
  readonly isolation: Isolation;
  readonly run: ((context: HandlerContext<Args>) => unknown) | undefined;
}

/** What a type lays under a request for a job of it; plain data, so that nodes can tell each other. */
export type TypeDefaults = Pick<AnyJobDefinition, 'maxAttempts' | 'timeoutMs' | 'priority' | 'backoff' | 'unique'>;

/** A definition whose argument type is of no interest: what registries hold. */
// biome-ignore lint/suspicious/noExplicitAny: argument types differ per entry and are checked by each entry's own schema.
export type AnyJobDefinition = JobDefinition<any, any>;

/** What an enqueue of a definition takes as args: its schema's input; anything for a name or a type without a schema. */
export type ArgsOf<T> =
  T extends JobDefinition<infer Args, infer Input> ? (Json extends Args ? unknown : Input) : unknown;

const functionCheck: Check<(...values: never[]) => unknown> = (value, path, issues) =>
  typeof value === 'function' ? (value as (...values: never[]) => unknown) : issues.add(path, 'must be a function');

const schemaCheck: Check<object> = (value, path, issues) =>
  (isRecord(value) || typeof value === 'function') && '~standard' in value
    ? value
    : issues.add(path, 'must be a Standard Schema (zod, valibot, arktype, …)');

const { backoff: policyCheck, ...sharedFields } = jobDefaultFields;
const backoffCheck: Check<BackoffPolicy | BackoffFunction> = (value, path, issues) =>
  typeof value === 'function'
    ? (value as BackoffFunction)
    : isStoredPolicy(value)
      ? value
      : policyCheck(value, path, issues);

function isStoredPolicy(value: unknown): value is BackoffPolicy {
  return isRecord(value) && typeof value.baseMs === 'number';
}

const definitionFields = object({
  type: jobType,
  queue: optional(queueName),
  args: optional(schemaCheck),
  ...sharedFields,
  backoff: optional(backoffCheck),
  unique: optional(uniquePolicy),
  isolation: optional(oneOf(['inline', 'thread', 'process'])),
  run: optional(functionCheck),
});

/**
 * Declares a job type: how it is named, where it runs, what its args are and what it does.
 * @throws RotaError `invalid_config` with every fault and its field
 */
export function defineJob<Args = Json, Input = Args>(
  options: JobDefinitionOptions<Args, Input>,
): JobDefinition<Args, Input> {
  const issues = new Issues();
  const read = definitionFields(options, '', issues);
  if (read === undefined) throw definitionError(options.type, issues.list);
  const backoff = read.backoff;
  return Object.freeze({
    type: read.type,
    queue: read.queue ?? 'default',
    schema: options.args,
    maxAttempts: read.maxAttempts ?? MAX_ATTEMPTS_DEFAULT,
    timeoutMs: read.timeout ?? null,
    priority: read.priority ?? 5,
    backoff: backoff === undefined || typeof backoff === 'function' ? null : backoff,
    backoffFunction: typeof backoff === 'function' ? backoff : undefined,
    unique: read.unique,
    isolation: read.isolation ?? 'inline',
    run: options.run?.bind(options),
  });
}

function definitionError(type: unknown, issues: readonly Issue[]): RotaError {
  const name = typeof type === 'string' ? `"${type}"` : 'without a type';
  const faults = issues.map(({ path, message }) => `${path} ${message}`).join('; ');
  return new RotaError('invalid_config', `the job definition ${name} is wrong: ${faults}`, { issues });
}
