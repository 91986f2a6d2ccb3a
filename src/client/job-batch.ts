import type { EnqueueOptions } from '../job/definition.ts';
import { LIMITS } from '../job/limits.ts';
import { RotaError } from '../kernel/error.ts';
import type { IdSource } from '../kernel/identity.ts';
import { jsonBytesMost } from '../kernel/json.ts';
import { type JobBody, type JobTypeRef, jobBody, wireBody } from './job-body.ts';
import { batches, bytesOf, type Load, loadOf } from './load.ts';

/** How an `enqueueBatch` is cut and watched. */
export type BatchOptions = EnqueueOptions & {
  /** Jobs per request, 1 to 1000; default 500. */
  batchSize?: number;
  /** Called after each request. */
  onProgress?: (done: { enqueued: number; total: number }) => void;
};

/** What an `enqueueBatch` came to. */
export interface BatchResult {
  total: number;
  /** How many were not there already. */
  enqueued: number;
  /** In the items' order. */
  ids: string[];
}

const BATCH_SIZE_DEFAULT = 500;
/** `,"args":` */
const ARGS_FIELD_BYTES = 8;
/** The level of args in a body. */
const ARGS_DEPTH = 2;

/**
 * Enqueues one job per item, in requests that each stand or fall whole and that a server takes.
 * @param send sends the body of one request and answers its reply's value
 * @throws RotaError what a request was refused with; those before it stand
 */
export async function enqueueItems(
  { type, items }: { type: JobTypeRef; items: readonly unknown[] },
  { batchSize = BATCH_SIZE_DEFAULT, onProgress, ...shared }: BatchOptions,
  { newId, send }: { newId: IdSource; send(bodies: JobBody[]): Promise<unknown> },
): Promise<BatchResult> {
  if (!Number.isInteger(batchSize) || batchSize < 1 || batchSize > LIMITS.jobsPerRequestMax) {
    throw new RotaError('invalid_request', `batchSize must be a whole number from 1 to ${LIMITS.jobsPerRequestMax}`);
  }
  const ids: string[] = [];
  let enqueued = 0;
  for (const batch of batches(loads({ type, items, shared, newId }), batchSize)) {
    const bodies = batch.map(({ body }) => body);
    const { jobs } = (await send(bodies)) as { jobs: { job: { id: string }; conflict: boolean }[] };
    ids.push(...jobs.map(({ job }) => job.id));
    // One with an id of our own making is ours, also where a first request was stored and its answer lost.
    enqueued += jobs.filter(({ job, conflict }, index) => !conflict || job.id === bodies[index]?.id).length;
    onProgress?.({ enqueued: ids.length, total: items.length });
  }
  return { total: items.length, enqueued, ids };
}

interface Items {
  type: JobTypeRef;
  items: readonly unknown[];
  shared: EnqueueOptions;
  newId: IdSource;
}

/** The bodies, each made when its turn comes. All but ids and args they have in common, which is checked with the first. */
function* loads({ type, items, shared, newId }: Items): Generator<Load<JobBody>> {
  let common: JobBody | undefined;
  let commonBytes = 0;
  for (const [index, args] of items.entries()) {
    const at = String(index);
    const id = newId();
    if (common === undefined) {
      common = jobBody({ type, args: undefined }, { ...shared, id }, at);
      commonBytes = bytesOf(common) + ARGS_FIELD_BYTES;
    }
    const argsBytes = jsonBytesMost(args, ARGS_DEPTH);
    // Args that are JSON as they stand need no other look.
    if (Number.isNaN(argsBytes)) yield loadOf({ ...common, id, ...wireBody({ args }, { code: 'invalid_job', at }) });
    else yield { body: { ...common, id, args }, bytes: commonBytes + argsBytes, measured: false };
  }
}
