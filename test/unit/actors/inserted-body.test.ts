import { expect, test } from 'vitest';
import { insertedBody, insertedResults } from '../../../src/actors/inserted-body.ts';
import { type Job, storedJob } from '../../../src/job/job.ts';
import { newJob } from '../../../src/job/job-request.ts';
import { Body } from '../../../src/messaging/body.ts';
import type { InsertResult } from '../../../src/store/job-store.ts';

const made = (n: number, args = { n }) =>
  newJob(
    { type: 'a', args },
    { now: 1, queue: 'q', definition: undefined, newId: () => `01890000-0000-7000-8000-00000000000${n}` },
  );
const fresh = (n: number): InsertResult => ({ job: storedJob(made(n)), conflict: false });
const existing = (n: number, more: Partial<Job> = {}): InsertResult => ({
  job: { ...storedJob(made(n)), state: 'completed', ...more },
  conflict: true,
});
/** What who sent the jobs reads from the answer. */
const read = (results: InsertResult[], bytesMax = 100_000): InsertResult[] => {
  const { bytes, contentType } = insertedBody(results, { codec: 'msgpack', bytesMax });
  const { answer } = Body.encoded(bytes, contentType).value as { answer: (InsertResult | null)[] };
  const read = insertedResults([made(1), made(2)].slice(0, results.length), answer);
  return read.map(({ job, conflict }) => ({ job, conflict }));
};

test('what was stored as it was sent is not sent back, and read as it was stored', () => {
  expect(read([fresh(1), fresh(2)])).toEqual([fresh(1), fresh(2)]);
  const { bytes } = insertedBody([fresh(1), fresh(2)], { codec: 'msgpack', bytesMax: 100_000 });
  expect(bytes.length).toBeLessThan(20);
});

test('what was there already is told: of one with its args where they fit, of many without', () => {
  expect(read([existing(1)])).toEqual([existing(1)]);
  expect(read([existing(1)], 100)[0]?.job.args).toBeNull();
  const [first, second] = read([fresh(1), existing(2)]);
  expect(first).toEqual(fresh(1));
  expect(second).toEqual(existing(2, { args: null }));
  expect(read([existing(1, { result: 'x'.repeat(1_000) })], 900)[0]?.job.result).toBeNull();
});
