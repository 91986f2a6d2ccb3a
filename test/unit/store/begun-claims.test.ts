import { expect, it } from 'vitest';
import type { ClaimedJob, NewJob } from '../../../src/job/job.ts';
import { BegunClaim, BegunClaims } from '../../../src/store/begun-claims.ts';
import { CLAIM_FRAME_BYTES } from '../../../src/store/claim-size.ts';
import type { ClaimOptions, StoreRequest } from '../../../src/store/job-store.ts';
import { newJob, request, T0 } from '../../conformance/store/store-driver.ts';

const options = (part: Partial<ClaimOptions> = {}): ClaimOptions => ({
  ...{ now: T0, queue: 'default', worker: 'worker-a', node: 'node-a', limit: 10, ...part },
});
const claimOf = (part: Partial<ClaimOptions> = {}) => request('claim', options(part));
const insertOf = (...jobs: NewJob[]) => request('insert', { jobs });
const countOf = (requests: readonly StoreRequest[], queue = 'default') =>
  new BegunClaims(requests).of(queue)?.length ?? 0;

const waited = (part: Partial<NewJob> = {}): ClaimedJob => {
  const { unique: _unique, state: _state, backoff: _backoff, deadlineAt: _deadlineAt, ...job } = newJob(part);
  return { ...job, run: 1, attempt: 1 };
};

it('knows the claims of each queue in order, and which request each is of', () => {
  const [one, two, other] = [claimOf(), claimOf({ limit: 3 }), claimOf({ queue: 'other' })];
  const claims = new BegunClaims([insertOf(newJob(), newJob({ queue: 'other' })), one, other, two]);
  expect(claims.of('default')?.map(({ options: { limit } }) => limit)).toEqual([10, 3]);
  expect(claims.got(two as ClaimOptions & StoreRequest)).toBe(claims.of('default')?.[1]);
  expect(claims.got(options())).toBeUndefined();
  expect(claims.of('none')).toBeUndefined();
});

it('knows the first of what comes for each queue, of what may be claimed', () => {
  const later = newJob({ state: 'scheduled', scheduledAt: T0 + 9, priority: 0 });
  const [first, second, theirs] = [newJob(), newJob({ scheduledAt: T0 + 1 }), newJob({ queue: 'other', priority: 1 })];
  const claims = new BegunClaims([
    insertOf(later, theirs),
    insertOf(first, second),
    claimOf(),
    claimOf({ queue: 'other' }),
  ]);
  expect(claims.comingTo('default')).toMatchObject({ first, jobs: 2 });
  expect(claims.comingTo('other')).toMatchObject({ first: theirs, jobs: 1 });
});

it.each<[string, Partial<NewJob>[], number]>([
  ['one priority and one time', [{}, {}, {}], 1],
  ['one priority and rising times', [{ scheduledAt: 1 }, { scheduledAt: 1 }, { scheduledAt: 2 }], 1],
  ['a time that goes back', [{ scheduledAt: 2 }, { scheduledAt: 1 }], 0],
  ['a higher priority behind', [{ priority: 5 }, { priority: 4 }], 0],
  ['a lower priority behind', [{ priority: 5 }, { priority: 6 }], 0],
  ['another order in another queue', [{}, { queue: 'other', priority: 1 }, {}], 1],
  ['another order of what is for later', [{}, { state: 'scheduled', scheduledAt: 1 }], 1],
])('takes jobs of %s as they come', (_, parts, claims) => {
  const jobs = parts.map((part) => newJob(part));
  expect(countOf([insertOf(...jobs), claimOf()])).toBe(claims);
  expect(countOf([...jobs.map((job) => insertOf(job)), claimOf()])).toBe(claims);
});

it('counts no claims where one comes before an insert, or behind what may look or change', () => {
  const [insert, claim] = [insertOf(newJob()), claimOf()];
  const pause = request('changeQueue', { now: T0, queue: 'default', change: { paused: true } });
  const settle = (outcome: 'release' | 'complete') =>
    request('settle', {
      ...{ now: T0, worker: 'worker-a' },
      outcomes: [
        outcome === 'release'
          ? { id: 'x', attempt: 1, run: 1, outcome }
          : { id: 'x', attempt: 1, run: 1, outcome, result: 1 },
      ],
    });
  expect(countOf([insert, claim])).toBe(1);
  expect(countOf([pause, settle('release'), insert, settle('complete'), claim])).toBe(1);
  expect(countOf([claim, insert, claim])).toBe(0);
  expect(countOf([insert, claim, insert])).toBe(0);
  expect(countOf([insert, pause, claim])).toBe(0);
  expect(countOf([insert, settle('release'), claim])).toBe(0);
  expect(countOf([insert, pause, insert, claim])).toBe(0);
  expect(countOf([insert, claim, pause, claim])).toBe(1);
  expect(countOf([insert, claim, pause, insert])).toBe(0);
});

it('speaks for no more than its limit, and gives back what was there already', () => {
  const claim = new BegunClaim(options({ limit: 3, types: ['test.job'] }));
  expect(claim.takes('test.job')).toBe(true);
  expect(claim.takes('test.other')).toBe(false);
  claim.take([waited()]);
  expect(claim.room).toBe(2);
  expect(claim.reserve('test.job', ['1', '2'])).toBe(true);
  expect(claim.room).toBe(0);
  expect(claim.rest).toBeUndefined();
  claim.missed(1);
  expect(claim.room).toBe(1);
  expect(claim.rest).toEqual(options({ limit: 1, types: ['test.job'] }));
});

it('answers no more bytes than it was asked for, with what stands between jobs', () => {
  const before = Array.from({ length: 900 }, () => waited({ args: 1 }));
  const jobs = before.reduce((sum, job) => sum + Buffer.byteLength(JSON.stringify(job)), 0);
  const args = JSON.stringify('…'.repeat(5_000));
  const need = CLAIM_FRAME_BYTES + 'test.job'.length + Buffer.byteLength(args);
  for (const [room, fits] of [
    [need, false],
    [need + before.length, true],
  ] as const) {
    const bytesMax = jobs + room;
    const claim = new BegunClaim(options({ limit: 9_999, bytesMax }));
    claim.take(before);
    expect(claim.reserve('test.job', [args])).toBe(fits);
    if (fits) claim.begin(newJob(), args);
    expect(claim.room).toBe(0);
    expect(claim.rest).toBeUndefined();
    expect(Buffer.byteLength(JSON.stringify(claim.with([])))).toBeLessThanOrEqual(bytesMax);
  }
});

it('takes beside what it has only where a job of any size fits', () => {
  const claim = new BegunClaim(options({ bytesMax: 900_000 }));
  claim.reserve('test.job', ['1']);
  expect(claim.rest).toMatchObject({ limit: 9 });
  expect(claim.rest?.bytesMax).toBeLessThan(900_000);
  claim.reserve('test.job', ['x'.repeat(510_000)]);
  expect(claim.room).toBe(8);
  expect(claim.rest).toBeUndefined();
});

it('answers what it has and what else it claimed in order, what came first before what came later', () => {
  const claim = new BegunClaim(options());
  const at = (scheduledAt: number, priority = 5) => waited({ scheduledAt, priority });
  const [one, two, three, four] = [at(5, 1), at(7), at(7), at(9)] as const;
  claim.take([two]);
  expect(claim.with([one, three, four])).toEqual([one, two, three, four]);
});

it('begins a job that shares nothing with the one that was inserted', () => {
  const claim = new BegunClaim(options());
  const job = newJob({ args: { list: [1] } });
  const begun = claim.begin(job, JSON.stringify(job.args));
  expect(begun).toMatchObject({ id: job.id, run: 1, attempt: 1, args: { list: [1] } });
  expect(begun.args).not.toBe(job.args);
  expect(claim.jobs).toEqual([begun]);
});
