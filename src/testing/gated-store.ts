import type { ClaimedJob } from '../job/job.ts';
import type { JobFact } from '../job/job-event.ts';
import type { JobStore, StoreAnswer, StoreReply, StoreRequest } from '../store/job-store.ts';

/** What passes an open gate: claims of one queue or of all, until so many attempts have begun. */
export interface Passing {
  queue: string | undefined;
  attemptsMax: number;
}

const NOTHING: StoreReply = { ok: true, answer: [], facts: [] };

/**
 * A store with a gate before its claims: while it is closed, queues find nothing to do and jobs wait to be looked at.
 * Everything else passes. It also tells the facts that were committed.
 */
export class GatedStore implements JobStore {
  readonly #store: JobStore;
  readonly #onFacts: (facts: readonly JobFact[]) => void;
  readonly #timeouts = new Map<string, number>();
  #passes: (queue: string) => boolean = () => false;
  /** Queues whose claims found the gate closed, or nothing: woken again by each `stage` while the gate is open. */
  readonly #emptyHanded = new Set<string>();
  #attemptsMax = 0;
  #attempts = 0;

  constructor(store: JobStore, onFacts: (facts: readonly JobFact[]) => void) {
    this.#store = store;
    this.#onFacts = onFacts;
  }

  get capabilities() {
    return this.#store.capabilities;
  }

  /** Lets claims pass. The next `stage` wakes those that were turned away. */
  open({ queue, attemptsMax }: Passing): void {
    this.#attemptsMax = attemptsMax;
    this.#attempts = 0;
    this.#passes = (name) => queue === undefined || name === queue;
  }

  /** Counts attempts anew. */
  renew(): void {
    this.#attempts = 0;
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  /** Turns claims away. */
  shut(): void {
    this.#passes = () => false;
  }

  /** Whether more attempts have begun than may; then it turns claims away. */
  get exhausted(): boolean {
    return this.#attempts > this.#attemptsMax;
  }

  /** How long a claimed run may take, in milliseconds; undefined: as long as it likes. Answered once. */
  takeTimeout(id: string, run: number): number | undefined {
    const key = `${id}:${run}`;
    const timeoutMs = this.#timeouts.get(key);
    this.#timeouts.delete(key);
    return timeoutMs;
  }

  async perform(requests: readonly StoreRequest[]): Promise<StoreReply[]> {
    const passing = requests.filter((request) => this.#mayPass(request));
    const replies = (passing.length > 0 ? await this.#store.perform(passing) : []).values();
    const answered = requests.map((request) =>
      passing.includes(request) ? this.#seen(request, replies.next().value ?? NOTHING) : NOTHING,
    );
    const facts = answered.flatMap((reply) => (reply.ok ? reply.facts : []));
    if (facts.length > 0) this.#onFacts(facts);
    return answered;
  }

  #mayPass(request: StoreRequest): boolean {
    if (request.verb !== 'claim') return true;
    if (!this.exhausted && this.#passes(request.queue)) return true;
    this.#emptyHanded.add(request.queue);
    return false;
  }

  #seen(request: StoreRequest, reply: StoreReply): StoreReply {
    if (!reply.ok) return reply;
    if (request.verb === 'claim') this.#note(request.queue, reply.answer as ClaimedJob[]);
    if (request.verb !== 'stage') return reply;
    // A verb's answer has the verb's shape: the port says so.
    const answer = reply.answer as StoreAnswer<'stage'>;
    const woken = [...this.#emptyHanded].filter((queue) => this.#passes(queue));
    for (const queue of woken) this.#emptyHanded.delete(queue);
    return { ...reply, answer: { ...answer, queues: [...new Set([...answer.queues, ...woken])] } };
  }

  #note(queue: string, jobs: readonly ClaimedJob[]): void {
    if (jobs.length === 0) this.#emptyHanded.add(queue);
    this.#attempts += jobs.length;
    for (const { id, run, timeoutMs } of jobs) if (timeoutMs !== null) this.#timeouts.set(`${id}:${run}`, timeoutMs);
  }
}
