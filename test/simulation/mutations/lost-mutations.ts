import type { JobStore, StoreAnswer, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { changedStore, ownStore } from './changed-store.ts';
import type { Mutation } from './mutation.ts';

/** A claim that found nothing is answered from memory until something is inserted: nobody polls. */
function lostWake(store: JobStore): JobStore {
  const empty = new Set<string>();
  return ownStore(store, async (requests) => {
    for (const request of requests) {
      if (request.verb === 'insert') for (const { queue } of request.jobs) empty.delete(queue);
    }
    const asked = requests.filter((request) => request.verb !== 'claim' || !empty.has(request.queue));
    const replies = (asked.length > 0 ? await store.perform(asked) : []).values();
    return requests.map((request): StoreReply => {
      if (!asked.includes(request)) return { ok: true, answer: [], facts: [] };
      const reply = replies.next().value ?? { ok: true, answer: [], facts: [] };
      if (request.verb === 'claim' && reply.ok && (reply.answer as unknown[]).length === 0) empty.add(request.queue);
      return reply;
    });
  });
}

/** A job that is sent again becomes another one. */
function doubleInsert(store: JobStore): JobStore {
  let copies = 0;
  const copyId = (id: string): string => `${id.slice(0, -6)}${(++copies).toString(16).padStart(6, '0')}`;
  return ownStore(store, async (requests) => {
    const replies = await store.perform(requests);
    for (const [index, request] of requests.entries()) {
      const reply = replies[index];
      if (request.verb !== 'insert' || !reply?.ok) continue;
      const answered = reply.answer as StoreAnswer<'insert'>;
      const again = request.jobs.filter(
        (job, place) => answered[place]?.conflict && answered[place]?.job.id === job.id,
      );
      if (again.length === 0) continue;
      const jobs = again.map((job) => ({ ...job, id: copyId(job.id) }));
      const [made] = await store.perform([{ verb: 'insert', jobs }]);
      if (made?.ok) reply.facts.push(...made.facts);
    }
    return replies;
  });
}

const withoutLimits = (request: StoreRequest): StoreRequest =>
  request.verb === 'changeQueue' ? { ...request, change: {} } : request;

/** Limits are answered as asked for, and not kept. */
function unheardLimits(store: JobStore): JobStore {
  return changedStore(store, {
    request: withoutLimits,
    reply: (reply, request) => {
      if (request.verb !== 'changeQueue' || !reply.ok) return reply;
      const { queue } = reply.answer as StoreAnswer<'changeQueue'>;
      const { scale: _scale, ...change } = request.change;
      return { ...reply, answer: { queue: { ...queue, ...change }, changed: true } };
    },
  });
}

/** Bugs about what is lost, doubled or not kept. */
export const LOST_MUTATIONS: readonly Mutation[] = [
  {
    name: 'lost-wake-without-poll',
    what: 'a queue that found nothing looks again only when something is inserted',
    seedsMax: 5,
    nodeStore: lostWake,
  },
  {
    name: 'double-insert-on-retried-id',
    what: 'a job that is sent again becomes another one',
    seedsMax: 3,
    store: doubleInsert,
  },
  {
    name: 'settled-and-not-written',
    what: 'a settlement is answered as settled and forgotten',
    seedsMax: 3,
    store: (store) =>
      changedStore(store, {
        request: (request) =>
          request.verb === 'settle' ? { ...request, outcomes: request.outcomes.slice(1) } : request,
        reply: (reply, request) => {
          if (request.verb !== 'settle' || !reply.ok) return reply;
          const [first] = request.outcomes;
          const { settled, refused } = reply.answer as StoreAnswer<'settle'>;
          const more = first === undefined ? [] : [{ id: first.id, state: 'completed' as const }];
          return { ...reply, answer: { settled: [...more, ...settled], refused } };
        },
      }),
  },
  {
    name: 'outbox-forgotten',
    what: 'ends count as announced before their flush has returned',
    seedsMax: 10,
    store: (store) =>
      changedStore(store, {
        reply: (reply) => reply,
        request: (request) =>
          request.verb === 'unannounced' ? { ...request, after: Number.MAX_SAFE_INTEGER } : request,
      }),
  },
  {
    name: 'limits-not-kept',
    what: 'what operators say of a queue is answered and not kept',
    seedsMax: 5,
    store: unheardLimits,
  },
  {
    name: 'due-too-early',
    what: 'jobs become available half a minute before their time',
    seedsMax: 3,
    store: (store) =>
      changedStore(store, {
        request: (request) => (request.verb === 'stage' ? { ...request, now: request.now + 30_000 } : request),
      }),
  },
];
