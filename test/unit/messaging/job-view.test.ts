import { expect, it } from 'vitest';
import { withError } from '../../../src/job/error-entry.ts';
import { type Job, storedJob } from '../../../src/job/job.ts';
import { newJob } from '../../../src/job/job-request.ts';
import { LIMITS } from '../../../src/job/limits.ts';
import { utf8Bytes } from '../../../src/kernel/json.ts';
import { bareJobText, isBare, jobView } from '../../../src/messaging/contract/job-view.ts';
import { PAYLOAD_BYTES_MAX_DEFAULT, REPLY_FRAME_BYTES } from '../../../src/messaging/payload.ts';

// A job that no reply has room for could not be read, waited for or listed, and no list could go past it.
it('a job with everything at its limit fits into a reply of a server as it comes', () => {
  const text = (bytes: number) => ({ '': 'x'.repeat(bytes - 7) });
  const entry = { at: 0, attempt: LIMITS.attemptsMax, kind: 'orphaned', message: '\u0001'.repeat(1_000_000) } as const;
  const odd = (characters: number): string => '\u0001'.repeat(characters);
  const job: Job = {
    ...{ id: '01890000-0000-7000-8000-000000000000', type: 'x'.repeat(128), queue: 'x'.repeat(64), state: 'available' },
    ...{ args: text(LIMITS.argsBytesMax), meta: text(LIMITS.metaBytesMax), result: text(LIMITS.resultBytesMax) },
    ...{ progress: text(LIMITS.progressBytesMax), tags: Array.from({ length: LIMITS.tagsMax }, () => odd(128)) },
    ...{ reference: { type: odd(256), id: odd(256) }, schedule: { name: 'x'.repeat(64), at: 0, late: true } },
    errors: Array.from({ length: 30 }).reduce<Job['errors']>((errors) => withError(errors, entry), []),
    ...{ priority: 9, attempt: 1_000, maxAttempts: 1_000, run: 9e15, scheduledAt: 0, insertedAt: 0, attemptedAt: 0 },
    ...{ finishedAt: 0, node: 'x'.repeat(64), worker: 'x'.repeat(36), backoff: null, timeoutMs: 0, deadlineAt: 0 },
    traceparent: 'x'.repeat(LIMITS.traceparentLengthMax),
  };
  expect(utf8Bytes(JSON.stringify(job.args))).toBe(LIMITS.argsBytesMax);
  const bytes = utf8Bytes(JSON.stringify(jobView(job)));
  expect(bytes).toBeLessThan(PAYLOAD_BYTES_MAX_DEFAULT - REPLY_FRAME_BYTES);
});

it('a bare job is written as its view, without args', () => {
  const world = { now: Date.UTC(2026, 0, 2), newId: () => '01890000-0000-7000-8000-000000000000', queue: 'a-b_C' };
  const request = { type: 'a.b:c-d_e', args: { x: 1 } };
  for (const more of [{}, { priority: 9, maxAttempts: 3, scheduledAt: Date.UTC(2030, 0, 1) }]) {
    const job = storedJob(newJob({ ...request, ...more }, { ...world, definition: undefined }));
    expect(isBare(job)).toBe(true);
    expect(JSON.parse(bareJobText(job))).toEqual({ ...jobView(job), args: null });
    expect(Object.keys(JSON.parse(bareJobText(job)))).toEqual(Object.keys(jobView(job)));
  }
  const bare = storedJob(newJob(request, { ...world, definition: undefined }));
  const more: Partial<Job>[] = [
    { tags: ['a'] },
    { meta: { a: 1 } },
    { reference: { type: 'a', id: 'b' } },
    { schedule: { name: 'a', at: 0, late: false } },
    { run: 1 },
    { finishedAt: 1 },
  ];
  for (const fields of more) expect(isBare({ ...bare, ...fields })).toBe(false);
});
