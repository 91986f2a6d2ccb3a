import type { StoreVerb } from '../job-store.ts';
import { READ_VERBS } from '../read-verbs.ts';

/** Verbs that write nothing here: a group of nothing else needs no transaction, for nobody else can write in between. */
export const READS: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  ...READ_VERBS,
  // Nobody else tells of facts, and nobody can write requests into a file.
  ...(['unannounced', 'takeRequests', 'finishRequests', 'holdRequests'] as const),
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
