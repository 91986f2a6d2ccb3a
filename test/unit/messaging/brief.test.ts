import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ClaimedJob, type NewJob, storedJob } from '../../../src/job/job.ts';
import type { Json } from '../../../src/kernel/json.ts';
import { Body } from '../../../src/messaging/body.ts';
import {
  type AsFirst,
  BRIEF_HEADERS,
  briefClaimsText,
  briefJobs,
  wantsBrief,
  wholeOnes,
} from '../../../src/messaging/contract/brief.ts';
import { claimedView } from '../../../src/messaging/contract/job-view.ts';
import { answerMessage, NO_HEADERS } from '../../../src/messaging/inbox.ts';

/** Few values of each field, so that jobs often have them in common and often not. */
const one = <T>(...values: T[]) => fc.constantFrom(...values);
const newJobs: fc.Arbitrary<NewJob> = fc
  .record({
    id: fc.uuid({ version: 7 }),
    type: one('a', 'b.c'),
    queue: one('q', 'r'),
    state: one<NewJob['state']>('available', 'scheduled'),
    args: one<Json>({}, { to: 'x' }, [1]),
    priority: one(0, 5),
    maxAttempts: one(1, 20),
    scheduledAt: one(0, 1_000),
    insertedAt: one(0, 1_000),
    tags: one<string[]>([], ['t']),
    meta: one<NewJob['meta']>({}, { m: null }),
    reference: one(null, { type: 'file', id: '1' }),
    schedule: one(null, { name: 's', at: 5, late: true }),
    backoff: one<NewJob['backoff']>(null, { kind: 'constant', baseMs: 1 }),
    timeoutMs: one(null, 7),
    deadlineAt: one(null, 9),
    traceparent: one(null, '00-a'),
  })
  .chain((job) =>
    one<object>({}, { unique: { key: 'k', withinMs: null, states: ['available'], onConflict: { kind: 'keep' } } }).map(
      (unique) => ({ ...job, ...unique }),
    ),
  );
const claims: fc.Arbitrary<ClaimedJob> = fc
  .record({ job: newJobs, run: one(1, 2), attempt: one(1, 2) })
  .map(({ job, run, attempt }) => ({ ...storedJob(job), run, attempt }));

const claimsOf = (jobs: readonly ClaimedJob[]): AsFirst<object> =>
  JSON.parse(`{${briefClaimsText(jobs)}}`) as AsFirst<object>;
const sent = (list: AsFirst<object>): AsFirst<object> => JSON.parse(JSON.stringify(list)) as AsFirst<object>;

it('jobs that are told briefly are whole again', () => {
  fc.assert(
    fc.property(fc.array(newJobs, { maxLength: 6 }), fc.array(claims, { maxLength: 6 }), (jobs, claimed) => {
      expect(wholeOnes(sent(briefJobs(jobs)))).toEqual(jobs);
      const views = claimed.map(claimedView);
      expect(wholeOnes(claimsOf(claimed))).toEqual(views);
      // Args that are at hand as text are not looked at, but of the first, which is written whole.
      const texts = claimed.map((job, at) =>
        at === 0 ? job : { ...job, args: null, argsText: JSON.stringify(job.args) },
      );
      expect(wholeOnes(claimsOf(texts))).toEqual(views);
    }),
  );
});

it('what jobs have in common is said once', () => {
  const [job] = fc.sample(newJobs, { numRuns: 1, seed: 1 });
  if (job === undefined) throw new Error('no job');
  const { unique: _unique, ...plain } = { ...job, tags: [], meta: {}, reference: null, schedule: null };
  const { jobs, asFirst } = briefJobs([plain, { ...plain, id: 'other', args: { other: 1 } }]);
  expect({ jobs, asFirst }).toEqual({ jobs: [plain, { id: 'other', args: { other: 1 } }], asFirst: true });
});

it('a list without the word is as it is, and only who asks so is answered briefly', () => {
  expect(wholeOnes({ jobs: [{ a: 1 }, { b: 2 }] })).toEqual([{ a: 1 }, { b: 2 }]);
  const message = (headers: Readonly<Record<string, string>>) => answerMessage('a', Body.of({}, 'json'), headers);
  expect(wantsBrief(message(BRIEF_HEADERS))).toBe(true);
  expect(wantsBrief(message(NO_HEADERS))).toBe(false);
});
