import type { ClaimedJob, NewJob } from '../job/job.ts';
import type { JobFact } from '../job/job-event.ts';
import { utf8Bytes } from '../kernel/json.ts';
import { BegunJob } from './begun-job.ts';
import { CLAIM_FRAME_BYTES } from './claim-size.ts';
import type { BegunAnswer, ClaimOptions, StoreRequest, StoreVerb } from './job-store.ts';

/** More than any job takes of a claim's answer, in bytes. */
const JOB_BYTES_MAX = 400 * 1024;

/**
 * A claim in a group that also inserts jobs of its queue. Where nothing waits before them, those that it takes are stored
 * as executing at once: one row is written instead of a row and its change, and what may be claimed is not touched.
 */
export class BegunClaim {
  readonly options: ClaimOptions;
  /** What it has got so far, and the facts of that. */
  readonly jobs: ClaimedJob[] = [];
  readonly facts: JobFact[] = [];
  /** Whether it was given what waited before the group. */
  hasLooked = false;
  /** How many of its jobs are spoken for. */
  #spoken = 0;
  #bytesLeft: number;
  #begun = 0;

  constructor(options: ClaimOptions) {
    this.options = options;
    this.#bytesLeft = options.bytesMax ?? Number.POSITIVE_INFINITY;
  }

  /** Whether all that it has got began as it was stored. */
  get isAllNew(): boolean {
    return this.#begun > 0 && this.#begun === this.jobs.length;
  }

  /** How many more jobs it takes. */
  get room(): number {
    return this.#bytesLeft > 0 ? this.options.limit - this.#spoken : 0;
  }

  /** What it may claim beside what it has got: nothing where a job of any size might be too large for its answer. */
  get rest(): ClaimOptions | undefined {
    if (this.room <= 0 || this.#bytesLeft < JOB_BYTES_MAX) return undefined;
    const bytes = this.options.bytesMax === undefined ? {} : { bytesMax: this.#bytesLeft };
    return { ...this.options, limit: this.room, ...bytes };
  }

  /** Whether it takes jobs of a type, if it has room. */
  takes(type: string): boolean {
    return this.options.types?.includes(type) ?? true;
  }

  /** All that it has got and what else it claimed, in the order of claims. */
  with(others: readonly ClaimedJob[]): ClaimedJob[] {
    for (const job of others) this.jobs.push(job);
    // What waited, what came and what else there was are in order each.
    return this.jobs.sort((a, b) => a.priority - b.priority || a.scheduledAt - b.scheduledAt);
  }

  /** It is given what waited before the group. */
  take(jobs: readonly ClaimedJob[]): void {
    for (const job of jobs) this.jobs.push(job);
    this.#spoken += jobs.length;
    if (this.#bytesLeft === Number.POSITIVE_INFINITY || this.room === 0) return;
    // Each with what stands between it and the next.
    for (const job of jobs) this.#bytesLeft -= utf8Bytes(JSON.stringify(job)) + 1;
  }

  /**
   * Speaks for jobs of a type, which are about to be stored for it; false where they do not fit, and it gets no more.
   * @param args of each, as JSON
   */
  reserve(type: string, args: readonly string[]): boolean {
    let bytes = args.length * (CLAIM_FRAME_BYTES + type.length);
    for (const text of args) bytes += utf8Bytes(text);
    this.#bytesLeft -= bytes;
    if (this.#bytesLeft < 0) return false;
    this.#spoken += args.length;
    return true;
  }

  /** So many of those that it was spoken for were not stored: they are there already. */
  missed(jobs: number): void {
    this.#spoken -= jobs;
  }

  /** A job was stored for it. @param args as JSON */
  begin(job: NewJob, args: string): ClaimedJob {
    const begun = new BegunJob(job, args);
    this.jobs.push(begun);
    this.#begun += 1;
    return begun;
  }
}

/** Verbs that neither look at what waits nor change it. */
const LEAVES_WAITING: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  ...(['touch', 'progress', 'unannounced', 'announced', 'lead', 'resign', 'leader'] as const),
  ...(['registerNode', 'removeNode', 'nodes', 'takeRequests', 'finishRequests', 'holdRequests'] as const),
]);

/** Whether it is all the same for what waits if a request is done before or after jobs come. */
const leavesWaiting = (request: StoreRequest): boolean =>
  request.verb === 'settle'
    ? request.outcomes.every(({ outcome }) => outcome !== 'release')
    : LEAVES_WAITING.has(request.verb);

/** The jobs that come for a queue. */
export interface ComingJobs {
  /** By the order of claims. */
  readonly first: NewJob;
  jobs: number;
  readonly types: Set<string>;
}

/** The claims of a group, of queues that it inserts jobs into. */
export class BegunClaims {
  readonly #byQueue = new Map<string, BegunClaim[]>();
  readonly #coming = new Map<string, ComingJobs>();
  readonly #closed = new Set<string>();
  #hasEndsBetween = false;

  /**
   * @param requests of the group; none of its claims counts where one comes before an insert, and none behind what may
   * change what waits: that would find what came as executing
   */
  constructor(requests: readonly StoreRequest[]) {
    let [hasInserts, isOver] = [false, false];
    for (const request of requests) {
      if (request.verb === 'claim') {
        if (!isOver) this.#add(request);
      } else if (request.verb === 'insert') {
        if (this.#byQueue.size > 0) {
          this.#byQueue.clear();
          return;
        }
        hasInserts = true;
      } else {
        isOver ||= hasInserts && !leavesWaiting(request);
        this.#hasEndsBetween ||= hasInserts && request.verb === 'settle';
      }
    }
    if (this.#byQueue.size > 0) this.#leaveOrdered(requests);
  }

  /** The claims of a queue in order, if what comes for it comes in the order of claims. */
  of(queue: string): readonly BegunClaim[] | undefined {
    return this.#closed.has(queue) ? undefined : this.#byQueue.get(queue);
  }

  /** From now on no job of a queue begins. */
  close(queue: string): void {
    this.#closed.add(queue);
  }

  /** What of the group comes for a queue and may be claimed. */
  comingTo(queue: string): ComingJobs | undefined {
    return this.#coming.get(queue);
  }

  /**
   * Whether the jobs of a queue with partitions may begin: every claim must take all that comes, so that none waits behind
   * another partition's, and nothing may free a partition between a job that waits for it and the claims.
   */
  mayBeginByPartition(queue: string): boolean {
    const { jobs, types } = this.#coming.get(queue) ?? { jobs: 0, types: new Set<string>() };
    const open = (this.of(queue) ?? []).filter(({ room }) => room > 0);
    const room = open.reduce((sum, claim) => sum + claim.room, 0);
    return (
      !this.#hasEndsBetween && jobs <= room && open.every((claim) => [...types].every((type) => claim.takes(type)))
    );
  }

  /** What a claim of the group has got already; undefined: it was not looked at. */
  got(options: ClaimOptions): BegunClaim | undefined {
    return this.#byQueue.get(options.queue)?.find((claim) => claim.options === options);
  }

  /** The claims that got nothing but jobs which the group stored. @param requests of the group, all of them done */
  allNew(requests: readonly StoreRequest[]): BegunAnswer[] {
    const answers: BegunAnswer[] = [];
    if (this.#byQueue.size === 0) return answers;
    for (const [index, request] of requests.entries()) {
      const got = request.verb === 'claim' ? this.got(request) : undefined;
      if (got?.isAllNew) answers.push({ index, jobs: got.jobs });
    }
    return answers;
  }

  #add(options: ClaimOptions): void {
    const claims = this.#byQueue.get(options.queue);
    const claim = new BegunClaim(options);
    if (claims === undefined) this.#byQueue.set(options.queue, [claim]);
    else claims.push(claim);
  }

  #leaveOrdered(requests: readonly StoreRequest[]): void {
    const last = new Map<string, NewJob>();
    for (const request of requests) {
      if (request.verb !== 'insert') continue;
      for (const job of request.jobs) {
        if (job.state !== 'available' || !this.#byQueue.has(job.queue)) continue;
        const before = last.get(job.queue);
        if (before !== undefined && (before.priority !== job.priority || before.scheduledAt > job.scheduledAt)) {
          this.#byQueue.delete(job.queue);
        } else last.set(job.queue, job);
        const coming = this.#coming.get(job.queue);
        if (coming === undefined) this.#coming.set(job.queue, { first: job, jobs: 1, types: new Set([job.type]) });
        else {
          coming.jobs += 1;
          coming.types.add(job.type);
        }
      }
    }
  }
}
