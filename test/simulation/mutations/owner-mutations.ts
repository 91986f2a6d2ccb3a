import type { ClaimedJob, Job } from '../../../src/job/job.ts';
import { wholeClaim } from '../../../src/store/begun-job.ts';
import type { JobStore, StoreAnswer, StoreReply, StoreRequest } from '../../../src/store/job-store.ts';
import { changedStore, ownStore } from './changed-store.ts';
import type { Mutation } from './mutation.ts';

/** Reads rows of the real store. */
async function rowsOf(store: JobStore, ids: readonly string[]): Promise<Map<string, Job>> {
  const [reply] = await store.perform([{ verb: 'get', ids }]);
  const rows = reply?.ok ? (reply.answer as Job[]) : [];
  return new Map(rows.map((row) => [row.id, row]));
}

/** Settlements are written as if the present owner had sent them. */
function settleForAnybody(store: JobStore): JobStore {
  const perform = async (requests: readonly StoreRequest[]): Promise<StoreReply[]> => {
    const replies: StoreReply[] = [];
    for (const request of requests) {
      if (request.verb !== 'settle') {
        replies.push(...(await store.perform([request])));
        continue;
      }
      const merged: StoreAnswer<'settle'> = { settled: [], refused: [] };
      const told: StoreReply & { ok: true } = { ok: true, answer: merged, facts: [] };
      const rows = await rowsOf(
        store,
        request.outcomes.map(({ id }) => id),
      );
      for (const outcome of request.outcomes) {
        const row = rows.get(outcome.id);
        const worker = row?.worker ?? request.worker;
        const outcomes = [{ ...outcome, run: row?.run ?? 0, attempt: row?.attempt ?? 0 }];
        const [reply] = await store.perform([{ ...request, worker, outcomes }]);
        if (!reply?.ok) continue;
        const { settled, refused } = reply.answer as StoreAnswer<'settle'>;
        merged.settled.push(...settled);
        merged.refused.push(...refused);
        told.facts.push(...reply.facts);
      }
      replies.push(told);
    }
    return replies;
  };
  return ownStore(store, perform);
}

/** Who leads: the term of any tick is replaced by the present one. */
function ticksOfAnyTerm(store: JobStore): JobStore {
  let term = 0;
  return changedStore(store, {
    request: (request) => (request.verb === 'tick' ? { ...request, term } : request),
    reply: (reply, { verb }) => {
      if (verb === 'lead' && reply.ok) ({ term } = reply.answer as StoreAnswer<'lead'>);
      return reply;
    },
  });
}

/** Who was given the lead once believes to have it. */
function leadsForEver(store: JobStore): JobStore {
  const led = new Map<string, StoreReply>();
  return changedStore(store, {
    reply: (reply, request) => {
      if (request.verb !== 'lead' || !reply.ok) return reply;
      const { instance } = reply.answer as StoreAnswer<'lead'>;
      if (instance === request.instance && !led.has(instance)) led.set(instance, reply);
      return led.get(request.instance) ?? reply;
    },
  });
}

/** Bugs about whose job or lead it is. */
export const OWNER_MUTATIONS: readonly Mutation[] = [
  {
    name: 'settle-without-owner-check',
    what: 'a settlement counts whoever sends it, for whatever run',
    seedsMax: 25,
    store: settleForAnybody,
  },
  {
    name: 'claim-ignoring-run',
    what: 'a claim hands the run out that the job had before',
    seedsMax: 3,
    store: (store) =>
      changedStore(store, {
        reply: (reply, { verb }) => {
          if (verb !== 'claim' || !reply.ok) return reply;
          const jobs = (reply.answer as ClaimedJob[]).map((job) => ({
            ...wholeClaim(job),
            run: Math.max(job.run - 1, 1),
          }));
          return { ...reply, answer: jobs };
        },
      }),
  },
  {
    name: 'rescue-without-lease-check',
    what: 'a rescue takes every executing job, also from the living',
    seedsMax: 3,
    store: (store) =>
      changedStore(store, {
        request: (request) => (request.verb === 'rescue' ? { ...request, deadBefore: request.now + 1 } : request),
      }),
  },
  {
    name: 'stale-leader-ticks',
    what: 'who led once never asks again, and a tick counts under whatever term it was decided',
    seedsMax: 15,
    store: ticksOfAnyTerm,
    nodeStore: leadsForEver,
  },
];
