import { type NewJob, storedJob } from '../../../src/job/job.ts';
import { jobFact } from '../../../src/job/job-event.ts';
import { Body } from '../../../src/messaging/body.ts';
import { jobEvent } from '../../../src/messaging/contract/event.ts';
import { Subjects } from '../../../src/messaging/subjects.ts';
import type { InsertResult, JobStore, StoreAnswer, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { ownStore } from './changed-store.ts';
import type { MutatedNode, Mutation } from './mutation.ts';

const LATER_MS = 30;

const rest = ({ world }: MutatedNode, ms: number): Promise<void> =>
  new Promise((resolve) => {
    world.setTimeout(resolve, ms);
  });

/** Inserts are answered at once and written a little later. */
function ackBeforeCommit(store: JobStore, node: MutatedNode): JobStore {
  return ownStore(store, async (requests) => {
    if (!requests.every(({ verb }) => verb === 'insert')) return store.perform(requests);
    rest(node, LATER_MS)
      .then(() => store.perform(requests))
      .catch(() => {});
    return requests.map((request) => {
      const jobs = request.verb === 'insert' ? request.jobs : [];
      const answer: InsertResult[] = jobs.map((job) => ({ job: storedJob(job), conflict: false }));
      return { ok: true, answer, facts: [] };
    });
  });
}

/** Completions are told before they are written. */
function eventsBeforeCommit(store: JobStore, node: MutatedNode): JobStore {
  const subjects = new Subjects('jobs');
  const bus = node.broker.connect({ name: node.process.name, subjects });
  return ownStore(store, async (requests) => {
    for (const request of requests) {
      if (request.verb !== 'settle') continue;
      for (const { id, run = 0, attempt, outcome } of request.outcomes) {
        if (outcome !== 'complete') continue;
        const job = {
          id,
          run,
          attempt,
          type: 'work',
          queue: 'work',
          state: 'completed',
          maxAttempts: 20,
          schedule: null,
        } as const;
        const { subject, text } = jobEvent(jobFact('completed', job, { at: request.now }), subjects, {
          node: 'early',
          count: 1,
        });
        bus.publish(subject, { body: Body.ofText(text, undefined) });
      }
    }
    await rest(node, 1);
    return store.perform(requests);
  });
}

/** Cursors move first; the jobs of the ticks follow in a group of their own. */
function cursorOutsideTransaction(store: JobStore, node: MutatedNode): JobStore {
  return ownStore(store, async (requests) => {
    const replies: StoreReply[] = [];
    for (const request of requests) {
      if (request.verb !== 'tick' || request.ticks.every(({ jobs }) => jobs.length === 0)) {
        replies.push(...(await store.perform([request])));
        continue;
      }
      const jobs = request.ticks.flatMap((tick) => tick.jobs);
      const ticks = request.ticks.map((tick) => ({ ...tick, jobs: [] }));
      const [moved] = await store.perform([{ ...request, ticks }]);
      await rest(node, LATER_MS);
      if (!moved?.ok) {
        replies.push(moved ?? { ok: true, answer: [], facts: [] });
        continue;
      }
      const [put] = await store.perform([{ verb: 'insert', jobs }]);
      const answer = (moved.answer as StoreAnswer<'tick'>).map((result, index) => ({
        ...result,
        jobs: result.stale ? [] : (request.ticks[index]?.jobs ?? []).map(() => 'fired' as const),
      }));
      replies.push({ ok: true, answer, facts: put?.ok ? put.facts : [] });
    }
    return replies;
  });
}

/** Unique keys are looked for in a group of their own, and the insert trusts what was found. */
function uniqueBeforeTransaction(store: JobStore, node: MutatedNode): JobStore {
  const known = new Map<string, InsertResult['job']>();
  const without = ({ unique: _unique, ...job }: NewJob): NewJob => job;
  return ownStore(store, async (requests) => {
    const insertsUnique = requests.some(({ verb, ...rest }) => verb === 'insert' && 'jobs' in rest);
    if (!insertsUnique) return store.perform(requests);
    const ids = [...known.values()].map(({ id }) => id);
    const [reply] = await store.perform([{ verb: 'states', ids }]);
    const living = new Set(
      (reply?.ok ? (reply.answer as StoreAnswer<'states'>) : [])
        .filter(({ state }) => !['completed', 'cancelled', 'discarded'].includes(state))
        .map(({ id }) => id),
    );
    await rest(node, LATER_MS);
    const changed = requests.map((request): StoreRequest => {
      if (request.verb !== 'insert') return request;
      const jobs = request.jobs.filter(({ unique }) => !living.has(known.get(unique?.key ?? '')?.id ?? ''));
      return { ...request, jobs: jobs.map(without) };
    });
    const replies = await store.perform(changed);
    return replies.map((made, index) => {
      const request = requests[index];
      if (request?.verb !== 'insert' || !made.ok) return made;
      const stored = new Map((made.answer as InsertResult[]).map((result) => [result.job.id, result]));
      const answer = request.jobs.map((job) => {
        const key = job.unique?.key ?? '';
        const mine = stored.get(job.id);
        if (mine !== undefined && job.unique !== undefined) known.set(key, mine.job);
        return mine ?? { job: known.get(key) ?? storedJob(job), conflict: true };
      });
      return { ...made, answer };
    });
  });
}

/** Bugs about what is done first. */
export const ORDER_MUTATIONS: readonly Mutation[] = [
  {
    name: 'ack-before-commit',
    what: 'an enqueue is answered before it is written',
    seedsMax: 3,
    nodeStore: ackBeforeCommit,
  },
  {
    name: 'events-before-commit',
    what: 'a completion is told before it is written',
    seedsMax: 3,
    nodeStore: eventsBeforeCommit,
  },
  {
    name: 'cursor-outside-transaction',
    what: 'the cursor of a schedule moves in another transaction than the jobs of its ticks',
    seedsMax: 5,
    nodeStore: cursorOutsideTransaction,
  },
  {
    name: 'unique-before-transaction',
    what: 'unique keys are looked for before the transaction that inserts',
    seedsMax: 10,
    nodeStore: uniqueBeforeTransaction,
  },
];
