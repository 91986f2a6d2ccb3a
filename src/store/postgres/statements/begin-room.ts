import type { NewJob } from '../../../job/job.ts';
import type { BegunClaim } from '../../begun-claims.ts';
import type { QueueRule, QueueRules } from '../queue-rules.ts';
import type { Transaction } from '../transaction.ts';
import { allows } from '../verb.ts';
import { nothingWaits } from './claim-fresh.ts';
import { runningOf } from './claim-partitions.ts';
import { roomOf } from './queue-room.ts';

const ANY_WAITS = `select 1 from @jobs where queue = $1 and ${allows('claim')} and partition_key is not null limit 1`;

/** How many more jobs of each partition may begin in this group. */
export class PartitionRooms {
  readonly #queues: QueueRules;
  readonly #running: Map<string, number>;

  constructor(queues: QueueRules, running: Map<string, number>) {
    this.#queues = queues;
    this.#running = running;
  }

  has(job: NewJob): boolean {
    const limit = this.#queues.of(job.queue)?.partition?.limit ?? 0;
    return (this.#running.get(this.#keyOf(job)) ?? 0) < limit;
  }

  take(job: NewJob): void {
    const key = this.#keyOf(job);
    this.#running.set(key, (this.#running.get(key) ?? 0) + 1);
  }

  #keyOf = (job: NewJob): string => this.#queues.keyOf(job.queue, job) ?? '';
}

/** Gives a claim what waits in a queue with partitions; whether it got all of that which it may take. */
type ClaimWaiting = (tx: Transaction, claim: BegunClaim, rule: QueueRule) => Promise<boolean>;

/**
 * Whether the limits of a queue, which is locked, leave room for all that its claims may begin of what comes: where they do
 * not, claims share it out among what waits. With partitions claims are first given what waits, once in a group, so that what
 * goes on waiting is of full ones.
 */
export async function roomBeside(
  tx: Transaction,
  rule: QueueRule,
  { claims, claimWaiting }: { claims: readonly BegunClaim[]; claimWaiting: ClaimWaiting },
): Promise<PartitionRooms | 'unbound' | 'none'> {
  const { queue, partition } = rule;
  const coming = tx.claims?.comingTo(queue)?.jobs ?? 0;
  const now = Math.min(...claims.map(({ options }) => options.now));
  const waits = partition !== null && (await tx.lists(ANY_WAITS, [queue])).length > 0;
  const claimed = claims.reduce((sum, { room }) => sum + room, 0);
  if ((await roomOf(tx, rule, now)) < (waits ? claimed : Math.min(claimed, coming))) return 'none';
  if (partition === null) {
    for (const { options } of claims) if (!(await nothingWaits(tx, options))) return 'none';
    return 'unbound';
  }
  if (claims.some(({ hasLooked }) => hasLooked)) return 'none';
  let isAll = true;
  for (const claim of claims) {
    claim.hasLooked = true;
    if (waits) isAll = (await claimWaiting(tx, claim, rule)) && isAll;
  }
  if (!isAll || !tx.claims?.mayBeginByPartition(queue)) return 'none';
  return new PartitionRooms(tx.queues, await runningOf(tx, queue));
}
