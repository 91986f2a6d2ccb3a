import type { NewJob } from '../../job/job.ts';
import type { JobFact } from '../../job/job-event.ts';
import type { StoreRequest } from '../../store/job-store.ts';

/** How many available jobs of which type requests bring to which queue, if none of them is there already. Pure. */
export function newWork(requests: readonly StoreRequest[]): Map<string, Map<string, number>> {
  const available = new Map<string, Map<string, number>>();
  const add = ({ queue, type, state }: NewJob): void => {
    if (state !== 'available') return;
    const types = available.get(queue) ?? new Map<string, number>();
    available.set(queue, types.set(type, (types.get(type) ?? 0) + 1));
  };
  for (const request of requests) {
    if (request.verb === 'insert') request.jobs.forEach(add);
    if (request.verb === 'tick' || request.verb === 'reboot') for (const { jobs } of request.ticks) jobs.forEach(add);
    if (request.verb === 'runSchedules') request.jobs.forEach(add);
  }
  return available;
}

/** How many jobs of which type became available in a commit, by queue, and were not claimed in it. Pure. */
export function leftOf(facts: readonly JobFact[]): Map<string, Map<string, number>> {
  const left = new Map<string, Map<string, number>>();
  for (const { what, state, queue, type } of facts) {
    const more = what === 'started' ? -1 : Number(state === 'available');
    if (more === 0) continue;
    const types = left.get(queue) ?? new Map<string, number>();
    left.set(queue, types.set(type, (types.get(type) ?? 0) + more));
  }
  for (const [queue, types] of left) {
    for (const [type, jobs] of types) if (jobs <= 0) types.delete(type);
    if (types.size === 0) left.delete(queue);
  }
  return left;
}

/** Whether a job that was there before waits again. */
export const isFreed = ({ what, state }: JobFact): boolean => state === 'available' && what !== 'inserted';
