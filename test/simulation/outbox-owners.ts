import type { JobFact } from '../../src/job/job-event.ts';
import type { StoreAnswer, StoreReply, StoreRequest } from '../../src/store/job-store.ts';

/** How long a fact is its owner's alone to announce, in milliseconds: what the PostgreSQL adapter grants. */
const OWNED_MS = 10_000;
/** How many facts a fellow's may stand before one's own. */
const READ_MAX = 10_000;

/** Who of several owners of one store may announce which fact: who wrote it, or anybody once that one gave no sign. */
export class OutboxOwners {
  readonly #owners = new Map<number, { by: string; untilMs: number }>();
  readonly #now: () => number;

  /** @param now the database's time in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What is asked instead: facts of others are left out afterwards, so more have to be read. */
  asked(request: StoreRequest): StoreRequest {
    return request.verb === 'unannounced' ? { ...request, limit: READ_MAX } : request;
  }

  /** Notes whose the facts of a reply are, and leaves out what is another's. */
  answered(request: StoreRequest, reply: StoreReply, by: string): StoreReply {
    if (!reply.ok) return reply;
    const untilMs = this.#now() + OWNED_MS;
    for (const { outboxSeq } of reply.facts) if (outboxSeq !== undefined) this.#owners.set(outboxSeq, { by, untilMs });
    if (request.verb !== 'unannounced') return reply;
    // A verb's answer has the verb's shape: the port says so.
    const facts = (reply.answer as StoreAnswer<'unannounced'>).filter((fact) => this.#mayTell(fact, by));
    const answer = facts.slice(0, request.limit);
    for (const { outboxSeq = -1 } of answer) this.#owners.set(outboxSeq, { by, untilMs });
    return { ...reply, answer };
  }

  /** One owner has closed its store: the rest is everybody's at once. */
  left(by: string): void {
    for (const [seq, owner] of this.#owners) if (owner.by === by) this.#owners.delete(seq);
  }

  #mayTell({ outboxSeq = -1 }: JobFact, by: string): boolean {
    const owner = this.#owners.get(outboxSeq);
    return owner === undefined || owner.by === by || owner.untilMs < this.#now();
  }
}
