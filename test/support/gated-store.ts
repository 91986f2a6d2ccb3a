import type { NewJob } from '../../src/job/job.ts';
import type {
  BegunAnswer,
  JobStore,
  OnBegun,
  StoreCapabilities,
  StoreReply,
  StoreRequest,
} from '../../src/store/job-store.ts';

interface Gate {
  requests: readonly StoreRequest[];
  replies: PromiseWithResolvers<StoreReply[]>;
  onBegun: OnBegun | undefined;
}

/** A store that records its groups and commits when it is told to. Where nothing is said of its replies, claims get nothing. */
export class GatedStore {
  readonly groups: (readonly StoreRequest[])[] = [];
  readonly capabilities: StoreCapabilities = { name: 'gated', durable: false, shared: false, groupsMax: 1 };
  readonly #gates: Gate[] = [];
  readonly store = {
    capabilities: this.capabilities,
    perform: (requests: readonly StoreRequest[], onBegun?: OnBegun) => {
      this.groups.push(requests);
      const replies = Promise.withResolvers<StoreReply[]>();
      this.#gates.push({ requests, replies, onBegun });
      return replies.promise;
    },
  } as unknown as JobStore;

  /** How many groups are being written. */
  get writing(): number {
    return this.#gates.length;
  }

  /** What a group that is being written holds; the oldest is at 0. */
  begun(at: number): readonly StoreRequest[] {
    return this.#gates[at]?.requests ?? [];
  }

  /** Tells of claims of the oldest group before it is durable. */
  async tellEarly(claims: readonly BegunAnswer[]): Promise<void> {
    await this.#gates[0]?.onBegun?.(claims);
  }

  /** Commits the oldest group, or the one at a place; what it held. */
  commit(replies?: StoreReply[], at = 0): readonly StoreRequest[] {
    const [gate] = this.#gates.splice(at, 1);
    gate?.replies.resolve(replies ?? gate.requests.map((request, index) => usual(request, index)));
    return gate?.requests ?? [];
  }

  /** Fails the oldest group, or the one at a place; what it held. */
  fail(error: Error, at = 0): readonly StoreRequest[] {
    const [gate] = this.#gates.splice(at, 1);
    gate?.replies.reject(error);
    return gate?.requests ?? [];
  }
}

function usual({ verb }: StoreRequest, index: number): StoreReply {
  return { ok: true, answer: verb === 'claim' ? [] : index, facts: [] };
}

/** An insert of plain jobs. */
export function insertOf(jobs: number, parts: Partial<NewJob> = {}): StoreRequest {
  const job: NewJob = {
    ...{ id: '', type: 't', queue: 'q', args: {}, state: 'available', priority: 0, maxAttempts: 1 },
    ...{ scheduledAt: 0, insertedAt: 0, tags: [], meta: {}, reference: null, schedule: null, backoff: null },
    ...{ timeoutMs: null, deadlineAt: null, traceparent: null },
    ...parts,
  };
  return { verb: 'insert', jobs: Array.from({ length: jobs }, () => job) };
}

/** A claim of so many jobs. */
export function claimOf(limit: number, queue = 'q'): StoreRequest {
  return { verb: 'claim', queue, limit, worker: 'w', node: 'n', now: 0 };
}
