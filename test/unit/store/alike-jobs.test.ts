import { expect, it } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import { briefJobs, wholeOnes } from '../../../src/messaging/contract/brief.ts';
import { isLike, isOfOneTime, isPlain } from '../../../src/store/alike-jobs.ts';
import { newJob, T0 } from '../../conformance/store/store-driver.ts';

/** Who sees that a job differs from a plain one: nobody where each row has its own. */
type Seer = 'isPlain' | 'isLike' | 'isOfOneTime' | 'each';

/** Each field that a job may have, with a value that others have not. One that is missing here would not be written in bulk. */
const FIELDS: { [F in keyof NewJob]-?: [Seer, Required<NewJob>[F]] } = {
  id: ['each', '01a20128-f7ac-76ca-9234-b51070260f07'],
  args: ['each', { n: 7 }],
  queue: ['isLike', 'other'],
  type: ['isLike', 'test.other'],
  state: ['isLike', 'scheduled'],
  priority: ['isLike', 9],
  maxAttempts: ['isLike', 7],
  scheduledAt: ['isOfOneTime', T0 + 7],
  insertedAt: ['isOfOneTime', T0 + 7],
  unique: ['isPlain', { key: 'k', withinMs: null, states: ['available'], onConflict: { kind: 'keep' } }],
  timeoutMs: ['isPlain', 7],
  deadlineAt: ['isPlain', T0 + 7],
  reference: ['isPlain', { type: 'file', id: '7' }],
  schedule: ['isPlain', { name: 's', at: T0, late: false }],
  traceparent: ['isPlain', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`],
  backoff: ['isPlain', { kind: 'constant', baseMs: 7, jitter: 0 }],
  tags: ['isPlain', ['t']],
  meta: ['isPlain', { m: 7 }],
};

it.each(Object.entries(FIELDS))('a job whose %s differs is not written as if it did not', (field, [seer, value]) => {
  const usual = newJob();
  const other: NewJob = { ...usual, [field]: value };
  const seers = { isPlain: isPlain(other), isLike: isLike(other, usual), isOfOneTime: isOfOneTime(other, usual) };
  expect(Object.entries(seers).flatMap(([name, isSame]) => (isSame ? [] : [name]))).toEqual(
    seer === 'each' ? [] : [seer],
  );
  expect(wholeOnes(briefJobs([usual, other]))[1], 'as it is told in brief').toEqual(other);
  expect(wholeOnes(briefJobs([other, usual]))[1], 'after one of which it is told').toEqual(usual);
});
