import type { StoreVerb } from './job-store.ts';

/** Verbs that write nothing, in any store. */
export const READ_VERBS: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  'get',
  'states',
  'list',
  'count',
  'waitingTypes',
  'claimable',
  'nodes',
  'leader',
  'rejected',
  'schedules',
  'scheduleChanges',
  'queues',
  'nextStart',
]);
