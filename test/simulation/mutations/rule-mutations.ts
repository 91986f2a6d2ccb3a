import type { NewJob } from '../../../src/job/job.ts';
import type { JobFact } from '../../../src/job/job-event.ts';
import type { JobPage, JobStore, StoreAnswer, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import type { QueueRecord } from '../../../src/store/queue-record.ts';
import { changedStore, ownStore } from './changed-store.ts';
import type { Mutation } from './mutation.ts';

type QueueChange = Extract<StoreRequest, { verb: 'changeQueue' }>['change'];

/** Keeps another rule than the one that was said and is answered. */
function otherRule(store: JobStore, loosen: (change: QueueChange) => QueueChange): JobStore {
  return changedStore(store, {
    request: (request) =>
      request.verb === 'changeQueue'
        ? { ...request, change: { ...request.change, ...loosen(request.change) } }
        : request,
    reply: (reply, request) => {
      if (request.verb !== 'changeQueue' || !reply.ok) return reply;
      const { scale: _scale, ...said } = request.change;
      const { queue, ...rest } = reply.answer as StoreAnswer<'changeQueue'>;
      const told: QueueRecord = { ...queue, ...said };
      return { ...reply, answer: { ...rest, queue: told } };
    },
  });
}

const inserting = (store: JobStore, change: (job: NewJob) => NewJob): JobStore =>
  changedStore(store, {
    request: (request) => (request.verb === 'insert' ? { ...request, jobs: request.jobs.map(change) } : request),
  });

function withoutMaxWait(job: NewJob): NewJob {
  const { unique } = job;
  if (unique?.onConflict.kind !== 'reschedule') return job;
  return { ...job, unique: { ...unique, onConflict: { kind: 'reschedule', maxWaitMs: null } } };
}

/** A settlement of who lost the job is answered as if it counted. */
const settledAnyhow = (store: JobStore): JobStore =>
  changedStore(store, {
    reply: (reply, request) => {
      if (request.verb !== 'settle' || !reply.ok) return reply;
      const { settled, refused } = reply.answer as StoreAnswer<'settle'>;
      const more = refused.map(({ id }) => ({ id, state: 'completed' as const }));
      return { ...reply, answer: { settled: [...settled, ...more], refused: [] } };
    },
  });

/** A purge also deletes what executes. */
function purgeAll(store: JobStore): JobStore {
  const one = async (request: StoreRequest): Promise<JobFact[]> => {
    const [reply] = await store.perform([request]);
    return reply?.ok ? reply.facts : [];
  };
  return ownStore(store, async (requests) => {
    const replies: StoreReply[] = await store.perform(requests);
    for (const [index, request] of requests.entries()) {
      const reply = replies[index];
      if (request.verb !== 'sweep' || request.action !== 'delete' || !reply?.ok) continue;
      const filter = { ...request.filter, states: ['executing' as const] };
      const [page] = await store.perform([{ verb: 'list', filter, limit: 10, order: 'asc' }]);
      for (const { id } of page?.ok ? (page.answer as JobPage).jobs : []) {
        await one({ verb: 'cancel', now: request.now, id, terminate: false });
        reply.facts.push(...(await one({ verb: 'delete', now: request.now, id })));
      }
    }
    return replies;
  });
}

/** A schedule that is resumed goes on where it was paused. */
function resumeBackfills(store: JobStore): JobStore {
  const pausedAt = new Map<string, number>();
  return changedStore(store, {
    reply: (reply) => reply,
    request: (request) => {
      if (request.verb !== 'changeSchedules') return request;
      const changes = request.changes.map((change) => {
        const { name, state } = change;
        if (state === null) return change;
        if (state.pausedBy !== null) {
          pausedAt.set(name, Math.min(pausedAt.get(name) ?? Number.POSITIVE_INFINITY, state.cursorAt));
          return change;
        }
        const cursorAt = pausedAt.get(name) ?? state.cursorAt;
        pausedAt.delete(name);
        return { ...change, state: { ...state, cursorAt } };
      });
      return { ...request, changes };
    },
  });
}

/** What became true leaves the outbox with its commit, whatever becomes of its announcement. */
const announcedAtOnce = (store: JobStore): JobStore =>
  ownStore(store, async (requests) => {
    const replies = await store.perform(requests);
    const seqs = replies.flatMap((reply) => (reply.ok ? reply.facts.map(({ outboxSeq }) => outboxSeq) : []));
    const places = seqs.filter((seq) => seq !== undefined).map((seq) => ({ from: seq, to: seq }));
    if (places.length > 0) await store.perform([{ verb: 'announced', places }]);
    return replies;
  });

/** Bugs about the rules of queues, of jobs and of schedules. */
export const RULE_MUTATIONS: readonly Mutation[] = [
  {
    name: 'settled-after-rescue',
    what: 'a settlement that comes after the job was rescued is answered as settled',
    seedsMax: 15,
    store: settledAnyhow,
  },
  {
    name: 'rate-counted-per-node',
    what: 'each of two nodes counts the starts of a rated queue for itself',
    seedsMax: 15,
    store: (store) => otherRule(store, ({ rate }) => (rate ? { rate: { ...rate, limit: 2 * rate.limit } } : {})),
  },
  {
    name: 'partition-limit-one-more',
    what: 'a partition takes one job more than it may',
    seedsMax: 15,
    store: (store) =>
      otherRule(store, ({ partition }) =>
        partition ? { partition: { ...partition, limit: partition.limit + 1 } } : {},
      ),
  },
  {
    name: 'debounce-without-max-wait',
    what: 'a job is moved again and again beyond its longest wait',
    seedsMax: 20,
    store: (store) => inserting(store, withoutMaxWait),
  },
  {
    name: 'deadline-ignored-at-claim',
    what: 'a job is started after its deadline',
    seedsMax: 10,
    store: (store) => inserting(store, (job) => ({ ...job, deadlineAt: null })),
  },
  { name: 'purge-of-executing', what: 'a purge deletes what executes', seedsMax: 15, store: purgeAll },
  {
    name: 'resume-backfills',
    what: 'a schedule that is resumed makes up for its pause',
    seedsMax: 20,
    store: resumeBackfills,
  },
  {
    name: 'outbox-emptied-at-commit',
    what: 'an end leaves the outbox before the flush after its announcement has returned',
    seedsMax: 10,
    store: announcedAtOnce,
  },
];
