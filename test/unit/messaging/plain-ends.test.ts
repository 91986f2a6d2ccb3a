import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RotaError } from '../../../src/kernel/error.ts';
import { readRequest } from '../../../src/messaging/contract/request.ts';
import { briefOutcomes, outcomeView, RUNNING_MAX, settleRequest } from '../../../src/messaging/contract/work.ts';
import type { OutcomeReport } from '../../../src/store/job-store.ts';

const worker = '0199aaaa-0000-7000-8000-000000000000';
const one = <T>(...values: T[]) => fc.constantFrom(...values);
/** Few values of each field, so that neighbours often have them in common and often not. */
const reports: fc.Arbitrary<OutcomeReport> = fc
  .record({
    ref: fc.record({ id: fc.uuid(), attempt: one(1, 2), run: one(1, 2, undefined), insertedAt: one(0, 5, undefined) }),
    outcome: one<object>(
      ...[
        { outcome: 'complete', result: null },
        { outcome: 'complete', result: null },
      ],
      ...[{ outcome: 'complete', result: [1] }, { outcome: 'release' }, { outcome: 'snooze', forMs: 5 }],
      { outcome: 'complete', result: null, resultFault: 'is no JSON' },
      { outcome: 'complete', result: null, endSchedule: true },
    ),
  })
  // As the wire has it, where what is left out is not there.
  .map(({ ref, outcome }) => JSON.parse(JSON.stringify({ ...ref, ...outcome })) as OutcomeReport);
const byId = (list: readonly OutcomeReport[]): OutcomeReport[] => list.toSorted((a, b) => (a.id < b.id ? -1 : 1));
const read = (value: object): OutcomeReport[] => {
  const sent: unknown = JSON.parse(JSON.stringify({ worker, ...value }));
  return readRequest(sent, settleRequest).outcomes as OutcomeReport[];
};

it('outcomes that are said in short are read as those in full', () => {
  fc.assert(
    fc.property(fc.uniqueArray(reports, { maxLength: 12, selector: ({ id }) => id }), (list) => {
      expect(byId(read(briefOutcomes(list)))).toEqual(byId(read({ outcomes: list.map(outcomeView) })));
    }),
  );
});

it('refuses what is no list of ends, and says where', () => {
  const good = { attempt: 1, run: 1, insertedAt: '2026-01-31T00:00:00.000Z', ids: ['a'] };
  const faults: [unknown, string][] = [
    [good, 'completed'],
    [[{ ...good, ids: 'a' }], 'completed.0.ids'],
    [[good, { ...good, ids: ['a', ''] }], 'completed.1.ids.1'],
    [[{ ...good, ids: [{}] }], 'completed.0.ids.0'],
    [[{ ...good, run: 0 }], 'completed.0.run'],
    [[{ ...good, attempt: '1' }], 'completed.0.attempt'],
    [[{ ...good, insertedAt: 7 }], 'completed.0.insertedAt'],
    [[{ ...good, outcome: 'fail' }], 'completed.0.outcome'],
    [[{ ...good, run: undefined }], 'completed.0.run'],
  ];
  for (const [completed, path] of faults) {
    const fault = (() => {
      try {
        return read({ outcomes: [], completed: completed as object[] });
      } catch (error) {
        return error;
      }
    })();
    expect(fault, path).toBeInstanceOf(RotaError);
    expect((fault as RotaError).issues.map((issue) => issue.path)).toEqual([path]);
  }
});

it('names as many jobs as a settlement may, in lists and in full together', () => {
  const ids = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);
  const ends = (count: number) => ({ attempt: 1, run: 1, insertedAt: '2026-01-31T00:00:00.000Z', ids: ids(count) });
  const full = { id: 'x', attempt: 1, outcome: 'release' };
  expect(read({ outcomes: [full], completed: [ends(RUNNING_MAX - 2), ends(1)] })).toHaveLength(RUNNING_MAX);
  expect(() => read({ outcomes: [full], completed: [ends(RUNNING_MAX)] })).toThrow(RotaError);
  expect(() => read({ outcomes: [], completed: [ends(RUNNING_MAX), ends(1)] })).toThrow(RotaError);
});
