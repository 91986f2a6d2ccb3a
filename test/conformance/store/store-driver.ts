import { expect } from 'vitest';
import type { ClaimedJob, Job, NewJob } from '../../../src/job/job.ts';
import type { JobFact } from '../../../src/job/job-event.ts';
import type { Outcome } from '../../../src/job/outcome.ts';
import { assert } from '../../../src/kernel/error.ts';
import { uuidSource } from '../../../src/kernel/identity.ts';
import { wholeClaim } from '../../../src/store/begun-job.ts';
import type {
  JobStore,
  SettleResult,
  StoreAnswer,
  StoreOptions,
  StoreReply,
  StoreRequest,
  StoreVerb,
} from '../../../src/store/job-store.ts';

/** When the tests begin: a round time, so that differences read well. */
export const T0 = Date.parse('2026-01-05T10:00:00.000Z');

/** Every place of an outbox. */
export const ALL_PLACES = [{ from: 0, to: Number.MAX_SAFE_INTEGER }];

/** Ids that are the same in every run. */
export const testIds = uuidSource({ now: () => T0, monotonicMs: () => 0, setTimeout: () => 0, clearTimeout: () => {} });

/** A job about to be stored, with what a test says of it. */
export function newJob(part: Partial<NewJob> = {}): NewJob {
  return {
    id: testIds(),
    type: 'test.job',
    queue: 'default',
    state: 'available',
    args: { to: 'somebody' },
    priority: 5,
    maxAttempts: 20,
    scheduledAt: T0,
    insertedAt: T0,
    tags: [],
    meta: {},
    reference: null,
    schedule: null,
    backoff: null,
    timeoutMs: null,
    deadlineAt: null,
    traceparent: null,
    ...part,
  };
}

/** A job for later. */
export const laterJob = (scheduledAt: number, part: Partial<NewJob> = {}): NewJob =>
  newJob({ ...part, scheduledAt, state: 'scheduled' });

/** Says one verb at a time to a store and reads the answer with its type. */
export class StoreDriver {
  store: JobStore;
  /** The facts of the last request. */
  facts: JobFact[] = [];

  constructor(store: JobStore) {
    this.store = store;
  }

  async do<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>> {
    const [reply] = await this.group(request(verb, options));
    if (!reply?.ok) throw new Error(`${verb} was refused: ${JSON.stringify(reply?.error)}`);
    this.facts = reply.facts;
    // The verb that was sent has this answer.
    return reply.answer as StoreAnswer<V>;
  }

  async refused<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<{ code: string; message: string }> {
    const [reply] = await this.group(request(verb, options));
    assert(reply !== undefined && !reply.ok, `${verb} is refused`);
    return reply.error;
  }

  async group(...requests: StoreRequest[]): Promise<StoreReply[]> {
    const replies = await this.store.perform(requests);
    return replies.map((reply, at) => {
      if (!reply.ok || requests[at]?.verb !== 'claim') return reply;
      return { ...reply, answer: (reply.answer as ClaimedJob[]).map(wholeClaim) };
    });
  }

  whats(): string[] {
    return this.facts.map(({ what }) => what);
  }

  /** A store may make a row only where it is looked at: here all are. */
  async insert(...jobs: NewJob[]): Promise<StoreAnswer<'insert'>> {
    return (await this.do('insert', { jobs })).map(({ job, conflict }) => ({ job, conflict }));
  }

  /** The row; leaves the facts of the request before in place. */
  async job(id: string): Promise<Job> {
    const { facts } = this;
    const [job] = await this.do('get', { ids: [id] });
    this.facts = facts;
    assert(job !== undefined, `the job ${id} is there`);
    return job;
  }

  claim(part: Partial<StoreOptions<'claim'>> = {}): Promise<ClaimedJob[]> {
    return this.do('claim', { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', limit: 10, ...part });
  }

  /** Inserts one job and claims it. */
  async running(part: Partial<NewJob> = {}, claim: Partial<StoreOptions<'claim'>> = {}): Promise<ClaimedJob> {
    const job = newJob(part);
    await this.insert(job);
    const [claimed] = await this.claim({ queue: job.queue, limit: 1, ...claim });
    assert(claimed?.id === job.id, 'the job that was inserted is claimed');
    return claimed;
  }

  settle(
    job: Pick<ClaimedJob, 'id' | 'attempt' | 'run'>,
    outcome: Outcome,
    part: SettlePart = {},
  ): Promise<SettleResult> {
    const { now = T0, worker = 'worker-a', ...ref } = part;
    const { id, attempt, run } = job;
    return this.do('settle', { now, worker, outcomes: [{ id, attempt, run, ...ref, ...outcome }] });
  }

  complete(job: Pick<ClaimedJob, 'id' | 'attempt' | 'run'>, part: SettlePart = {}): Promise<SettleResult> {
    return this.settle(job, { outcome: 'complete', result: null }, part);
  }

  beat(
    running: StoreOptions<'beat'>['running'],
    part: Partial<StoreOptions<'beat'>> = {},
  ): Promise<StoreAnswer<'beat'>> {
    const options = { now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', beatMs: 5_000 };
    return this.do('beat', { ...options, running, ...part });
  }

  /** The sums that the store keeps must be the sums of its rows, whatever happened before. */
  async expectCountsHold(): Promise<void> {
    const summed = await this.do('count', { filter: {} });
    const counted = await this.do('count', { filter: { after: -1 } });
    expect(summed).toEqual(counted);
  }
}

interface SettlePart {
  now?: number;
  worker?: string;
  attempt?: number;
  run?: number;
  insertedAt?: number;
}

/** A request for a group. */
export function request<V extends StoreVerb>(verb: V, options: StoreOptions<V>): StoreRequest {
  // The verb and its own options are a member of the union, which the compiler does not see for a type parameter.
  return { verb, ...options } as unknown as StoreRequest;
}

/** An error as a worker tells it. */
export const failure = (message = 'it broke', retryInMs?: number): Outcome => ({
  outcome: 'fail',
  error: { kind: 'error', message },
  ...(retryInMs === undefined ? {} : { retryInMs }),
});
