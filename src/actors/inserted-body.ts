import type { Job, NewJob } from '../job/job.ts';
import { assert } from '../kernel/error.ts';
import { Body } from '../messaging/body.ts';
import type { Codec } from '../messaging/codec.ts';
import type { InsertResult } from '../store/job-store.ts';
import { StoredAsSent } from '../store/stored-as-sent.ts';

/**
 * The answer to an insert: null for each job that was stored as it was sent, for who sent it has it (of 1,000 jobs the
 * answer took a fifth of what an insert does in both threads). Of many jobs that were there already nobody asks back the
 * args, and of one only where they fit; and where the rest does not fit, nothing else that can be large.
 */
export function insertedBody(results: readonly InsertResult[], as: { codec: Codec; bytesMax: number }): Body {
  const bodyOf = (view: (job: Job) => Job): Body => {
    // What was stored as it was sent is not looked at: it would be made whole for that.
    const answer = results.map((result) => (result.conflict ? { job: view(result.job), conflict: true } : null));
    return Body.of({ answer }, as.codec);
  };
  const fits = (body: Body): boolean => body.bytes.length <= as.bytesMax;
  // Measuring is encoding, which what is new does not need.
  if (results.every(({ conflict }) => !conflict)) return bodyOf((job) => job);
  if (results.length === 1) {
    const whole = bodyOf((job) => job);
    if (fits(whole)) return whole;
  }
  const usual = bodyOf((job) => ({ ...job, args: null }));
  if (fits(usual)) return usual;
  const small = { args: null, meta: {}, tags: [], result: null, errors: [], progress: null };
  return bodyOf((job) => ({ ...job, ...small }));
}

/** What {@link insertedBody} says, with the jobs that were stored as they were sent. */
export function insertedResults(jobs: readonly NewJob[], answer: readonly (InsertResult | null)[]): InsertResult[] {
  return answer.map((result, index) => {
    const sent = jobs[index];
    if (result !== null) return result;
    assert(sent !== undefined, 'the store answers for the jobs that it was sent');
    return new StoredAsSent(sent);
  });
}
