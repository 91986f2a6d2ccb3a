import type { StoreReply, StoreRequest } from '../../store/job-store.ts';

/** For how long an insert of many jobs waits for claims at most, in milliseconds. */
export const HOLD_MS = 100;
/** Where nobody claimed of a queue for so long, nobody is waited for. */
const CLAIMED_WITHIN_MS = 100;

/** Beyond so many queues all are forgotten. */
const LINES_MAX = 10_000;

/** What is known of a queue. */
interface Line {
  /** About how many jobs wait in it. */
  jobs: number;
  /** When it was last claimed of, in monotonic milliseconds. */
  claimedAt: number;
  /** About how many jobs were claimed in the stretch before that. */
  claimed: number;
}

/**
 * Whether inserts of many jobs should wait a moment for claims of their queue. While workers keep up with what comes, a job
 * whose insert is in one transaction with a claim is stored as begun, for three fifths of what it costs to insert it and
 * claim it then; who inserts faster is slowed down to the pace of the workers, by {@link HOLD_MS} a request at most.
 */
export class InsertPace {
  readonly #lines = new Map<string, Line>();
  readonly #isShared: (queue: string) => boolean;

  /** @param isShared whether a claim of a queue may get less than it asks for though more waits */
  constructor(isShared: (queue: string) => boolean) {
    this.#isShared = isShared;
  }

  /** Notes that a group is about to be written. */
  begins(requests: readonly StoreRequest[], now: number): void {
    for (const request of requests) {
      if (request.verb !== 'claim') continue;
      const line = this.#lines.get(request.queue);
      if (line === undefined && this.#lines.size >= LINES_MAX) this.#lines.clear();
      if (line !== undefined) claims(line, 0, now);
      else this.#lines.set(request.queue, { jobs: Number.POSITIVE_INFINITY, claimedAt: now, claimed: 0 });
    }
  }

  /** Notes what became of a group. */
  committed(requests: readonly StoreRequest[], replies: readonly StoreReply[], now: number): void {
    for (const [at, request] of requests.entries()) {
      const reply = replies[at];
      if (reply?.ok !== true) continue;
      if (request.verb === 'insert') {
        for (const { queue, state } of request.jobs) {
          const line = this.#lines.get(queue);
          if (line !== undefined && state === 'available') line.jobs += 1;
        }
      }
      if (request.verb === 'claim') {
        const line = this.#lines.get(request.queue);
        if (line === undefined) continue;
        const claimed = (reply.answer as unknown[]).length;
        const left = Math.max(0, line.jobs - claimed);
        // Who gets less than it asked for leaves nothing. Where limits may have cut it, what went another way is not known.
        const isShort = claimed < request.limit;
        const mayLeave = this.#isShared(request.queue) && Number.isFinite(left);
        line.jobs = isShort ? (mayLeave ? Math.floor(left / 2) : 0) : left;
        claims(line, claimed, now);
      }
    }
  }

  /** How many jobs stand before new ones that gain by waiting for claims; undefined: they do not. */
  before(queue: string, now: number): number | undefined {
    const line = this.#lines.get(queue);
    if (line === undefined || now - line.claimedAt > CLAIMED_WITHIN_MS) return undefined;
    // Where more wait than workers take meanwhile, new ones do not begin however long they wait.
    return line.jobs > line.claimed ? undefined : line.jobs;
  }
}

/** Notes that jobs were claimed. */
function claims(line: Line, jobs: number, now: number): void {
  const left = Math.exp((line.claimedAt - now) / CLAIMED_WITHIN_MS);
  line.claimed = line.claimed * left + jobs;
  line.claimedAt = now;
}
