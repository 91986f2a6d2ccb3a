import type { NewJob } from '../../../job/job.ts';
import type { InsertResult } from '../../job-store.ts';
import type { Placing } from './insert.ts';

/** What came together, parted: those that are placed, and by each those that wait for what it comes to. */
export interface Parted {
  first: Placing[];
  /** Followers, each with the one it follows. */
  followers: Map<Placing, Placing>;
}

/**
 * Parts off jobs that came together with one of the same unique key, where all with that key say the same and leave what
 * is there as it is: they come to what the first of them does. Else each had to wait for the one before it, in a
 * statement of its own.
 */
export function partSameKeys(placings: readonly Placing[]): Parted {
  const byKey = new Map<string, Placing[]>();
  for (const one of placings) {
    const key = one.job.unique?.key;
    if (key !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), one]);
  }
  const followers = new Map<Placing, Placing>();
  for (const [leader, ...others] of byKey.values()) {
    if (leader === undefined || ![leader, ...others].every(({ job }) => isInterchangeable(job, leader.job))) continue;
    for (const other of others) if (other.job.id !== leader.job.id) followers.set(other, leader);
  }
  return { first: placings.filter((one) => !followers.has(one)), followers };
}

function isInterchangeable({ unique, schedule }: NewJob, like: NewJob): boolean {
  if (unique === undefined || schedule !== null || unique.onConflict.kind !== 'keep') return false;
  return unique.withinMs === like.unique?.withinMs && String(unique.states) === String(like.unique?.states);
}

/** What a follower comes to by what came of the one before it; undefined: that does not say. */
export function followed({ job }: Placing, leader: Placing, came: InsertResult | undefined): InsertResult | undefined {
  if (came === undefined || (came.conflict && came.job.id === leader.job.id)) return undefined;
  const { states = [], withinMs = null } = job.unique ?? {};
  const counts = states.includes(came.job.state);
  const within = withinMs === null || job.insertedAt - came.job.insertedAt < withinMs;
  return counts && within ? { job: came.job, conflict: true } : undefined;
}
