import type { NewJob } from '../../job/job.ts';
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
