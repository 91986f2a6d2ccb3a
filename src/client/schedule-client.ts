import type { AnyJobDefinition } from '../job/definition.ts';
import { backoffWire } from '../job/retry-policy.ts';
import type { Duration } from '../kernel/duration.ts';
import { RotaError } from '../kernel/error.ts';
import type { IdSource } from '../kernel/identity.ts';
import type { JobView } from '../messaging/contract/job-view.ts';
import type { ScheduleVerb, ScheduleView } from '../messaging/contract/schedule-requests.ts';
import type { DstPolicy, ScheduleDeclaration } from '../scheduler/schedule.ts';
import type { ScheduleOptions } from '../scheduler/schedule-entry.ts';
import { wireBody } from './job-body.ts';

/** When a schedule fires. Times are a Date, RFC 3339 text in UTC, or milliseconds since the epoch. */
export type SpecInput = { cron: string } | { every: Duration } | { at: Date | string | number };

type Nullable<T> = { [K in keyof T]?: T[K] | null };
type Policy =
  | 'timezone'
  | 'overlap'
  | 'misfire'
  | 'dst'
  | 'dayMatch'
  | 'jitter'
  | 'startAt'
  | 'endAt'
  | 'maxRuns'
  | 'enabled';

/** A schedule as it shall be. Every field but name, spec and job has a default, which null stands for, too. */
export type SchedulePut = Nullable<Pick<ScheduleOptions, Policy>> & {
  name: string;
  spec: SpecInput;
  /** The type by its name or its definition, `args`, and the options of an enqueue (`queue`, `priority`, …). */
  job: { type: string | AnyJobDefinition; args?: unknown; [option: string]: unknown };
};

/** What a preview is asked for; `from` is excluded and now by default, `count` up to 1,000 and 10 by default. */
export interface PreviewQuery {
  spec: SpecInput;
  timezone?: string;
  dst?: Partial<DstPolicy>;
  dayMatch?: ScheduleDeclaration['dayMatch'];
  from?: Date | string | number;
  count?: number;
}

/** Sends one request of `ctl.schedule` and answers its reply. */
export type SendSchedule = (verb: ScheduleVerb, body: object) => Promise<unknown>;

/**
 * Schedules as they stand, and their control. What is changed survives restarts; a change of a schedule that the config
 * declares holds until its text there changes. Every failure is a `RotaError`.
 */
export class ScheduleClient {
  readonly #send: SendSchedule;
  readonly #newId: IdSource;

  constructor(send: SendSchedule, newId: IdSource) {
    this.#send = send;
    this.#newId = newId;
  }

  /** All schedules by name. */
  async list(): Promise<ScheduleView[]> {
    const schedules: ScheduleView[] = [];
    for (let cursor: string | null | undefined; cursor !== null; ) {
      const page = (await this.#send('list', cursor === undefined ? {} : { cursor })) as Page;
      schedules.push(...page.schedules);
      cursor = page.cursor ?? null;
    }
    return schedules;
  }

  /** One schedule. @throws RotaError `not_found` */
  async get(name: string): Promise<ScheduleView> {
    return (await this.#send('get', { name })) as ScheduleView;
  }

  /**
   * Creates or changes a schedule; what `get` answers may be put back.
   * @throws RotaError `invalid_schedule` with every mistake and its field
   */
  async put(schedule: SchedulePut): Promise<ScheduleView> {
    return (await this.#send('put', wireBody(putBody(schedule), { code: 'invalid_schedule' }))) as ScheduleView;
  }

  /** Removes a run-time schedule. @throws RotaError `not_found`; `conflict` for one that the config declares */
  async delete(name: string): Promise<void> {
    await this.#send('delete', { name });
  }

  /** Lets it fire no more until it is resumed. */
  async pause(name: string): Promise<ScheduleView> {
    return (await this.#send('pause', { name })) as ScheduleView;
  }

  /** Lets it fire again from now on, whoever paused it; nothing is made up for. */
  async resume(name: string): Promise<ScheduleView> {
    return (await this.#send('resume', { name })) as ScheduleView;
  }

  /** Makes its job now, whatever its policies say; the job. An id chosen by the caller makes a repeat harmless. */
  async run(name: string, options: { id?: string } = {}): Promise<JobView> {
    return (await this.#send('run', { name, id: options.id ?? this.#newId() })) as JobView;
  }

  /** The next times at which a spec would fire, as RFC 3339 text. @throws RotaError `invalid_schedule` */
  async preview({ spec, from, ...rest }: PreviewQuery): Promise<string[]> {
    const start = from === undefined ? {} : { from: timeWire(from, 'from') };
    return ((await this.#send('preview', { spec: specWire(spec), ...rest, ...start })) as { times: string[] }).times;
  }
}

interface Page {
  schedules: ScheduleView[];
  cursor?: string | null;
}

function putBody({ spec, job, startAt, endAt, ...rest }: SchedulePut): object {
  const { type, backoff, ...options } = job;
  return {
    ...rest,
    spec: specWire(spec),
    job: {
      ...options,
      type: typeof type === 'string' ? type : type.type,
      ...(backoff === undefined ? {} : { backoff: backoffWire(backoff) }),
    },
    ...(startAt == null ? {} : { startAt: timeWire(startAt, 'startAt') }),
    ...(endAt == null ? {} : { endAt: timeWire(endAt, 'endAt') }),
  };
}

function specWire(spec: SpecInput): object {
  return 'at' in spec ? { at: timeWire(spec.at, 'spec.at') } : spec;
}

/** @throws RotaError `invalid_schedule` for an invalid Date; text is checked where it goes */
function timeWire(value: Date | string | number, path: string): string {
  if (typeof value === 'string') return value;
  const date = new Date(value);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw new RotaError('invalid_schedule', `${path} is no time`, { issues: [{ path, message: 'is no time' }] });
}
