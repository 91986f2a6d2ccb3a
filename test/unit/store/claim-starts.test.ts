import { expect, it } from 'vitest';
import type { NewJob } from '../../../src/job/job.ts';
import { ClaimStarts, type InOrder } from '../../../src/store/postgres/claim-starts.ts';
import type { Claimed } from '../../../src/store/postgres/claimed-jobs.ts';
import { newJob } from '../../conformance/store/store-driver.ts';

const NOW = 1_000_000;
const place = (scheduledAt: number, { priority = 5, seq = 7 } = {}) => ({ priority, scheduledAt, seq });
const came = (scheduledAt: number, priority = 5) => newJob({ scheduledAt, priority });

/** What a claim came to: as far as a place where it got all that it asked for, else (undefined) to nothing. */
function upTo(last: ReturnType<typeof place> | undefined, fromHead = true): InOrder {
  const jobs = last === undefined ? [] : [claimedAt(last)];
  return { jobs, room: 1, picked: jobs.length, fromHead };
}

function claimedAt({ seq, priority, scheduledAt }: ReturnType<typeof place>): Claimed {
  const { unique: _unique, state: _state, ...job } = newJob({ priority, scheduledAt });
  return { seq, job: { ...job, run: 1, attempt: 1 } };
}

/** A group that claimed from the head as far as a place, or got less than it asked for, and puts these in line. */
function claimed(
  book: ClaimStarts,
  last: ReturnType<typeof place> | undefined,
  lining: ReturnType<typeof came>[] = [],
) {
  const group = book.group(NOW);
  group.claimed('default', ['a'], upTo(last));
  group.puts(lining);
  group.committed(true);
}

/** A group that puts these in line and does nothing else. */
function comes(book: ClaimStarts, ...lining: ReturnType<typeof came>[]) {
  const group = book.group(NOW);
  group.puts(lining);
  group.committed(true);
}

const startOf = (book: ClaimStarts, { queue = 'default', types = ['a'], now = NOW } = {}) =>
  book.group(now).of(queue, types);

it('begins behind what was claimed, for the same queue and types only', () => {
  const book = new ClaimStarts();
  claimed(book, place(100));
  expect(startOf(book)).toEqual(place(100));
  expect(startOf(book, { queue: 'other' })).toBeUndefined();
  expect(startOf(book, { types: ['a', 'b'] })).toBeUndefined();
  expect(book.group(NOW).of('default', undefined)).toBeUndefined();
});

it('looks from the head again after 100 ms, however many claims came meanwhile, and where the clock went back', () => {
  const book = new ClaimStarts();
  claimed(book, place(100));
  const next = book.group(NOW + 99);
  next.claimed('default', ['a'], upTo(place(200), false));
  next.committed(true);
  expect(startOf(book, { now: NOW + 99 })).toEqual(place(200));
  expect(startOf(book, { now: NOW + 100 })).toBeUndefined();
  expect(startOf(book, { now: NOW - 1 })).toBeUndefined();
});

it('looks from the head after a claim that got less than it asked for', () => {
  const book = new ClaimStarts();
  claimed(book, place(100));
  claimed(book, undefined);
  expect(startOf(book)).toBeUndefined();
});

it('begins before what came in line before', () => {
  const book = new ClaimStarts();
  claimed(book, place(100), [came(101), came(50, 9)]);
  expect(startOf(book)).toEqual(place(100));
  claimed(book, place(100), [came(100)]);
  expect(startOf(book)).toEqual(place(100, { seq: 0 }));
  claimed(book, place(100), [came(90)]);
  expect(startOf(book)).toEqual(place(90, { seq: 0 }));
  claimed(book, place(100), [came(500, 1), came(90)]);
  expect(startOf(book)).toEqual(place(500, { priority: 1, seq: 0 }));
});

it('begins before what came in line while the claim was under way, also the first one', () => {
  for (const known of [true, false]) {
    const book = new ClaimStarts();
    if (known) claimed(book, place(100));
    const slow = book.group(NOW);
    slow.claimed('default', ['a'], upTo(place(200)));
    comes(book, came(90), came(300));
    comes(book, came(150), newJob({ queue: 'other', scheduledAt: 1 }));
    slow.committed(true);
    expect(startOf(book)).toEqual(place(90, { seq: 0 }));
  }
});

it('knows nothing of a claim beside which anything was moved, or whose transaction failed, or another one', () => {
  for (const end of ['moved', 'failed', 'itself'] as const) {
    const book = new ClaimStarts();
    claimed(book, place(100));
    const slow = book.group(NOW);
    slow.claimed('default', ['a'], upTo(place(200), false));
    const other = book.group(NOW);
    if (end === 'moved') other.committed(false);
    if (end === 'failed') other.failed();
    if (end === 'itself') slow.failed();
    else slow.committed(true);
    expect(startOf(book)).toBeUndefined();
  }
});

it('knows nothing once jobs were put back in line, also in the same group', () => {
  const book = new ClaimStarts();
  claimed(book, place(100));
  const group = book.group(NOW);
  group.disturb();
  expect(group.of('default', ['a'])).toBeUndefined();
  group.committed(true);
  expect(startOf(book)).toBeUndefined();
});

it('lets a second claim of a group begin behind the first', () => {
  const group = new ClaimStarts().group(NOW);
  expect(group.of('default', ['a'])).toBeUndefined();
  group.claimed('default', ['a'], upTo(place(100)));
  expect(group.of('default', ['a'])).toEqual(place(100));
});

/** What a claim came to that left nothing, or held more than it took. */
const nothing: InOrder = { jobs: [], room: 1, picked: 0, fromHead: true };
const more: InOrder = { ...upTo(place(100)), picked: 2 };

/** A group that puts jobs in line which the store knows. */
function putting(book: ClaimStarts, jobs: readonly NewJob[]) {
  const group = book.group(NOW);
  group.puts(jobs);
  group.fresh.push({
    alike: { queue: 'default', type: 'a', priority: 5, maxAttempts: 20 },
    ...{ ids: jobs.map(({ id }) => id), args: jobs.map(() => '1'), xmin: '7' },
    ...{ scheduledAts: jobs.map(() => 100), insertedAts: jobs.map(() => 100) },
  });
  return group;
}

const lineIn = (book: ClaimStarts) => book.group(NOW).line('default', ['a']);

it('knows what is in line once a claim left nothing, but where another one holds more than it took', () => {
  for (const first of ['the one', 'the other']) {
    const book = new ClaimStarts();
    const [holds, looks] = [book.group(NOW), book.group(NOW)];
    holds.claimed('default', ['a'], more);
    looks.claimed('default', ['a'], nothing);
    const ends = [() => holds.committed(true), () => looks.committed(true)];
    if (first === 'the one') ends.reverse();
    ends[0]?.();
    expect(lineIn(book) !== undefined).toBe(first === 'the one');
    ends[1]?.();
    expect(lineIn(book)).toBeUndefined();
  }
});

it('does not know what is in line from a claim that itself held more than it took before', () => {
  const book = new ClaimStarts();
  const group = book.group(NOW);
  group.claimed('default', ['a'], more);
  group.claimed('default', ['a'], nothing);
  group.committed(true);
  expect(lineIn(book)).toBeUndefined();
});

it('leaves out of a new line what was taken from an earlier one since', () => {
  const book = new ClaimStarts();
  const looks = book.group(NOW);
  looks.claimed('default', ['a'], nothing);
  const jobs = [came(100), came(100)].map((job) => ({ ...job, type: 'a' }));
  putting(book, jobs).committed(true);
  const takes = book.group(NOW);
  takes.takenFresh.push([jobs[0]?.id ?? '']);
  takes.committed(true);
  looks.committed(true);
  expect(lineIn(book)?.size).toBe(1);
  expect(lineIn(book)?.has(jobs[1]?.id ?? '')).toBe(true);
});

it('knows nothing of what is in line once a group failed, or moved anything', () => {
  for (const end of ['failed', 'moved', 'disturbed'] as const) {
    const book = new ClaimStarts();
    const looks = book.group(NOW);
    looks.claimed('default', ['a'], nothing);
    looks.committed(true);
    const group = book.group(NOW);
    if (end === 'failed') group.failed();
    if (end === 'moved') group.committed(false);
    if (end === 'disturbed') {
      group.disturb();
      expect(group.line('default', ['a'])).toBeUndefined();
      group.committed(true);
    }
    expect(lineIn(book)).toBeUndefined();
  }
});
