import type { ArgsOf, EnqueueOptions } from '../job/definition.ts';
import type { JobReference } from '../job/job.ts';
import type { JobState } from '../job/state.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Duration } from '../kernel/duration.ts';
import type { IdSource } from '../kernel/identity.ts';
import { Body } from '../messaging/body.ts';
import type { Bus } from '../messaging/bus.ts';
import type { Codec } from '../messaging/codec.ts';
import { BRIEF_HEADERS } from '../messaging/contract/brief.ts';
import { WAIT_MS_MAX } from '../messaging/contract/job-requests.ts';
import type { JobView } from '../messaging/contract/job-view.ts';
import { replyValue } from '../messaging/reply.ts';
import type { Subjects } from '../messaging/subjects.ts';
import { JobFailed, WaitTimeout } from './client-errors.ts';
import { EnqueueBatcher, type Enqueued } from './enqueue-batcher.ts';
import { eventStream, type ReceivedEvent } from './event-stream.ts';
import { type BatchOptions, type BatchResult, enqueueItems } from './job-batch.ts';
import { type JobTypeRef, jobBody, queueOf, timeOf, wireBody } from './job-body.ts';
import { type JobUpdate, type JobVerb, jobVerb, type SendJobVerb } from './job-verbs.ts';
import { QueueClient } from './queue-client.ts';
import { type Trier, untilDeadline } from './retry.ts';
import { ScheduleClient } from './schedule-client.ts';
import { publishSubmission, submission } from './submission.ts';

/** Which jobs; all given parts must hold. Times as text, exclusive, of insertion. */
export interface JobQuery {
  state?: JobState | readonly JobState[];
  queue?: string;
  type?: string;
  tag?: string;
  reference?: JobReference;
  schedule?: string;
  before?: string;
  after?: string;
}

/** How a list is read: up to 500 at once (default 50), by order of insertion (default `desc`). */
export type ListQuery = JobQuery & { limit?: number; cursor?: string; order?: 'asc' | 'desc' };

/** What a client speaks with. */
export interface RotaClientWorld {
  bus: Bus;
  subjects: Subjects;
  clock: Clock;
  newId: IdSource;
  codec: Codec;
  /** For how long a request is tried again when nobody answers, in milliseconds. */
  deadlineMs: number;
  /** Called by `close`. */
  close(): Promise<void>;
}

/**
 * Talks to Rota over the bus, and over nothing else. Every failure is a `RotaError` with the wire's code. A request that
 * nobody answered is sent again until the deadline; jobs carry an id chosen here, so that none is doubled by that.
 */
export class RotaClient {
  readonly #world: RotaClientWorld;
  readonly #batcher: EnqueueBatcher;
  readonly #closing = new AbortController();
  readonly #trier: Trier;

  constructor(world: RotaClientWorld) {
    this.#world = world;
    this.#trier = { clock: world.clock, closed: this.#closing.signal };
    this.#batcher = new EnqueueBatcher((queue, body, headers) =>
      this.#send(world.subjects.enqueue(queue), body, { headers }),
    );
    const { subjects, deadlineMs } = world;
    const send: SendJobVerb = (verb, body, { many }) => {
      // Done to many it may take long, and sent again meanwhile it would count only what the first one left.
      const once = (tryMs: number) => this.#once(subjects.job(verb), body, { tryMs: many ? deadlineMs : tryMs });
      return untilDeadline(once, deadlineMs, this.#trier);
    };
    this.cancel = jobVerb(send, 'cancel');
    this.retry = jobVerb(send, 'retry');
    this.delete = jobVerb(send, 'delete');
    this.schedules = new ScheduleClient(
      (verb, body) => this.#send(world.subjects.control('schedule', verb), body),
      world.newId,
    );
  }

  /**
   * Enqueues a job; durable when this resolves. Calls of one turn of the event loop travel together. Args and options are
   * those at the call: what becomes of the objects afterwards changes nothing.
   * @param type its name, or its definition
   */
  enqueue = <T extends JobTypeRef>(type: T, args?: ArgsOf<T>, options: EnqueueOptions = {}): Promise<Enqueued> => {
    const { id = this.#world.newId(), traceparent } = options;
    try {
      const body = jobBody({ type, args }, { ...options, id });
      const headers = traceparent === undefined ? {} : { traceparent };
      const sent = this.#batcher.enqueue(queueOf(type, options), body, headers);
      return options.id === undefined ? sent.then(ownJob(id)) : sent;
    } catch (error) {
      return Promise.reject(error);
    }
  };

  /**
   * Hands a job to the durable intake: the broker keeps it until Rota takes it, also while no node runs. Sent again with
   * the same id until the deadline.
   * @returns the job's id once the broker has it; a job that is refused later is in the rejected list
   * @throws RotaError for what is wrong with the job itself, or `unavailable`, `overloaded` when no stream took it in time
   */
  async submit<T extends JobTypeRef>(type: T, args?: ArgsOf<T>, options: EnqueueOptions = {}): Promise<string> {
    const { bus, subjects, codec, deadlineMs, newId } = this.#world;
    const id = options.id ?? newId();
    const { traceparent } = options;
    const message = submission(queueOf(type, options), jobBody({ type, args }, { ...options, id }), {
      ...{ subjects, codec, traceparent },
    });
    await untilDeadline((tryMs) => publishSubmission(bus, message, tryMs), deadlineMs, this.#trier);
    return id;
  }

  /** Enqueues a job that is due after a delay: `enqueueIn('7d', 'review.request', args)`. */
  enqueueIn<T extends JobTypeRef>(
    delay: Duration,
    type: T,
    ...rest: [args?: ArgsOf<T>, options?: EnqueueOptions]
  ): Promise<Enqueued> {
    return this.enqueue(type, rest[0], { ...rest[1], scheduleIn: delay });
  }

  /** Enqueues a job that is due at a time: a Date, RFC 3339 text in UTC, or milliseconds since the epoch. */
  enqueueAt<T extends JobTypeRef>(
    time: Date | string | number,
    type: T,
    ...rest: [args?: ArgsOf<T>, options?: EnqueueOptions]
  ): Promise<Enqueued> {
    return this.enqueue(type, rest[0], { ...rest[1], scheduledAt: time });
  }

  /**
   * Enqueues many jobs of one type, one per item, in requests of `batchSize` (fewer where they are large) that each stand
   * or fall whole. Items are read as their requests are made and sent: they stay as they are until this has resolved.
   * @returns the ids in the items' order; `enqueued` does not count those that were there already
   */
  enqueueBatch<T extends JobTypeRef>(
    type: T,
    items: readonly ArgsOf<T>[],
    options: BatchOptions = {},
  ): Promise<BatchResult> {
    const { subjects, newId } = this.#world;
    const send = (bodies: object[]): Promise<unknown> =>
      this.#send(subjects.enqueue(queueOf(type, options)), bodies, { headers: BRIEF_HEADERS });
    return enqueueItems({ type, items }, options, { newId, send });
  }

  /** One job. @throws RotaError `not_found` */
  async get(id: string): Promise<JobView> {
    return (await this.#job('get', { id })) as JobView;
  }

  /** A page of jobs; `cursor` is null on the last one. */
  async list(query: ListQuery = {}): Promise<{ jobs: JobView[]; cursor: string | null }> {
    return (await this.#job('list', query)) as { jobs: JobView[]; cursor: string | null };
  }

  /** How many jobs there are, by state and queue. */
  async count(
    query: JobQuery = {},
  ): Promise<{ total: number; byState: Record<JobState, number>; byQueue: Record<string, number> }> {
    return (await this.#job('count', query)) as {
      total: number;
      byState: Record<JobState, number>;
      byQueue: Record<string, number>;
    };
  }

  /** The newest jobs that stand for something outside: "the job of this upload". */
  async findByReference(type: string, id: string): Promise<JobView[]> {
    return (await this.list({ reference: { type, id } })).jobs;
  }

  /**
   * Waits until a job ends.
   * @returns the completed job
   * @throws JobFailed when it was cancelled or discarded, WaitTimeout when the time was over (default 30 s), RotaError
   */
  async wait(id: string, options: { timeoutMs?: number } = {}): Promise<JobView> {
    const { clock, subjects } = this.#world;
    const endMs = clock.monotonicMs() + (options.timeoutMs ?? 30_000);
    for (;;) {
      const leftMs = Math.max(0, Math.ceil(endMs - clock.monotonicMs()));
      const timeoutMs = Math.min(leftMs, WAIT_MS_MAX);
      const send = (): Promise<unknown> =>
        this.#once(subjects.job('wait'), { id, timeoutMs }, { tryMs: timeoutMs + ANSWER_MARGIN_MS });
      const answered = await untilDeadline(send, leftMs + ANSWER_MARGIN_MS, this.#trier);
      const job = answered as JobView & { timedOut?: boolean };
      if (job.timedOut !== true) {
        if (job.state === 'completed') return job;
        throw new JobFailed(job);
      }
      if (clock.monotonicMs() >= endMs) throw new WaitTimeout(job);
    }
  }

  /** Cancels: a running job is cancelled at once and its signal aborts. Cancelling a cancelled one answers it. */
  readonly cancel: JobVerb<{ terminate?: boolean }>;
  /** Makes jobs available again, also those that have ended; with one more attempt where none is left. */
  readonly retry: JobVerb;
  /** Deletes jobs that do not execute; one is answered as it was. */
  readonly delete: JobVerb;

  /** Changes a job that does not execute. @throws RotaError `not_found`, `conflict`, `invalid_args` */
  async update(id: string, { scheduledAt, ...changes }: JobUpdate): Promise<JobView> {
    const time = scheduledAt === undefined ? {} : { scheduledAt: timeOf(scheduledAt, 'scheduledAt') };
    const body = wireBody({ id, ...changes, ...time }, { code: 'invalid_request' });
    return (await this.#job('update', body)) as JobView;
  }

  /** Queues as they stand, and their control. */
  readonly queues = new QueueClient({
    control: (verb, body, longerMs = 0) => {
      const { subjects, deadlineMs } = this.#world;
      const once = (tryMs: number) => this.#once(subjects.control('queue', verb), body, { tryMs: tryMs + longerMs });
      return untilDeadline(once, deadlineMs + longerMs, this.#trier);
    },
    count: async (queue, state) => (await this.count({ queue, state })).total,
  });

  /** Schedules as they stand, and their control. */
  readonly schedules: ScheduleClient;

  /** The living nodes, their supervision trees and the types that they know. */
  readonly nodes = {
    list: async (): Promise<Record<string, unknown>[]> => this.#listOf('node', 'list', 'nodes'),
    types: async (): Promise<Record<string, unknown>[]> => this.#listOf('node', 'types', 'types'),
    tree: async (node?: string): Promise<unknown> =>
      this.#send(this.#world.subjects.control('node', 'tree'), node === undefined ? {} : { node }),
  };

  /** What was published to the durable intake and became no job, newest first: at most 1,000, each with the reason. */
  readonly rejected = {
    list: async (): Promise<Record<string, unknown>[]> => this.#listOf('rejected', 'list', 'rejected'),
  };

  /**
   * Job events as they happen, from now on; with no filter every event of the system.
   * @param filter of a queue, of some facts (`completed`, …), or any subject pattern of NATS
   */
  events(filter: { queue?: string; what?: string; subject?: string } = {}): AsyncIterableIterator<ReceivedEvent> {
    const { bus, subjects } = this.#world;
    const { queue, what, subject } = filter;
    if (subject !== undefined) return eventStream(bus, subject);
    if (queue === undefined && what === undefined) return eventStream(bus, subjects.events());
    return eventStream(bus, subjects.event('job', queue ?? '*', what ?? '*'));
  }

  /** Lets the connection go. Nothing is tried again. */
  async close(): Promise<void> {
    await this.#world.close();
    this.#closing.abort();
  }

  async #listOf(kind: string, verb: string, field: string): Promise<Record<string, unknown>[]> {
    const reply = await this.#send(this.#world.subjects.control(kind, verb), {});
    return (reply as Record<string, Record<string, unknown>[]>)[field] ?? [];
  }

  #job(verb: string, body: object): Promise<unknown> {
    return this.#send(this.#world.subjects.job(verb), body);
  }

  #send(
    subject: string,
    body: unknown,
    { headers = {} }: { headers?: Readonly<Record<string, string>> } = {},
  ): Promise<unknown> {
    const { deadlineMs } = this.#world;
    return untilDeadline((tryMs) => this.#once(subject, body, { tryMs, headers }), deadlineMs, this.#trier);
  }

  async #once(
    subject: string,
    value: unknown,
    { tryMs, headers = {} }: { tryMs: number; headers?: Readonly<Record<string, string>> },
  ): Promise<unknown> {
    const { bus, codec } = this.#world;
    return replyValue(await bus.request(subject, { body: Body.of(value, codec), headers }, { timeoutMs: tryMs }));
  }
}

/** A job with an id of our own making is new: that it was there already tells of our own first try, whose answer was lost. */
const ownJob =
  (id: string) =>
  (enqueued: Enqueued): Enqueued =>
    enqueued.conflict && enqueued.id === id ? { ...enqueued, conflict: false } : enqueued;

/** What an answer may take beyond the time that was asked for. */
const ANSWER_MARGIN_MS = 5_000;
