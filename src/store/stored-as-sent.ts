import { type Job, type NewJob, storedJob } from '../job/job.ts';
import type { InsertResult } from './job-store.ts';

/**
 * A job that was stored as it was sent: made whole only for who looks at it, anew at each look, which of those who insert
 * are the fewest. For the answer to an insert alone, which leaves it out on the wire: no codec sees what is no field of its
 * own.
 */
export class StoredAsSent implements InsertResult {
  readonly conflict = false;
  readonly #sent: NewJob;

  constructor(sent: NewJob) {
    this.#sent = sent;
  }

  get job(): Job {
    return storedJob(this.#sent);
  }
}
