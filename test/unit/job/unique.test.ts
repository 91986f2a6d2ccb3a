import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineJob } from '../../../src/job/definition.ts';
import { jobRequest, newJob } from '../../../src/job/job-request.ts';
import { INCOMPLETE_STATES, JOB_STATES } from '../../../src/job/state.ts';
import {
  REPLACEABLE_FIELDS,
  UNIQUE_PARTS,
  type UniquePolicy,
  uniqueKey,
  uniquePolicy,
  uniqueView,
} from '../../../src/job/unique.ts';
import { Issues } from '../../../src/kernel/check.ts';
import type { Json } from '../../../src/kernel/json.ts';

function read(value: unknown): UniquePolicy | undefined {
  return uniquePolicy(value, 'unique', new Issues());
}

const DEFAULTS: UniquePolicy = {
  by: ['type', 'queue', 'args'],
  withinMs: null,
  states: [...INCOMPLETE_STATES],
  onConflict: { kind: 'keep' },
};

describe('a uniqueness policy', () => {
  it('has the defaults of the contract', () => {
    expect(read({})).toEqual(DEFAULTS);
    expect(read({ by: null, within: 'forever', states: 'incomplete', onConflict: 'keep' })).toEqual(DEFAULTS);
  });

  it('is read from what its view writes', () => {
    const onConflict = fc.oneof(
      fc.constant('keep'),
      fc.subarray([...REPLACEABLE_FIELDS], { minLength: 1 }).map((replace) => ({ replace })),
      fc.option(fc.nat(), { nil: null }).map((maxWait) => ({ reschedule: true, maxWait })),
    );
    const policy = fc.record({
      by: fc.subarray([...UNIQUE_PARTS], { minLength: 1 }),
      within: fc.oneof(fc.constant('forever'), fc.nat()),
      states: fc.subarray([...JOB_STATES], { minLength: 1 }),
      onConflict,
    });
    fc.assert(
      fc.property(policy, (value) => {
        const once = read(value);
        expect(once).toBeDefined();
        if (once !== undefined) expect(read(uniqueView(once))).toEqual(once);
      }),
    );
  });

  it('never throws, whatever comes', () => {
    fc.assert(fc.property(fc.anything(), (value) => void read(value)));
  });
});

describe('a unique key', () => {
  const job = { type: 'a', queue: 'q', args: { to: 'x', n: [1, { b: 2, a: 1 }] } as Json, meta: { m: 1 } as Json };
  const keyOf = (policy: Partial<UniquePolicy>, part: Partial<typeof job> = {}) =>
    uniqueKey({ ...DEFAULTS, ...policy }, { ...job, ...part });

  it('is the same whatever the order of keys in args, and differs by every part that counts', () => {
    expect(keyOf({}, { args: { n: [1, { a: 1, b: 2 }], to: 'x' } })).toBe(keyOf({}));
    expect(keyOf({}, { args: { to: 'x', n: [{ a: 1, b: 2 }, 1] } })).not.toBe(keyOf({}));
    expect(keyOf({}, { queue: 'r' })).not.toBe(keyOf({}));
    expect(keyOf({}, { type: 'b' })).not.toBe(keyOf({}));
    expect(keyOf({}, { meta: {} })).toBe(keyOf({}));
    expect(keyOf({ by: ['type'] }, { queue: 'r', args: {} })).toBe(keyOf({ by: ['type'] }));
    expect(keyOf({ by: ['queue', 'type'] })).toBe(keyOf({ by: ['type', 'queue'] }));
  });

  it('takes only the named keys of args, or of meta where args do not count', () => {
    expect(keyOf({ keys: ['to'] }, { args: { to: 'x', other: 2 } })).toBe(keyOf({ keys: ['to'] }));
    expect(keyOf({ keys: ['to'] }, { args: { to: 'y' } })).not.toBe(keyOf({ keys: ['to'] }));
    expect(keyOf({ keys: ['toString'] }, { args: {} })).toBe(keyOf({ keys: ['toString'] }));
    const byMeta = { by: ['meta' as const], keys: ['m'] };
    expect(keyOf(byMeta, { meta: { m: 1, more: 2 }, args: {} })).toBe(keyOf(byMeta));
  });
});

describe('a new job', () => {
  const world = { now: 1_000, newId: () => 'id', queue: 'q' };
  const request = (value: object) => {
    const checked = jobRequest({ type: 'a', ...value }, '', new Issues());
    if (checked === undefined) throw new Error('the request is good');
    return checked;
  };

  it("is unique as its request says, else as its type's default; false is never", () => {
    const definition = defineJob({ type: 'a', unique: { within: '10m' } });
    const make = (value: object) => newJob(request(value), { ...world, definition }).unique;
    expect(make({})).toMatchObject({ withinMs: 600_000, onConflict: { kind: 'keep' } });
    expect(make({ unique: null })).toEqual(make({}));
    expect(make({ unique: {} })).toMatchObject({ withinMs: null });
    expect(make({ unique: false })).toBeUndefined();
    expect(newJob(request({ unique: {} }), { ...world, definition: undefined }).unique?.key).toBe(make({})?.key);
    expect(newJob(request({}), { ...world, definition: undefined })).not.toHaveProperty('unique');
  });

  it('has a deadline from a duration, counted from its request, or a time', () => {
    const make = (value: object) => newJob(request(value), { ...world, definition: undefined, madeAt: 400 }).deadlineAt;
    expect(make({})).toBeNull();
    expect(make({ deadline: '1s' })).toBe(1_400);
    expect(make({ deadline: 50 })).toBe(450);
    expect(make({ deadline: '2026-01-05T10:00:00Z' })).toBe(1_767_607_200_000);
  });

  it('has a definition that tells a wrong policy with its field', () => {
    const wrong = () => defineJob({ type: 'a', unique: { within: 'soon' as never } });
    expect(wrong).toThrow(
      expect.objectContaining({ code: 'invalid_config', issues: [expect.objectContaining({ path: 'unique.within' })] }),
    );
  });
});
