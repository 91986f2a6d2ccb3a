import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LinkFaults } from '../../src/messaging/memory/memory-link.ts';
import { jitterOf } from '../../src/scheduler/jitter.ts';
import { nextOccurrence, occurrencesBetween, timetableOf } from '../../src/scheduler/occurrences.ts';
import type { DeclaredSchedule } from '../../src/scheduler/schedule.ts';
import { BORN, declared, LEASE_MS, SchedulerWorldUnderTest } from '../unit/scheduler-actor/scheduler-world.ts';

const RUNS = { numRuns: Number(process.env.ROTA_RUNS ?? 100), verbose: true };
const SECOND = 1_000;
const MINUTE = 60_000;
const PROGRAMS = ['one', 'two'] as const;
type Program = (typeof PROGRAMS)[number];
const DONE = { outcome: 'complete', result: null } as const;

/** What befalls two programs, their store and their clock. */
type Blow =
  | { kind: 'wait'; ms: number }
  | { kind: 'jump'; ms: number }
  | { kind: 'crash' | 'cut' | 'heal'; program: Program }
  | { kind: 'interrupt'; by: 'crash' | 'depose'; program: Program; requests: number; when: 'before' | 'after' }
  | { kind: 'net'; program: Program; faults: LinkFaults }
  | { kind: 'lose'; ticks: number }
  | { kind: 'store'; fault: 'away' | 'deaf' | undefined }
  | { kind: 'work' };

const program = fc.constantFrom(...PROGRAMS);
const blow: fc.Arbitrary<Blow> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: 1, max: 2 * MINUTE }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('jump'), ms: fc.integer({ min: -10 * MINUTE, max: 40 * MINUTE }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('crash', 'cut', 'heal'), program }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('interrupt'),
      by: fc.constantFrom('crash', 'depose'),
      program,
      requests: fc.integer({ min: 1, max: 12 }),
      when: fc.constantFrom('before', 'after'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('net'),
      program,
      faults: fc.constantFrom<LinkFaults>(
        {},
        { delayMs: [0, 4 * SECOND] },
        { delayMs: [0, 20 * SECOND], reorder: 0.5, duplicate: 0.3 },
        { drop: 0.2, duplicate: 0.2 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('lose'), ticks: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('store'), fault: fc.constantFrom('away', 'deaf', undefined) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('work') }) },
);

const policies = fc.record({
  spec: fc.constantFrom<object>({ cron: '* * * * *' }, { every: '15s' }, { cron: '*/20 * * * * *' }, { every: '77s' }),
  overlap: fc.constantFrom('allow', 'skip', 'cancel_running'),
  jitter: fc.constantFrom(0, 0, '3s'),
  misfire: fc.constantFrom<unknown>(
    'latest',
    'skip',
    { policy: 'all', max: 1_000 },
    { policy: 'all', max: 3, grace: 0 },
  ),
});

class World {
  readonly under: SchedulerWorldUnderTest;
  readonly schedules: readonly DeclaredSchedule[];

  constructor(under: SchedulerWorldUnderTest, schedules: readonly DeclaredSchedule[]) {
    this.under = under;
    this.schedules = schedules;
  }

  async suffer(blow: Blow): Promise<void> {
    const { under, schedules } = this;
    switch (blow.kind) {
      case 'wait':
        return under.clock.advance(blow.ms);
      case 'jump':
        under.clock.setWall(under.clock.now() + blow.ms);
        return under.clock.settle();
      case 'crash':
        return under.crash(blow.program, schedules);
      case 'cut':
      case 'heal':
        return under.partition(blow.program, blow.kind === 'cut');
      case 'interrupt': {
        const { by, program, requests, when } = blow;
        const act = () => (by === 'crash' ? under.crash(program, schedules) : this.#depose(program));
        under.store.interruption = { requests, when, act };
        return;
      }
      case 'net':
        return under.setFaults(blow.program, blow.faults);
      case 'lose':
        under.store.ticksUntilDeaf = blow.ticks;
        return;
      case 'store':
        under.store.fault = blow.fault;
        return;
      case 'work':
        if (under.store.fault === undefined) await under.work(DONE).catch(() => {});
    }
  }

  /** Everything mends, and whoever leads has a while. */
  async mend(): Promise<void> {
    const { under } = this;
    under.store.fault = undefined;
    under.store.interruption = undefined;
    under.store.ticksUntilDeaf = Number.POSITIVE_INFINITY;
    for (const program of PROGRAMS) {
      under.partition(program, false);
      under.setFaults(program, {});
    }
    // Longer than a request that was lost is waited for, twice.
    await under.clock.advance(3 * LEASE_MS + 10 * SECOND);
  }

  /** In the middle of whatever it is doing somebody else takes the lead, for a little while. */
  #depose(program: Program): Promise<unknown> {
    const now = this.under.clock.now();
    return this.under.store.direct(
      { verb: 'resign', now, node: program, instance: `${program}-1` },
      { verb: 'lead', now, node: 'ghost', instance: 'ghost', leaseMs: 2 * SECOND },
    );
  }
}

/** Every tick from the beginning to the cursor was dealt with exactly once, none early, none is left. */
async function check({ under, schedules }: World): Promise<void> {
  expect(under.failures).toEqual([]);
  for (const { name, declaration } of schedules) {
    const record = await under.stored(name);
    if (record === undefined) throw new Error(`the schedule ${name} is not there`);
    const timetable = timetableOf(record);
    const all = occurrencesBetween(timetable, { afterMs: BORN, untilMs: record.cursorAt, limit: 100_000 });
    const jobs = await under.jobs(name);
    const nominal = jobs.map(({ schedule }) => schedule?.at ?? 0);
    expect(new Set(nominal).size, `${name}: no tick is doubled`).toBe(nominal.length);
    expect(
      nominal.filter((at) => !all.includes(at)),
      `${name}: only ticks fire`,
    ).toEqual([]);
    expect(record.runs, `${name}: each job is counted`).toBe(jobs.length);
    const { runs, skipped, missed } = record;
    expect(runs + skipped + missed, `${name}: each tick is fired, skipped or missed`).toBe(all.length);
    if (declaration.misfire.max === 1_000) expect(missed, `${name}: all are made up for`).toBe(0);
    for (const { insertedAt, schedule } of jobs) {
      const at = schedule?.at ?? 0;
      expect(insertedAt, `${name}: none is early`).toBeGreaterThanOrEqual(
        at + jitterOf(name, at, declaration.jitterMs),
      );
    }
    const next = nextOccurrence(timetable, record.cursorAt) ?? Number.POSITIVE_INFINITY;
    const due = next + jitterOf(name, next, declaration.jitterMs);
    expect(due, `${name}: none is left`).toBeGreaterThan(under.clock.now() - SECOND);
    const fired = under.events.filter(({ type, subject }) => type === 'jobs.schedule.fired' && subject === name);
    // The network may bring an event twice, under one id.
    const told = [...new Map(fired.map(({ id, data }) => [id, data.jobId])).values()];
    expect(new Set(told).size, `${name}: none is told twice`).toBe(told.length);
    const ids = new Set(jobs.map(({ id }) => id));
    expect(
      told.filter((id) => !ids.has(String(id))),
      `${name}: none is told that is not there`,
    ).toEqual([]);
  }
}

test('two schedulers under every blow lose no tick, double none and fire none early', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.array(policies, { minLength: 1, maxLength: 3 }),
      fc.array(blow, { minLength: 5, maxLength: 40 }),
      async (seed, drawn, blows) => {
        const under = await SchedulerWorldUnderTest.make({ seed });
        const schedules = drawn.map((policy, index) => declared(`s${index}`, policy));
        const world = new World(under, schedules);
        try {
          for (const program of PROGRAMS) under.start(program, schedules);
          // The schedules are known from here on; what befalls them comes after.
          await under.clock.advance(1);
          for (const blow of blows) await world.suffer(blow);
          await world.mend();
          await check(world);
        } finally {
          await under.stop();
        }
      },
    ),
    RUNS,
  );
}, 600_000);
