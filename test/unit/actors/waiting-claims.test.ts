import { describe, expect, test } from 'vitest';
import { type WaitingClaim, WaitingClaims } from '../../../src/actors/persistence/waiting-claims.ts';
import type { ClaimedJob } from '../../../src/job/job.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const jobs = (...ids: string[]): ClaimedJob[] => ids.map((id) => ({ id }) as ClaimedJob);

function setup() {
  const clock = new VirtualClock();
  const claims = new WaitingClaims(clock);
  const told: string[] = [];
  const claim = (worker: string, parts: { limit?: number; types?: string[] } = {}): WaitingClaim => ({
    options: { queue: 'q', worker, node: 'n', limit: 1, ...parts },
    isOwn: true,
    answer: (found) => told.push(`${worker}: ${found.map(({ id }) => id).join(',')}`),
    refuse: (error) => told.push(`${worker}! ${String(error)}`),
  });
  /** Parks a claim whose first try found nothing. */
  const waiting = (worker: string, parts = {}): WaitingClaim => {
    const parked = claims.park(claim(worker, parts), 1_000);
    if (parked === undefined) throw new Error('not parked');
    claims.settle(parked, []);
    return parked;
  };
  return { clock, claims, told, claim, waiting };
}

const one = new Map([['t', 1]]);

describe('waiting claims', () => {
  test('are answered once, in the order they came, as far as the work reaches', () => {
    const { claims, told, waiting } = setup();
    waiting('a');
    waiting('b');
    const [first, ...rest] = claims.candidates('q', one);
    expect(rest).toEqual([]);
    expect(first && claims.settle(first, jobs('1'))).toBe('answered');
    expect(told).toEqual(['a: 1']);
    expect(claims.size).toBe(1);
  });

  test('are answered with nothing when their time is over; jobs that come then are nobody’s', async () => {
    const { clock, claims, told, waiting } = setup();
    waiting('a');
    const [tried] = claims.candidates('q');
    await clock.advance(1_000);
    expect(told).toEqual(['a: ']);
    expect(tried && claims.settle(tried, jobs('1'))).toBe('late');
    expect([claims.size, clock.pending]).toEqual([0, 0]);
  });

  test('work that comes during an empty try makes it tried again', () => {
    const { claims, told, claim } = setup();
    const parked = claims.park(claim('a'), 1_000);
    // The first try is under way and may have looked before the insert of the same transaction.
    expect(claims.candidates('q', one)).toEqual([]);
    expect(parked && claims.settle(parked, [])).toBe('again');
    expect(parked && claims.settle(parked, jobs('1'))).toBe('answered');
    expect(told).toEqual(['a: 1']);
  });

  test('without new work an empty try is not repeated', () => {
    const { claims, waiting } = setup();
    waiting('a');
    const [tried] = claims.candidates('q', one);
    expect(tried && claims.settle(tried, [])).toBe('waiting');
  });

  test('claims of other types do not hold up the one that wants the work', () => {
    const { claims, waiting } = setup();
    waiting('other', { types: ['x'] });
    const wanted = waiting('wanted', { types: ['t'] });
    expect(claims.candidates('q', one)).toEqual([wanted]);
  });

  test('as many jobs are awaited as those take that are not being tried', async () => {
    const { clock, claims, claim, waiting } = setup();
    expect(claims.awaited('q')).toBe(0);
    const first = claims.park(claim('first', { limit: 5 }), 500);
    expect(claims.awaited('q')).toBe(0);
    if (first) claims.settle(first, []);
    expect(claims.awaited('q')).toBe(5);
    waiting('second', { limit: 30 });
    const third = waiting('third', { limit: 200, types: ['t'] });
    expect([claims.awaited('q'), claims.awaited('other')]).toEqual([235, 0]);
    expect(claims.candidates('q', 5)).toEqual([first, third]);
    expect(claims.awaited('q')).toBe(30);
    claims.settle(third, []);
    expect(claims.awaited('q')).toBe(230);
    await clock.advance(1_000);
    expect(claims.awaited('q')).toBe(0);
  });

  test('withdrawn and failed ones leave', () => {
    const { claims, told, waiting } = setup();
    waiting('a');
    const failed = waiting('b');
    expect(claims.withdraw('q', 'a')).toBe(1);
    claims.fail(failed, 'disk full');
    claims.fail(failed, 'again');
    expect(told).toEqual(['a: ', 'b! disk full']);
    expect(claims.size).toBe(0);
  });
});
