import { StatementSync } from 'node:sqlite';
import type { ClaimedJob, Job } from '../../src/job/job.ts';
import { assert } from '../../src/kernel/error.ts';
import type { JobPage, JobStore, OnBegun, StoreAnswer, StoreReply, StoreRequest } from '../../src/store/job-store.ts';
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
 * `<step>:committed` right after it, before anybody is told, and between them `begun:written` and `begun:handed`, before and
 * after claims are told of jobs whose group is not yet durable. A step is a verb that does something; settlements that hand
 * back count as `release` and those of a timeout as `timeout`, inserts of the durable intake as `keep`, of a message that is
 * handled alone as `alone`, and the rejection of one that was so too often as `giveUp`.
 */
export class FaultStore implements JobStore {
  readonly #store: JobStore;
  readonly #openedAt = Date.now();
  /** Attempts that were claimed in this life. */
  readonly #claimed = new Set<string>();
  /** The next insert of the durable intake is of a message that is handled alone. */
  #alone = false;

  constructor(store: JobStore) {
    this.#store = store;
  }

  get capabilities() {
    return this.#store.capabilities;
  }

  async perform(requests: readonly StoreRequest[], onBegun?: OnBegun): Promise<StoreReply[]> {
    const before: string[] = [];
    const steps = requests.map((request) => this.#stepOf(request));
    for (const [index, request] of requests.entries()) {
      const step = steps[index] ?? '';
      if (faultIsAt(`${step}:commit`) && (await this.#willDo(request))) before.push(step);
    }
    inTransaction = before;
    const written = this.#store.perform(requests, async (claims) => {
      passFaultPoint('begun:written');
      await onBegun?.(claims);
      passFaultPoint('begun:handed');
    });
    inTransaction = [];
    const replies = await written;
    for (const [index, request] of requests.entries()) {
      const reply = replies[index];
      if (reply?.ok) this.#passAfter(request, reply.answer, steps[index] ?? '');
    }
    return replies;
  }

  async close(): Promise<void> {
    passFaultPoint('close:before');
    await this.#store.close();
    passFaultPoint('close:after');
  }

  #passAfter(request: StoreRequest, answer: unknown, step: string): void {
    // A verb's answer has the verb's shape: the port says so.
    if (request.verb === 'claim') for (const job of answer as ClaimedJob[]) this.#claimed.add(attemptOf(job));
    if (hasDone(request, answer)) passFaultPoint(`${step}:committed`);
  }

  #stepOf(request: StoreRequest): string {
    switch (request.verb) {
      case 'settle': {
        const { outcomes } = request;
        if (outcomes.some(({ outcome }) => outcome === 'release')) return 'release';
        const timedOut = outcomes.some((report) => report.outcome === 'fail' && report.error.kind === 'timeout');
        return timedOut ? 'timeout' : 'settle';
      }
      case 'suspect':
        this.#alone = true;
        return 'suspect';
      case 'insert': {
        if (!request.brief) return 'insert';
        const alone = this.#alone;
        this.#alone = false;
        return alone ? 'alone' : 'keep';
      }
      case 'reject':
        return request.rejected.some(({ message }) => /handled .* alone/.test(message)) ? 'giveUp' : 'reject';
      default:
        return request.verb;
    }
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

function hasDone(request: StoreRequest, answer: unknown): boolean {
  switch (request.verb) {
    case 'claim':
      return (answer as StoreAnswer<'claim'>).length > 0;
    case 'settle':
      // What is not refused is settled, also where nobody asks for it by name.
      return request.outcomes.length > (answer as StoreAnswer<'settle'>).refused.length;
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
