import { StatementSync } from 'node:sqlite';
import type { ClaimedJob, Job } from '../../src/job/job.ts';
import { assert } from '../../src/kernel/error.ts';
import type { JobPage, JobStore, StoreAnswer, StoreReply, StoreRequest } from '../../src/store/job-store.ts';
import { faultIsAt, passFaultPoint } from './fault-point.ts';

/** What the transaction that is being written does: the points before its commit. */
let inTransaction: string[] = [];

const run = StatementSync.prototype.run;
StatementSync.prototype.run = function (this: StatementSync, ...values: unknown[]) {
  // Every change of the group is made and nothing of it is durable.
  if (this.sourceSQL === 'commit') for (const step of inTransaction) passFaultPoint(`${step}:commit`);
  return Reflect.apply(run, this, values);
};

/**
 * A store with fault points around each commit: `<step>:commit` right before it, inside the transaction, and
 * `<step>:committed` right after it, before anybody is told. A step is a verb that does something; settlements that hand
 * back count as `release`.
 */
export class FaultStore implements JobStore {
  readonly #store: JobStore;
  readonly #openedAt = Date.now();
  /** Attempts that were claimed in this life. */
  readonly #claimed = new Set<string>();

  constructor(store: JobStore) {
    this.#store = store;
  }

  get capabilities() {
    return this.#store.capabilities;
  }

  async perform(requests: readonly StoreRequest[]): Promise<StoreReply[]> {
    const before: string[] = [];
    for (const request of requests) {
      const step = stepOf(request);
      if (faultIsAt(`${step}:commit`) && (await this.#willDo(request))) before.push(step);
    }
    inTransaction = before;
    const written = this.#store.perform(requests);
    inTransaction = [];
    const replies = await written;
    for (const [index, request] of requests.entries()) this.#passAfter(request, replies[index]);
    return replies;
  }

  async close(): Promise<void> {
    passFaultPoint('close:before');
    await this.#store.close();
    passFaultPoint('close:after');
  }

  #passAfter(request: StoreRequest, reply: StoreReply | undefined): void {
    if (!reply?.ok) return;
    // A verb's answer has the verb's shape: the port says so.
    if (request.verb === 'claim') for (const job of reply.answer as ClaimedJob[]) this.#claimed.add(attemptOf(job));
    if (hasDone(request, reply.answer)) passFaultPoint(`${stepOf(request)}:committed`);
  }

  /** Whether a request is about to change something. Looked at beforehand, for in the transaction it is too late to ask. */
  async #willDo(request: StoreRequest): Promise<boolean> {
    switch (request.verb) {
      case 'claim':
        return (await this.#jobs({ states: ['available'], queue: request.queue })).length > 0;
      case 'stage':
        return (await this.#jobs({ states: ['scheduled', 'retryable'] })).some(
          ({ scheduledAt }) => scheduledAt <= request.now,
        );
      case 'rescue':
        // Jobs of an earlier life, whose workers gave no sign since before this one began.
        if (request.deadBefore < this.#openedAt) return false;
        return (await this.#jobs({ states: ['executing'] })).some((job) => !this.#claimed.has(attemptOf(job)));
      case 'tick':
        return request.ticks.some(({ jobs }) => jobs.length > 0);
      default:
        return true;
    }
  }

  async #jobs(filter: Extract<StoreRequest, { verb: 'list' }>['filter']): Promise<Job[]> {
    const [reply] = await this.#store.perform([{ verb: 'list', filter, limit: 500, order: 'asc' }]);
    assert(reply?.ok, 'the jobs are listed');
    return (reply.answer as JobPage).jobs;
  }
}

const attemptOf = ({ id, run: number }: { id: string; run: number }): string => `${id} ${number}`;

function stepOf(request: StoreRequest): string {
  if (request.verb !== 'settle') return request.verb;
  return request.outcomes.some(({ outcome }) => outcome === 'release') ? 'release' : 'settle';
}

function hasDone({ verb }: StoreRequest, answer: unknown): boolean {
  switch (verb) {
    case 'claim':
      return (answer as StoreAnswer<'claim'>).length > 0;
    case 'settle':
      return (answer as StoreAnswer<'settle'>).settled.length > 0;
    case 'stage':
      return (answer as StoreAnswer<'stage'>).staged > 0;
    case 'rescue':
      return (answer as StoreAnswer<'rescue'>).rescued > 0;
    case 'tick':
      return (answer as StoreAnswer<'tick'>).some(({ jobs }) => jobs.length > 0);
    default:
      return true;
  }
}
