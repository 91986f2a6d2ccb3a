import { RotaError } from '../kernel/error.ts';
import type { JobView } from '../messaging/contract/job-view.ts';

/** The job that was waited for ended without completing. `job` is how it ended. Code `job_failed`. */
export class JobFailed extends RotaError {
  override readonly name = 'JobFailed';
  readonly job: JobView;

  constructor(job: JobView) {
    const last = job.errors.at(-1);
    super('job_failed', `the job ${job.id} was ${job.state}${last === undefined ? '' : `: ${last.message}`}`);
    this.job = job;
  }
}

/** The time to wait was over before the job ended. `job` is how it was then. Code `wait_timeout`. */
export class WaitTimeout extends RotaError {
  override readonly name = 'WaitTimeout';
  readonly job: JobView;

  constructor(job: JobView) {
    super('wait_timeout', `the job ${job.id} is still ${job.state}`);
    this.job = job;
  }
}
