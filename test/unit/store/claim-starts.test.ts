import { expect, it } from 'vitest';
import { ClaimStarts } from '../../../src/store/postgres/claim-starts.ts';
import { newJob } from '../../conformance/store/store-driver.ts';

const NOW = 1_000_000;
const place = (scheduledAt: number, { priority = 5, seq = 7 } = {}) => ({ priority, scheduledAt, seq });
const came = (scheduledAt: number, priority = 5) => newJob({ scheduledAt, priority });

/** A group that claimed from the head as far as a place, or got less than it asked for, and puts these in line. */
function claimed(
  book: ClaimStarts,
  last: ReturnType<typeof place> | undefined,
  lining: ReturnType<typeof came>[] = [],
) {
  const group = book.group(NOW);
  group.reached('default', ['a'], { last, fromHead: true });
  group.committed(lining);
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
  next.reached('default', ['a'], { last: place(200), fromHead: false });
  next.committed([]);
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
    slow.reached('default', ['a'], { last: place(200), fromHead: true });
    book.group(NOW).committed([came(90), came(300)]);
    book.group(NOW).committed([came(150), newJob({ queue: 'other', scheduledAt: 1 })]);
    slow.committed([]);
    expect(startOf(book)).toEqual(place(90, { seq: 0 }));
  }
});

it('knows nothing of a claim beside which anything was moved, or whose transaction failed, or another one', () => {
  for (const end of ['moved', 'failed', 'itself'] as const) {
    const book = new ClaimStarts();
    claimed(book, place(100));
    const slow = book.group(NOW);
    slow.reached('default', ['a'], { last: place(200), fromHead: false });
    const other = book.group(NOW);
    if (end === 'moved') other.committed(undefined);
    if (end === 'failed') other.failed();
    if (end === 'itself') slow.failed();
    else slow.committed([]);
    expect(startOf(book)).toBeUndefined();
  }
});

it('knows nothing once jobs were put back in line, also in the same group', () => {
  const book = new ClaimStarts();
  claimed(book, place(100));
  const group = book.group(NOW);
  group.disturb();
  expect(group.of('default', ['a'])).toBeUndefined();
  group.committed([]);
  expect(startOf(book)).toBeUndefined();
});

it('lets a second claim of a group begin behind the first', () => {
  const group = new ClaimStarts().group(NOW);
  expect(group.of('default', ['a'])).toBeUndefined();
  group.reached('default', ['a'], { last: place(100), fromHead: true });
  expect(group.of('default', ['a'])).toEqual(place(100));
});
