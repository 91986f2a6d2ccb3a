import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defineJob } from '../../../src/job/definition.ts';
import { exponential } from '../../../src/job/retry-policy.ts';
import { Issues } from '../../../src/kernel/check.ts';
import { declarationView, fingerprint } from '../../../src/scheduler/declaration-view.ts';
import type { ScheduleDeclaration } from '../../../src/scheduler/schedule.ts';
import {
  previewRequest,
  type ScheduleCheckOptions,
  scheduleDeclaration,
  schedulePut,
} from '../../../src/scheduler/schedule-check.ts';
import { at, cron, entryWire, every, isScheduleEntry } from '../../../src/scheduler/schedule-entry.ts';

const NOW = Date.UTC(2026, 4, 1, 10);
const PLAIN = { spec: { cron: '0 9 * * *' }, job: { type: 'report' } };

function check(value: unknown, options: ScheduleCheckOptions = {}): ScheduleDeclaration {
  const issues = new Issues();
  const read = scheduleDeclaration(options)(value, '', issues);
  if (read === undefined || !issues.none) throw new Error(JSON.stringify(issues.list));
  return read;
}

function faults(value: unknown, options: ScheduleCheckOptions = {}): string[] {
  const issues = new Issues();
  expect(scheduleDeclaration(options)(value, '', issues)).toBeUndefined();
  return issues.list.map(({ path, message }) => `${path}: ${message}`);
}

describe('what is filled in', () => {
  test('every default', () => {
    expect(check(PLAIN)).toEqual({
      spec: { cron: '0 9 * * *' },
      timezone: 'UTC',
      job: { type: 'report', queue: 'default' },
      overlap: 'allow',
      misfire: { policy: 'latest', max: 100, graceMs: 5_000 },
      dst: { gap: 'next', repeat: 'first' },
      dayMatch: 'either',
      jitterMs: 0,
      startAt: null,
      endAt: null,
      maxRuns: null,
      enabled: true,
    });
  });

  test('the zone of the config and the queue of the type', () => {
    const options = { timezone: 'Europe/Berlin', queueOf: (type: string) => (type === 'report' ? 'mail' : undefined) };
    expect(check(PLAIN, options)).toMatchObject({ timezone: 'Europe/Berlin', job: { queue: 'mail' } });
    expect(check({ ...PLAIN, timezone: 'UTC', job: { type: 'x', queue: 'q' } }, options)).toMatchObject({
      timezone: 'UTC',
      job: { queue: 'q' },
    });
  });

  test('each policy as given; null is left out', () => {
    const read = check({
      spec: { every: '5m' },
      job: { type: 'report', args: { a: 1 }, priority: 'high', timeout: '30s', tags: ['A'] },
      overlap: 'cancel_running',
      misfire: { policy: 'all', max: 7, grace: '1m' },
      dst: { repeat: 'both' },
      dayMatch: 'both',
      jitter: '10s',
      startAt: '2026-06-01T00:00:00Z',
      endAt: null,
      maxRuns: 5,
      enabled: false,
    });
    expect(read).toMatchObject({
      spec: { every: 300_000 },
      job: { type: 'report', args: { a: 1 }, priority: 2, timeout: 30_000, tags: ['a'] },
      misfire: { policy: 'all', max: 7, graceMs: 60_000 },
      dst: { gap: 'next', repeat: 'both' },
      jitterMs: 10_000,
      startAt: Date.UTC(2026, 5, 1),
      endAt: null,
      maxRuns: 5,
      enabled: false,
    });
    expect(check({ ...PLAIN, misfire: 'skip' }).misfire).toEqual({ policy: 'skip', max: 100, graceMs: 5_000 });
  });
});

describe('what is refused', () => {
  test.each<[what: string, change: Record<string, unknown>, fault: RegExp]>([
    ['no spec', { spec: undefined }, /^spec: is required/],
    ['an empty spec', { spec: {} }, /^spec: must be one of {"cron": "…"}/],
    ['two specs', { spec: { every: '5m', at: '2027-01-01T00:00:00Z' } }, /^spec: must be one of/],
    ['an unknown spec', { spec: { crom: '* * * * *' } }, /^spec.crom: is not a known field/],
    ['a spec of text', { spec: '* * * * *' }, /^spec: must be an object/],
    ['cron that is no text', { spec: { cron: 5 } }, /^spec.cron: must be a cron expression/],
    ['a bad expression', { spec: { cron: '0 25 * * *' } }, /^spec.cron: field 2 \(hour\), character 3: "25" must be/],
    ['30 February', { spec: { cron: '0 0 30 2 *' } }, /^spec.cron: field 3 .* never occurs in month "2"/],
    [
      'days that never meet',
      { spec: { cron: '0 0 1 * 1#2' }, dayMatch: 'both' },
      /^spec.cron: field 5 .* never falls on/,
    ],
    ['every below a second', { spec: { every: 999 } }, /^spec.every: must be at least 1 s/],
    ['every without a unit', { spec: { every: '5' } }, /^spec.every: must be a duration/],
    ['at that is no date', { spec: { at: '2026-02-30T00:00:00Z' } }, /^spec.at: must be a time like/],
    [
      'an unknown zone',
      { timezone: 'Europe/Berlim' },
      /^timezone: is not a time zone .* did you mean "Europe\/Berlin"\?/,
    ],
    ['a city alone', { timezone: 'new_york' }, /did you mean "America\/New_York"\?/],
    ['an offset', { timezone: '+02:00' }, /^timezone: is not a time zone .* use an IANA name/],
    ['a long zone', { timezone: 'x'.repeat(100_000) }, /^timezone: is not a time zone .* use an IANA name/],
    ['an empty zone', { timezone: '' }, /^timezone: is not a time zone/],
    ['no job', { job: undefined }, /^job: is required/],
    ['a job of text', { job: 'report' }, /^job: must be an object/],
    ['a job without type', { job: {} }, /^job.type: is required/],
    ['a bad queue', { job: { type: 'x', queue: 'a b' } }, /^job.queue: must be a queue name/],
    [
      'a job with an id',
      { job: { type: 'x', id: '018f0000-0000-7000-8000-000000000000' } },
      /^job.id: cannot be given/,
    ],
    ['a job with a time', { job: { type: 'x', scheduledAt: '2027-01-01T00:00:00Z' } }, /^job.scheduledAt: cannot be/],
    ['an unknown field of the job', { job: { type: 'x', prio: 1 } }, /^job.prio: is not a known field/],
    ['args that are no object', { job: { type: 'x', args: 5 } }, /^job.args: must be an object or an array/],
    ['an unknown policy', { overlap: 'queue' }, /^overlap: must be one of "allow", "skip", "cancel_running"/],
    ['an unknown misfire', { misfire: 'none' }, /^misfire: must be "latest", "skip" or "all"/],
    ['misfire without policy', { misfire: { max: 3 } }, /^misfire.policy: is required/],
    ['misfire of none', { misfire: { policy: 'all', max: 0 } }, /^misfire.max: must be a whole number from 1 to 1000/],
    ['an unknown gap', { dst: { gap: 'first' } }, /^dst.gap: must be one of "next", "skip"/],
    ['an unknown day rule', { dayMatch: 'any' }, /^dayMatch: must be one of "either", "both"/],
    ['negative jitter', { jitter: -1 }, /^jitter: must be a duration/],
    ['no runs', { maxRuns: 0 }, /^maxRuns: must be a whole number from 1/],
    ['enabled as text', { enabled: 'yes' }, /^enabled: must be true or false/],
    ['an unknown field', { timeZone: 'UTC' }, /^timeZone: is not a known field; known are spec, timezone/],
    [
      'a window that is none',
      { startAt: '2027-01-01T00:00:00Z', endAt: '2027-01-01T00:00:00Z' },
      /^endAt: must be after/,
    ],
    [
      'a window without a tick',
      { spec: { cron: '0 0 29 2 *' }, startAt: '2027-01-01T00:00:00Z', endAt: '2027-12-31T00:00:00Z' },
      /^spec: never fires between startAt and endAt/,
    ],
    [
      'ticks that the policy always takes away',
      { spec: { cron: '30 2 * 3 0#2' }, timezone: 'America/New_York', dst: { gap: 'skip' } },
      /^spec: never fires with this time zone and dst policy/,
    ],
    [
      'an at outside of its window',
      { spec: { at: '2027-01-01T00:00:00Z' }, startAt: '2027-02-01T00:00:00Z' },
      /^spec.at: is before startAt, 2027-02-01T00:00:00.000Z/,
    ],
  ])('%s', (_, change, fault) => {
    const [first = '', ...rest] = faults({ ...PLAIN, ...change });
    expect(first).toMatch(fault);
    expect(rest).toEqual([]);
  });

  test('an at that is past, where the caller says what time it is', () => {
    const past = { ...PLAIN, spec: { at: '2026-05-01T10:00:00Z' } };
    expect(faults(past, { now: NOW })).toEqual(['spec.at: is past: it is 2026-05-01T10:00:00.000Z']);
    expect(check(past).spec).toEqual({ at: NOW });
    expect(check(past, { now: NOW - 1 }).spec).toEqual({ at: NOW });
  });

  test('job types that the caller does not know', () => {
    expect(faults(PLAIN, { knownType: () => false })).toEqual([
      'job.type: "report" is not a job type that is known here',
    ]);
  });

  test('everything at once', () => {
    expect(
      faults({
        spec: { cron: '60 * * * x' },
        timezone: 'X/Y',
        job: { type: '' },
        overlap: 1,
        dst: { gap: 0 },
        extra: 1,
      }),
    ).toHaveLength(7);
  });
});

describe('put', () => {
  const put = (value: unknown) => {
    const issues = new Issues();
    return { read: schedulePut()(value, '', issues), faults: issues.list.map(({ path }) => path) };
  };

  test('reads a name beside the schedule', () => {
    expect(put({ name: 'daily', ...PLAIN }).read).toEqual({ name: 'daily', declaration: check(PLAIN) });
  });

  test('what a list answers can be put back', () => {
    const answer = {
      name: 'daily',
      ...declarationView(check(PLAIN)),
      source: 'runtime',
      pausedBy: null,
      nextAt: '2027-01-01T00:00:00.000Z',
      lastAt: null,
      lastJobId: null,
      lastState: null,
    };
    expect(put(JSON.parse(JSON.stringify(answer))).read?.declaration).toEqual(check(PLAIN));
  });

  test('bad names and bad bodies', () => {
    expect(put({ ...PLAIN }).faults).toEqual(['name']);
    expect(put({ ...PLAIN, name: 'a.b' }).faults).toEqual(['name']);
    expect(put({ ...PLAIN, name: 'a b', overlap: 'x' }).faults).toEqual(['name', 'overlap']);
    for (const value of [null, [], 'x', 5]) expect(put(value).faults).toEqual(['']);
  });
});

describe('preview', () => {
  const preview = (value: unknown) => {
    const issues = new Issues();
    return { read: previewRequest({ timezone: 'Europe/Berlin', now: NOW })(value, '', issues), issues: issues.list };
  };

  test('defaults', () => {
    expect(preview({ spec: { cron: '@daily' } }).read).toEqual({
      spec: { cron: '@daily' },
      timezone: 'Europe/Berlin',
      dst: { gap: 'next', repeat: 'first' },
      dayMatch: 'either',
      from: NOW,
      count: 10,
    });
    expect(preview({ spec: { every: '1m' }, from: '2027-01-01T00:00:00Z', count: 1000 }).read).toMatchObject({
      count: 1000,
    });
  });

  test('refusals', () => {
    expect(preview({ spec: { cron: '@daily' }, count: 1001 }).issues[0]?.path).toBe('count');
    expect(preview({ spec: { cron: '@daily' }, count: 0 }).issues[0]?.path).toBe('count');
    expect(preview({ spec: { cron: '@daily' }, from: 'now' }).issues[0]?.path).toBe('from');
    expect(preview({ spec: { cron: '@daily' }, job: {} }).issues[0]?.path).toBe('job');
    expect(preview({}).issues[0]?.path).toBe('spec');
  });
});

describe('entries of a config', () => {
  const report = defineJob({ type: 'report', queue: 'mail', run: () => null });

  test('cron, every and at with a definition or a type', () => {
    expect(check(entryWire(cron('0 9 * * *', report)))).toEqual({
      ...check(PLAIN),
      job: { type: 'report', queue: 'mail' },
    });
    expect(check(entryWire(every('5m', 'report'))).spec).toEqual({ every: 300_000 });
    for (const time of ['2026-05-01T10:00:00Z', NOW, new Date(NOW)]) {
      expect(check(entryWire(at(time, report))).spec).toEqual({ at: NOW });
    }
    expect(isScheduleEntry(cron('x', 'y'))).toBe(true);
    expect(isScheduleEntry({ cron: 'x' })).toBe(false);
    expect(isScheduleEntry(null)).toBe(false);
  });

  test('options are sorted into job and schedule', () => {
    const entry = cron('0 9 * * *', report, {
      args: { to: 'x' },
      queue: 'other',
      priority: 'low',
      backoff: exponential({ base: '2s', max: '1h' }),
      overlap: 'skip',
      jitter: '3s',
      startAt: new Date(NOW),
      endAt: NOW + 1e9,
    });
    expect(check(entryWire(entry))).toMatchObject({
      job: {
        type: 'report',
        queue: 'other',
        args: { to: 'x' },
        priority: 9,
        backoff: { kind: 'exponential', baseMs: 2_000, maxMs: 3_600_000 },
      },
      overlap: 'skip',
      jitterMs: 3_000,
      startAt: NOW,
      endAt: NOW + 1e9,
    });
  });

  test('a key __proto__ is refused where it stands, as an option too', () => {
    const odd = JSON.parse('{"args":{"a":[{"__proto__":{"b":1}}]},"meta":{"__proto__":1}}');
    const named = JSON.parse('{"__proto__":{"args":{"a":1},"queue":"other"}}');
    const pathsOf = (options: object): string[] => {
      const issues = new Issues();
      expect(scheduleDeclaration()(entryWire(cron('0 9 * * *', report, options)), 's', issues)).toBeUndefined();
      return issues.list.map(({ path }) => path);
    };
    expect(pathsOf(odd)).toEqual(['s.job.args.a.0.__proto__', 's.job.meta.__proto__']);
    expect(pathsOf(named)).toEqual(['s.job.__proto__']);
  });

  test('mistakes in options are told with their place', () => {
    const issues = new Issues();
    const entry = cron('0 9 * * *', report, { overlaps: 'skip', startAt: new Date(Number.NaN) } as never);
    scheduleDeclaration()(entryWire(entry), 'schedules.daily', issues);
    expect(issues.list.map(({ path }) => path).sort()).toEqual([
      'schedules.daily.job.overlaps',
      'schedules.daily.startAt',
    ]);
  });
});

describe('the view of a declaration', () => {
  /** JSON that reads back as it was written: no minus zero, and no name that objects take for their prototype. */
  const argsValue = fc
    .jsonValue({ maxDepth: 2 })
    .filter((value) => !/__proto__/.test(JSON.stringify(value)))
    .map((value) => JSON.parse(JSON.stringify(value)));
  const drawn = fc.record(
    {
      spec: fc.constantFrom<unknown>(
        { cron: '0 22-2 * * FRI#2' },
        { every: '90s' },
        { at: '2028-01-01T00:00:00Z' },
        { cron: '@reboot' },
      ),
      timezone: fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu'),
      job: fc.record(
        {
          type: fc.constantFrom('a.b', 'c'),
          queue: fc.constantFrom('default', 'q'),
          args: fc.oneof(fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), argsValue), fc.array(fc.integer())),
          priority: fc.constantFrom(0, 'low'),
          timeout: fc.constantFrom(500, '1h'),
          maxAttempts: fc.integer({ min: 1, max: 1000 }),
          backoff: fc.constantFrom(
            { kind: 'linear', base: '1s' },
            { kind: 'constant', base: 5, max: '1h', jitter: 0.5 },
          ),
          tags: fc.array(fc.stringMatching(/^[A-Z]{1,5}$/), { maxLength: 3 }),
          meta: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.integer()),
          reference: fc.constant({ type: 'file', id: '7' }),
          scheduleIn: fc.constantFrom('3s'),
        },
        { requiredKeys: ['type'] },
      ),
      overlap: fc.constantFrom('allow', 'skip', 'cancel_running'),
      misfire: fc.constantFrom<unknown>('all', { policy: 'skip', grace: '1m' }, { policy: 'all', max: 3 }),
      dst: fc.constantFrom({ gap: 'skip' }, { gap: 'next', repeat: 'both' }, {}),
      dayMatch: fc.constantFrom('either', 'both'),
      jitter: fc.constantFrom(0, '10s'),
      startAt: fc.constantFrom(null, '2027-01-01T00:00:00Z'),
      endAt: fc.constantFrom(null, '2029-01-01T00:00:00.500Z'),
      maxRuns: fc.constantFrom(null, 7),
      enabled: fc.boolean(),
    },
    { requiredKeys: ['spec', 'job'] },
  );

  test('checked again it is the same declaration with the same fingerprint', () => {
    fc.assert(
      fc.property(drawn, (value) => {
        const declaration = check(value);
        const back = check(JSON.parse(JSON.stringify(declarationView(declaration))));
        expect(back).toEqual(declaration);
        expect(fingerprint(back)).toBe(fingerprint(declaration));
      }),
    );
  });

  test('the fingerprint does not depend on how it was written, and changes with what it says', () => {
    const one = check({ ...PLAIN, jitter: '60s', misfire: 'latest' });
    const same = check({
      misfire: { grace: 5_000, policy: 'latest' },
      jitter: '1m',
      job: { type: 'report' },
      spec: PLAIN.spec,
    });
    expect(fingerprint(one)).toBe(fingerprint(same));
    expect(fingerprint(one)).not.toBe(fingerprint(check({ ...PLAIN, jitter: '61s' })));
    expect(fingerprint(one)).not.toBe(
      fingerprint(check({ ...PLAIN, jitter: '60s', job: { type: 'report', args: { a: 1 } } })),
    );
  });
});
