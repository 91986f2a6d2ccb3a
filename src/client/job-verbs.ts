import type { Priority } from '../job/limits.ts';
import type { Json } from '../kernel/json.ts';
import type { JobView } from '../messaging/contract/job-view.ts';
import type { JobQuery } from './rota-client.ts';

/** A verb on one job, by id, or on all that fit a filter, which must say something. */
export interface JobVerb<Options = object> {
  /** @throws RotaError `not_found`, or `conflict` where its state does not allow it */
  (id: string, options?: Options): Promise<JobView>;
  /** How many it was done to; those whose state does not allow it are passed over. */
  (filter: JobQuery, options?: Options): Promise<{ count: number }>;
}

/** What may be changed of a job that does not execute; what is left out stays. */
export interface JobUpdate {
  /** Checked by the schema of the job's type. */
  args?: unknown;
  priority?: Priority;
  queue?: string;
  /** A later time makes it scheduled, one that has passed available. Not for a job that has ended. */
  scheduledAt?: Date | string | number;
  maxAttempts?: number;
  tags?: readonly string[];
  meta?: Record<string, Json>;
}

/** Sends a verb of jobs, to one or to many, and answers the reply's value. */
export type SendJobVerb = (verb: string, body: object, to: { many: boolean }) => Promise<unknown>;

/** Makes the function of one verb. */
export function jobVerb<Options = object>(send: SendJobVerb, verb: string): JobVerb<Options> {
  const call = (target: string | JobQuery, options?: Options): Promise<unknown> => {
    const many = typeof target !== 'string';
    return send(verb, { ...(many ? target : { id: target }), ...options }, { many });
  };
  // A reply is the job for an id, and a count for a filter: the contract says so.
  return call as JobVerb<Options>;
}
