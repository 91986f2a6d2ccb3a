import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InsertPace } from '../../../src/actors/persistence/insert-pace.ts';
import type { StoreReply, StoreRequest } from '../../../src/store/job-store.ts';

/** For how long a queue that nobody claims of counts as claimed of, in milliseconds. */
const CLAIMED_WITHIN_MS = 100;

const claim = (limit: number, queue = 'q'): StoreRequest => ({
  verb: 'claim',
  ...{ queue, limit, worker: 'w', node: 'n', now: 0 },
});
const inserted = (jobs: number, { queue = 'q', state = 'available' } = {}): StoreRequest => ({
  verb: 'insert',
  jobs: Array.from({ length: jobs }, () => ({ queue, state })) as never,
});
const ok = (answer: unknown): StoreReply => ({ ok: true, answer, facts: [] });
const claimedJobs = (jobs: number): StoreReply => ok(Array.from({ length: jobs }));
const refused: StoreReply = { ok: false, error: { code: 'conflict', message: 'no' } };

function setup(isShared = false) {
  const pace = new InsertPace(() => isShared);
  /** A group of one request, written at once. */
  const commit = (request: StoreRequest, reply: StoreReply, now: number): void => {
    pace.begins([request], now);
    pace.committed([request], [reply], now);
  };
  return { pace, commit };
}

describe('the pace of inserts', () => {
  test('nobody is waited for where nobody claims, and in no other queue than is claimed of', () => {
    const { pace, commit } = setup();
    expect(pace.before('q', 0)).toBeUndefined();
    commit(inserted(500), ok([]), 0);
    expect(pace.before('q', 0)).toBeUndefined();
    commit(claim(10), claimedJobs(0), 0);
    expect(pace.before('q', 0)).toBe(0);
    expect(pace.before('r', 0)).toBeUndefined();
  });

  test('how much waits is not known before a claim got less than it asked for', () => {
    const { pace, commit } = setup();
    pace.begins([claim(10)], 0);
    expect(pace.before('q', 0)).toBeUndefined();
    commit(claim(10), claimedJobs(10), 0);
    expect(pace.before('q', 0)).toBeUndefined();
    commit(claim(10), claimedJobs(9), 0);
    expect(pace.before('q', 0)).toBe(0);
  });

  test('where limits may have cut a claim what waits is not thought to be gone, nor for ever to be there', () => {
    const { pace, commit } = setup(true);
    commit(claim(900), claimedJobs(850), 0);
    expect(pace.before('q', 0)).toBe(0);
    commit(inserted(100), ok([]), 0);
    const known: unknown[] = [];
    for (let round = 0; round < 8; round += 1) {
      commit(claim(10), claimedJobs(0), 0);
      known.push(pace.before('q', 0));
    }
    expect(known).toEqual([50, 25, 12, 6, 3, 1, 0, 0]);
  });

  test('claims are waited for as long as the last one, begun or committed, is not too long ago', () => {
    const { pace, commit } = setup();
    commit(claim(10), claimedJobs(1), 50);
    expect(pace.before('q', 50 + CLAIMED_WITHIN_MS)).toBe(0);
    expect(pace.before('q', 50.1 + CLAIMED_WITHIN_MS)).toBeUndefined();
    pace.begins([claim(10)], 140);
    expect(pace.before('q', 140 + CLAIMED_WITHIN_MS)).toBe(0);
    pace.committed([claim(10)], [claimedJobs(0)], 220);
    expect(pace.before('q', 220 + CLAIMED_WITHIN_MS)).toBe(0);
    expect(pace.before('q', 220.1 + CLAIMED_WITHIN_MS)).toBeUndefined();
  });

  test('the line grows by what is inserted into it and may begin, and shrinks by what is claimed', () => {
    const { pace, commit } = setup();
    commit(claim(1_000), claimedJobs(300), 0);
    commit(inserted(200), ok([]), 0);
    expect(pace.before('q', 0)).toBe(200);
    commit(inserted(7, { queue: 'r' }), ok([]), 0);
    commit(inserted(7, { state: 'scheduled' }), ok([]), 0);
    commit(inserted(7), refused, 0);
    expect(pace.before('q', 0)).toBe(200);
    commit(claim(150), claimedJobs(150), 0);
    expect(pace.before('q', 0)).toBe(50);
    commit(claim(80), claimedJobs(80), 0);
    expect(pace.before('q', 0)).toBe(0);
    commit(inserted(40), ok([]), 0);
    commit(claim(80), refused, 0);
    expect(pace.before('q', 0)).toBe(40);
    commit(claim(80), claimedJobs(0), 0);
    expect(pace.before('q', 0)).toBe(0);
  });

  test('requests of one group count in their order', () => {
    const { pace, commit } = setup();
    commit(claim(1_000), claimedJobs(900), 0);
    const group = [inserted(300), claim(100)];
    pace.begins(group, 0);
    pace.committed(group, [ok([]), claimedJobs(100)], 0);
    expect(pace.before('q', 0)).toBe(200);
    pace.committed([claim(300), inserted(5)], [claimedJobs(299), ok([])], 0);
    expect(pace.before('q', 0)).toBe(5);
  });

  test('a line longer than what was claimed lately is not worth waiting in', () => {
    const { pace, commit } = setup();
    commit(claim(1_000), claimedJobs(300), 0);
    commit(inserted(300), ok([]), 0);
    expect(pace.before('q', 0)).toBe(300);
    commit(inserted(1), ok([]), 0);
    expect(pace.before('q', 0)).toBeUndefined();
    commit(claim(1), claimedJobs(1), 0);
    expect(pace.before('q', 0)).toBe(300);
  });

  test('what was claimed is forgotten with time, by the e-th part each such stretch', () => {
    const { pace, commit } = setup();
    commit(claim(1_000), claimedJobs(271), 0);
    commit(inserted(100), ok([]), 0);
    // 271 / e is 99.7, 272 / e is 100.06.
    pace.begins([claim(10)], CLAIMED_WITHIN_MS);
    expect(pace.before('q', CLAIMED_WITHIN_MS)).toBeUndefined();
    commit(claim(1), claimedJobs(1), CLAIMED_WITHIN_MS);
    expect(pace.before('q', CLAIMED_WITHIN_MS)).toBe(99);
  });

  test('in two steps as much is forgotten as in one', () => {
    const times = fc.tuple(fc.integer({ min: 0, max: 90 }), fc.integer({ min: 0, max: 90 }));
    fc.assert(
      fc.property(times, fc.integer({ min: 1, max: 500 }), ([first, second], jobs) => {
        const [once, twice] = [setup(), setup()];
        for (const { commit } of [once, twice]) {
          commit(claim(1_000), claimedJobs(400), 0);
          commit(inserted(jobs), ok([]), 0);
        }
        twice.pace.begins([claim(1)], first);
        for (const { pace } of [once, twice]) pace.begins([claim(1)], first + second);
        const left = 400 * Math.exp(-(first + second) / CLAIMED_WITHIN_MS);
        fc.pre(Math.abs(left - jobs) > 1e-6);
        const expected = jobs > left ? undefined : jobs;
        for (const { pace } of [once, twice]) expect(pace.before('q', first + second)).toBe(expected);
      }),
    );
  });

  test('what a store left out of its replies counts for nothing', () => {
    const { pace, commit } = setup();
    commit(claim(10), claimedJobs(3), 0);
    pace.committed([inserted(200), claim(10)], [], 0);
    expect(pace.before('q', 0)).toBe(0);
  });

  test('a claim that was never said to begin tells nothing', () => {
    const { pace } = setup();
    pace.committed([claim(10)], [claimedJobs(0)], 0);
    expect(pace.before('q', 0)).toBeUndefined();
  });
});
