import { createHash } from 'node:crypto';
import type { NewJob } from '../../job/job.ts';
import type { JobFact } from '../../job/job-event.ts';
import { errorText } from '../../kernel/error.ts';
import { BegunClaims } from '../begun-claims.ts';
import type { StoreReply, StoreRequest, StoreVerb } from '../job-store.ts';
import { READ_VERBS } from '../read-verbs.ts';
import { faultOf } from './fault.ts';
import { planOf } from './group-plan.ts';
import type { Transaction } from './transaction.ts';
import { type Asked, Refusal, type Tell, type Verb } from './verb.ts';

/** Verbs that mostly write nothing, and whose loss heals by itself: what a claim took is released by two beats. */
const HEALING: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  ...(['claim', 'touch', 'beat', 'unannounced'] as const),
  ...(['takeRequests', 'finishRequests', 'holdRequests'] as const),
]);

/** Verbs of nodes and of the lead, which have connections of their own: no flood of jobs may cost a node its lease. */
export const ASIDE: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  'lead',
  'resign',
  'leader',
  'registerNode',
  'removeNode',
  'nodes',
]);

/**
 * Verbs that leave the order of claims as it was, but for what they take out and what is inserted. Where they put something
 * in line that was there before they say so by themselves (`disturb`).
 */
const IN_ORDER: ReadonlySet<StoreVerb> = new Set<StoreVerb>([
  ...READ_VERBS,
  ...ASIDE,
  ...(['insert', 'tick', 'reboot', 'runSchedules', 'claim', 'settle', 'beat', 'touch', 'progress'] as const),
  ...(['stage', 'rescue', 'expire', 'prune', 'cancel', 'retry', 'delete', 'sweep'] as const),
  ...(['unannounced', 'announced', 'takeRequests', 'finishRequests', 'holdRequests'] as const),
]);

/** Verbs that change the rules of queues, which nobody else may be working by then. */
const RULING: ReadonlySet<StoreVerb> = new Set<StoreVerb>(['changeQueue', 'sortPartitions']);

/** What of a group decides how its transaction begins. */
export interface GroupKind {
  reads: boolean;
  /** Whether it must be found out what became of a commit whose answer was lost. */
  mustKnow: boolean;
  aside: boolean;
  /** Whether it must know of what jobs were set aside. */
  claims: boolean;
  rules: 'read' | 'change';
  /** The locks of its jobs' unique keys, sorted, as PostgreSQL's bigint. */
  uniqueLocks: bigint[];
  /** Whether it puts no jobs in line but those that it inserts, and changes the place of none. */
  keepsOrder: boolean;
}

/** Looks at a group before its transaction. */
export function kindOf(requests: readonly StoreRequest[], schema: string): GroupKind {
  const all = (verbs: ReadonlySet<StoreVerb>): boolean => requests.every(({ verb }) => verbs.has(verb));
  const jobs = requests.flatMap(jobsOf);
  const keys = new Set<string>();
  for (const { unique } of jobs) if (unique !== undefined) keys.add(unique.key);
  const locks = [...keys].map((key) => lockOf(schema, `unique ${key}`));
  return {
    reads: all(READ_VERBS),
    mustKnow: !requests.every(({ verb }) => READ_VERBS.has(verb) || HEALING.has(verb)),
    aside: all(ASIDE),
    claims: requests.some(({ verb }) => verb === 'claim'),
    rules: requests.some(({ verb }) => RULING.has(verb)) ? 'change' : 'read',
    uniqueLocks: [...new Set(locks)].sort((a, b) => (a < b ? -1 : 1)),
    // One that finds an equal job may change that one.
    keepsOrder: all(IN_ORDER) && keys.size === 0,
  };
}

/** The number of an advisory lock: 64 bits of a sum of what it stands for. Two that meet by chance only wait needlessly. */
export function lockOf(schema: string, what: string): bigint {
  return createHash('sha256').update(`rota ${schema} ${what}`).digest().readBigInt64BE();
}

function jobsOf(request: StoreRequest): readonly NewJob[] {
  switch (request.verb) {
    case 'insert':
    case 'runSchedules':
      return request.jobs;
    case 'tick':
    case 'reboot':
      return request.ticks.flatMap(({ jobs }) => jobs);
    default:
      return [];
  }
}

/** Every verb by its name. */
export type Verbs = { [V in StoreVerb]: Verb<V> };

/** Runs a group's requests in its transaction, those of one verb together. What one throws is the whole group's. */
export async function runTogether(
  tx: Transaction,
  requests: readonly StoreRequest[],
  verbs: Verbs,
): Promise<StoreReply[]> {
  const replies: StoreReply[] = [];
  tx.claims = new BegunClaims(requests);
  for (const request of requests) if (request.verb === 'claim') tx.toLock.add(request.queue);
  for (const { verb, places } of planOf(requests)) {
    const asked = places.map((place) => requests[place]).filter((request) => request !== undefined);
    const answers = await runVerb(tx, asked, verbs[verb] as Verb<StoreVerb>);
    for (const [index, place] of places.entries()) {
      const reply = answers[index];
      if (reply !== undefined) replies[place] = reply;
    }
  }
  await tx.outbox.flush(tx);
  return replies;
}

/** Runs each request of a group on a savepoint of its own: one that the store chokes on takes no neighbour along. */
export async function runApart(
  tx: Transaction,
  requests: readonly StoreRequest[],
  verbs: Verbs,
): Promise<StoreReply[]> {
  const replies: StoreReply[] = [];
  for (const request of requests) {
    // What is locked on a savepoint is locked no more when that is rolled back.
    if (request.verb === 'claim') tx.toLock.add(request.queue);
    replies.push(await runAlone(tx, request, verbs));
  }
  return replies;
}

async function runAlone(tx: Transaction, request: StoreRequest, verbs: Verbs): Promise<StoreReply> {
  await tx.script('savepoint request');
  try {
    const [reply] = await runVerb(tx, [request], verbs[request.verb] as Verb<StoreVerb>);
    await tx.outbox.flush(tx);
    await tx.script('release request');
    if (reply !== undefined) return reply;
    throw new Error(`the ${request.verb} gave no answer`);
  } catch (thrown) {
    if (faultOf(thrown) !== 'request') throw thrown;
    tx.outbox.drop();
    await tx.script('rollback to request; release request');
    await tx.queues.reread(tx);
    const message = `the store cannot do this ${request.verb}: ${errorText(thrown)}`;
    return { ok: false, error: { code: 'invalid_request', message } };
  }
}

async function runVerb(
  tx: Transaction,
  requests: readonly StoreRequest[],
  verb: Verb<StoreVerb>,
): Promise<StoreReply[]> {
  const facts: JobFact[][] = requests.map(() => []);
  const asked = requests.map((request, index) => {
    const tell: Tell = (fact) => facts[index]?.push(fact);
    return { options: request, tell };
  });
  // The verb that is named picks the function that takes its options, which the compiler cannot follow.
  const came = await verb(tx, asked as unknown as Asked<StoreVerb>[]);
  return came.map((answer, index): StoreReply => {
    if (answer instanceof Refusal) return { ok: false, error: { code: answer.code, message: answer.message } };
    const told = facts[index] ?? [];
    tx.outbox.keep(told);
    return { ok: true, answer, facts: told };
  });
}
