import type { ClaimedJob } from '../../job/job.ts';
import { RotaError } from '../../kernel/error.ts';
import { isToken } from '../../kernel/identity.ts';
import { Body } from '../../messaging/body.ts';
import type { Message } from '../../messaging/bus.ts';
import { briefClaimsText, wantsBrief } from '../../messaging/contract/brief.ts';
import { endpointName } from '../../messaging/contract/endpoints.ts';
import { claimedView } from '../../messaging/contract/job-view.ts';
import { readRequest } from '../../messaging/contract/request.ts';
import {
  beatRequest,
  claimRequest,
  progressRequest,
  settleRequest,
  withdrawRequest,
} from '../../messaging/contract/work.ts';
import { listBytesMax } from '../../messaging/payload.ts';
import { answer, answerCodec, isFromHere, refuse } from '../../messaging/reply.ts';
import { tokensAfter, WORK_VERBS, type WorkVerb } from '../../messaging/subjects.ts';
import type { RefusalReason, StoreAnswer, StoreOptions, StoreVerb } from '../../store/job-store.ts';
import { RequestCounts } from '../request-counts.ts';
import type { PersistenceWorld } from './persistence.ts';
import type { WaitingClaim } from './waiting-claims.ts';

/** What the desk needs of the actor around it. */
export interface WorkDeskParts {
  world: PersistenceWorld;
  perform<V extends StoreVerb>(verb: V, options: StoreOptions<V>): Promise<StoreAnswer<V>>;
  /** Tries a claim, and lets it wait for up to `waitMs` for its first job. */
  wait(claim: WaitingClaim, waitMs: number): void;
  /** Answers a worker's waiting claims of a queue with nothing. */
  withdraw(queue: string, worker: string): number;
  knowsQueue(name: string): Promise<boolean>;
  /** Whether a settlement may claim for the slots that it frees: not where another claim waits or workers share limits. */
  mayTakeAlong(queue: string): boolean;
  /** Counts stale settlements and beats. */
  count(reason: RefusalReason, times: number): void;
}

/** Serves `work.<queue>.claim|beat|settle|progress`, the same for our own workers and for anybody's. */
export class WorkDesk {
  readonly #parts: WorkDeskParts;
  readonly counts: RequestCounts;

  constructor(parts: WorkDeskParts) {
    this.#parts = parts;
    this.counts = new RequestCounts(
      parts.world.clock,
      WORK_VERBS.map((verb) => endpointName(['work', '', verb])),
    );
  }

  /** Deals with one request; never throws. */
  async serve(message: Message): Promise<void> {
    await this.counts.count(
      endpointName(tokensAfter(message.subject, 1)),
      async () => {
        const { queue, verb } = readSubject(message.subject);
        await this.#serveVerb(queue, verb, message);
      },
      (error) => refuse(message, error),
    );
  }

  #serveVerb(queue: string, verb: WorkVerb, message: Message): Promise<void> {
    switch (verb) {
      case 'claim':
        return this.#claim(queue, message);
      case 'withdraw':
        return this.#withdraw(queue, message);
      case 'beat':
        return this.#beat(queue, message);
      case 'settle':
        return this.#settle(queue, message);
      case 'progress':
        return this.#progress(message);
    }
  }

  async #claim(queue: string, message: Message): Promise<void> {
    const { worker, node, limit = 1, waitMs = 0, types } = readRequest(message.body.value, claimRequest);
    if (!(await this.#parts.knowsQueue(queue))) {
      throw new RotaError('not_found', `no living node's config names the queue "${queue}"`);
    }
    const { clock } = this.#parts.world;
    const bytesMax = this.#claimBytesMax(message);
    const options = {
      queue,
      worker: worker.toLowerCase(),
      node,
      limit,
      bytesMax,
      ...(types === undefined ? {} : { types }),
    };
    if (waitMs === 0) return this.#hand(message, await this.#parts.perform('claim', { ...options, now: clock.now() }));
    const hand = (jobs: readonly ClaimedJob[]): void => this.#hand(message, jobs);
    const isOwn = isFromHere(message);
    this.#parts.wait({ options, isOwn, answer: hand, refuse: (error) => refuse(message, error) }, waitMs);
  }

  async #withdraw(queue: string, message: Message): Promise<void> {
    const { worker } = readRequest(message.body.value, withdrawRequest);
    answer(message, { withdrawn: this.#parts.withdraw(queue, worker.toLowerCase()) });
  }

  #hand(message: Message, jobs: readonly ClaimedJob[]): void {
    const { leaseMs, beatMs } = this.#parts.world;
    answerClaimed(message, { leaseMs, beatMs }, jobs);
  }

  async #beat(queue: string, message: Message): Promise<void> {
    const { worker, node, running } = readRequest(message.body.value, beatRequest);
    const { clock, beatMs } = this.#parts.world;
    const result = await this.#parts.perform('beat', {
      now: clock.now(),
      queue,
      worker: worker.toLowerCase(),
      node: node ?? null,
      running,
      beatMs,
    });
    this.#parts.count('not_owner', result.lost.length);
    answer(message, result);
  }

  /** A settlement may claim with it: both in one transaction, in which it makes room before the claim takes it. */
  async #settle(queue: string, message: Message): Promise<void> {
    const { worker: name, outcomes, claim } = readRequest(message.body.value, settleRequest);
    const { perform, mayTakeAlong, knowsQueue } = this.#parts;
    const claims = claim !== undefined && mayTakeAlong(queue) && (await knowsQueue(queue));
    const now = this.#parts.world.clock.now();
    const worker = name.toLowerCase();
    // Asked in one turn, they are in one group, or the claim is in the next.
    const brief = wantsBrief(message);
    const settling = perform('settle', { now, worker, outcomes, ...(brief ? { brief } : {}) });
    const bytesMax = this.#claimBytesMax(message);
    const claiming = claims ? perform('claim', { ...claim, now, queue, worker, bytesMax }) : Promise.resolve([]);
    const [settled, claimed] = await Promise.allSettled([settling, claiming]);
    const jobs = claimed.status === 'fulfilled' ? claimed.value : [];
    if (settled.status === 'rejected') {
      // Nobody hears of what was claimed.
      const releases = jobs.map(({ id, attempt, run }) => ({ id, attempt, run, outcome: 'release' as const }));
      if (releases.length > 0) await perform('settle', { now, worker, outcomes: releases }).catch(() => {});
      throw settled.reason;
    }
    for (const { reason } of settled.value.refused) this.#parts.count(reason, 1);
    if (claim === undefined) answer(message, settled.value);
    else answerClaimed(message, settled.value, jobs);
  }

  #claimBytesMax(message: Message): number {
    return listBytesMax(this.#parts.world.bus.payloadBytesMax, answerCodec(message));
  }

  async #progress(message: Message): Promise<void> {
    const { worker, progress, ...ref } = readRequest(message.body.value, progressRequest);
    const now = this.#parts.world.clock.now();
    const options = { ...ref, now, worker: worker.toLowerCase(), progress: progress.json };
    const { refused } = await this.#parts.perform('progress', options);
    if (refused === 'not_found') throw new RotaError('not_found', `there is no job ${ref.id}`);
    if (refused !== null) throw new RotaError('conflict', `progress of ${ref.id} is refused: ${refused}`);
    answer(message, {});
  }
}

/** Answers with what was claimed beside other fields. Our own workers ask in JSON, and it is brief only there. */
function answerClaimed(message: Message, beside: object, jobs: readonly ClaimedJob[]): void {
  if (!wantsBrief(message) || answerCodec(message) !== 'json') {
    answer(message, { jobs: jobs.map(claimedView), ...beside });
    return;
  }
  const text = `{${briefClaimsText(jobs)},${JSON.stringify(beside).slice(1)}`;
  message.respond({ body: Body.ofText(text, undefined) });
}

function readSubject(subject: string): { queue: string; verb: WorkVerb } {
  const [queue = '', verb = '', ...rest] = tokensAfter(subject, 2);
  const known = WORK_VERBS.find((word) => word === verb);
  if (!isToken(queue) || known === undefined || rest.length > 0) {
    const message = `${subject} is not served: the worker protocol is work.<queue>.${WORK_VERBS.join('|')}`;
    throw new RotaError('invalid_request', message, { issues: [{ path: 'subject', message }] });
  }
  return { queue, verb: known };
}
