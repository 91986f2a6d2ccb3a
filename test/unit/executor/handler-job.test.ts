import { expect, test } from 'vitest';
import { handlerJob } from '../../../src/actors/executor/handler-job.ts';
import type { ClaimedWork } from '../../../src/actors/executor/messages.ts';
import { type ClaimedJob, storedJob } from '../../../src/job/job.ts';
import { type AsFirst, briefClaimsText, wholeOnes } from '../../../src/messaging/contract/brief.ts';
import { newJob, T0 } from '../../conformance/store/store-driver.ts';

test.each([{}, { tags: ['t'], meta: { m: 1 } }])('handlers of jobs that came together share nothing: %j', (part) => {
  const claimed: ClaimedJob[] = [1, 2, 3].map((n) => storedJob(newJob({ ...structuredClone(part), args: { n } })));
  // What an executor is handed, as it is on the wire.
  const works = wholeOnes(JSON.parse(`{${briefClaimsText(claimed)}}`) as AsFirst<ClaimedWork>);
  const [first, ...others] = works.map(handlerJob);
  // A handler in plain JavaScript is not held by types.
  Object.assign(first?.tags ?? [], { 9: 'written' });
  Object.assign(first?.meta ?? {}, { written: true });
  expect(first).toMatchObject({ insertedAt: T0, meta: { written: true } });
  for (const other of others) expect(other).toMatchObject({ tags: part.tags ?? [], meta: part.meta ?? {} });
  for (const other of others) expect([...other.tags, ...Object.keys(other.meta)]).not.toContain('written');
});
