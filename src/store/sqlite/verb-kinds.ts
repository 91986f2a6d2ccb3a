import type { StoreVerb } from '../job-store.ts';

/** Verbs that write nothing: a group of nothing else needs no transaction, for nobody else can write in between. */
export const READS: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  'get',
  'states',
  'list',
  'count',
  'waitingTypes',
  'claimable',
  'unannounced',
  'nodes',
  'leader',
  'rejected',
  'schedules',
  'scheduleChanges',
  'queues',
  'nextStart',
  'takeRequests',
  'finishRequests',
  'holdRequests',
]);

/**
 * Verbs that neither change nor remove a job that is available, plain and without a deadline, nor give its place to another
 * one: what `FreshJobs` remembers stays true. A claim forgets what it takes. Any other verb has all of it forgotten first.
 */
export const LEAVES_FRESH: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  ...READS,
  'insert',
  'claim',
  'settle',
  'beat',
  'touch',
  'progress',
  'announced',
  'stage',
  'expire',
  'rescue',
  'prune',
  'registerNode',
  'removeNode',
  'lead',
  'resign',
]);
