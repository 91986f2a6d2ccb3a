import type { NewJob } from '../job/job.ts';
import { insertedFact, type JobFact, jobFact } from '../job/job-event.ts';

/** Tells of a job that was stored, and where it is for later, when it is due. */
export function tellInserted(job: NewJob, tell: (fact: JobFact) => void): void {
  const { insertedAt: at, scheduledAt: nextAt } = job;
  tell(insertedFact(job));
  if (job.state === 'scheduled') tell(jobFact('scheduled', { ...job, run: 0, attempt: 0 }, { at, nextAt }));
}
