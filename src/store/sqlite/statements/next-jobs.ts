import type { NewJob } from '../../../job/job.ts';
import { isPlain } from '../../alike-jobs.ts';
import type { BegunClaim } from '../../begun-claims.ts';
import type { QueueRule } from '../queue-rules.ts';
import { allows, type StoreWorld } from '../verb.ts';
import { claimer } from './claim.ts';
import type { NewJobs } from './partition-wait.ts';
import { ALIKE_ROWS } from './put-rows.ts';
import { roomOf } from './queue-room.ts';

/** How the next jobs of an insert are stored. */
export interface NextJobs {
  /** How many of them together. */
  count: number;
  /** The claim that they begin for; undefined: none. */
  claim: BegunClaim | undefined;
}

/** Tells how jobs are stored that are alike, {@link ALIKE_ROWS} at most: those that begin, so many together or one by one. */
export function nextJobs(world: StoreWorld): (alike: NewJobs) => NextJobs {
  const claimsFor = claimsThatTake(world);
  const { queues } = world;

  /** As far as their partitions have room. */
  function byPartition(keys: readonly string[], claim: BegunClaim): NextJobs {
    const rooms = new Map<string, number>();
    const fits = keys.map((key) => {
      const room = rooms.get(key) ?? queues.roomFor(claim.options.queue, key);
      rooms.set(key, room - 1);
      return room > 0;
    });
    if (fits.every(Boolean)) return { count: keys.length, claim };
    if (!fits.some(Boolean)) return { count: keys.length, claim: undefined };
    return { count: 1, claim: fits[0] === true ? claim : undefined };
  }

  return ({ jobs, keys }) => {
    const [first] = jobs;
    const waiting = { count: jobs.length, claim: undefined };
    const claims = first && claimsFor(first);
    if (claims === undefined || first === undefined) return waiting;
    const claim = claims.find((one) => one.room > 0 && one.takes(first.type));
    if (claim === undefined) {
      world.begun?.close(first.queue);
      return waiting;
    }
    const count = jobs.length < ALIKE_ROWS || claim.room < ALIKE_ROWS ? 1 : jobs.length;
    return keys === undefined ? { count, claim } : byPartition(keys.slice(0, count), claim);
  };
}

/** Tells which claims of the group a job may begin for: only where what waits cannot come before it. */
function claimsThatTake(world: StoreWorld): (job: NewJob) => readonly BegunClaim[] | undefined {
  const claimWaiting = claimer(world);
  const { counts, queues } = world;
  const behind = world.lists(`select 1 from jobs indexed by jobs_claim where queue = ? and ${allows('claim')}
    and aside is null and (priority, scheduled_at) > (?, ?) limit 1`);

  /** What waits goes first, where all of it comes before the first of the new jobs. */
  function look(claim: BegunClaim): void {
    claim.hasLooked = true;
    const { options, facts } = claim;
    const first = world.begun?.comingTo(options.queue)?.first;
    if (first === undefined || counts.of(options.queue, 'available') === 0) return;
    // What was set aside may be anywhere.
    if (queues.aside.of(options.queue) !== undefined) return;
    if (behind.all(options.queue, first.priority, first.scheduledAt).length > 0) return;
    claim.take(claimWaiting(options, (fact) => facts.push(fact)));
  }

  /** Whether a queue's limits, its partitions apart, let the claims take all that waits and comes, so that they change nothing. */
  function hasRoom(rule: QueueRule, claims: readonly BegunClaim[]): boolean {
    const coming = world.begun?.comingTo(rule.queue)?.jobs ?? 0;
    const claimed = claims.reduce((sum, { room }) => sum + room, 0);
    const now = Math.min(...claims.map(({ options }) => options.now));
    return roomOf(world, rule, now) >= Math.min(coming + counts.of(rule.queue, 'available'), claimed);
  }

  /** Whether what waits in a queue with partitions is of full ones: no claim may take any of it. */
  function mayPassLine(queue: string, claims: readonly BegunClaim[]): boolean {
    const line = queues.lines.open(queue);
    return claims.every(({ room, options: { now, types } }) => {
      const wanted = types && new Set(types);
      const free = (key: string): number => queues.roomFor(queue, key);
      return line !== undefined && (room === 0 || line.pick({ now, limit: 1, types: wanted, room: free }).length === 0);
    });
  }

  /** Gives claims what waits before the first of the new jobs; whether those may begin behind that. */
  function lookFor(queue: string, claims: readonly BegunClaim[]): boolean {
    const rule = queues.of(queue);
    if (rule !== undefined && !hasRoom(rule, claims)) return false;
    claims.forEach(look);
    return !rule?.partition || (world.begun?.mayBeginByPartition(queue) === true && mayPassLine(queue, claims));
  }

  return (job) => {
    const { queue, state } = job;
    const claims = state === 'available' ? world.begun?.of(queue) : undefined;
    if (claims === undefined) return undefined;
    const rule = queues.of(queue);
    const mayBegin = isPlain(job) && (claims.every(({ hasLooked }) => hasLooked) || lookFor(queue, claims));
    if (mayBegin && (rule?.partition || counts.of(queue, 'available') === 0)) return claims;
    // It waits, and nothing that comes behind it may begin before it.
    world.begun?.close(queue);
    return undefined;
  };
}
