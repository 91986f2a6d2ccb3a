import type { Job } from '../job/job.ts';
import type { JobChanges } from '../job/job-change.ts';
import type { JobFilter } from './job-store.ts';

/** What became of a verb on one job: as it is then, null when there is none; `conflict`: its state does not allow it. */
export interface ChangeAnswer {
  job: Job | null;
  conflict: boolean;
}

/** An attempt that was ended while it ran, whose handler must be told. */
export interface StoppedAttempt {
  worker: string;
  run: number;
  /** Of its job, which tells it from a later one with the same id. */
  insertedAt: number;
}

/** {@link StoppedAttempt} with its job. */
export interface StoppedJob extends StoppedAttempt {
  id: string;
  queue: string;
}

/** What is done to jobs by hand and by their deadlines: a part of the port's verbs. */
export interface ChangeVerbs {
  /** Makes a job available again by hand; conflict where it is or executes. A deadline that has passed is lifted. */
  retry: { options: { now: number; id: string }; answer: ChangeAnswer };
  /** Deletes a job that does not execute; answers it as it was. An end that is not announced yet still will be. */
  delete: { options: { now: number; id: string }; answer: ChangeAnswer };
  /** Changes fields of a job that does not execute; the type stays, and the unique key that it was inserted with. */
  update: { options: { now: number; id: string; changes: JobChanges }; answer: ChangeAnswer };
  /**
   * One bounded step of doing something to all jobs that fit a filter and whose state allows it. The walk takes each
   * job that was there at its first step at most once. Go on with `cursor` until it is null. `done` were done, of
   * which `wereRunning` are attempts whose handlers must be told.
   */
  sweep: {
    options: {
      now: number;
      action: 'cancel' | 'retry' | 'delete';
      filter: JobFilter;
      /** Of cancelled ones: kill the threads that run them. */
      terminate: boolean;
      limit: number;
      cursor?: string;
    };
    answer: {
      done: number;
      cursor: string | null;
      wereRunning: StoppedJob[];
    };
  };
  /** Cancels waiting jobs whose deadline has passed. `nextAt` is the next deadline, in the past where some were left. */
  expire: { options: { now: number; limit: number }; answer: { expired: number; nextAt: number | null } };
}
