import fc from 'fast-check';
import { expect, test } from 'vitest';
import { derivedId } from '../../../src/actors/durable-intake/derived-id.ts';
import { isUuidV7 } from '../../../src/kernel/identity.ts';

const time = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2200, 0, 1) });
const origin = fc.record(
  { key: fc.string(), takenAt: time, index: fc.integer({ min: 0, max: 999 }) },
  { requiredKeys: ['key', 'index'] },
);
const msOf = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

test('is a UUIDv7, the same for the same origin', () => {
  fc.assert(
    fc.property(origin, (from) => {
      const id = derivedId(from);
      expect(isUuidV7(id)).toBe(true);
      expect(derivedId({ ...from })).toBe(id);
    }),
  );
});

test('carries the time that it is given, and else one that no clock of ours has', () => {
  fc.assert(
    fc.property(origin, (from) => {
      const ms = msOf(derivedId(from));
      if (from.takenAt === undefined) expect(ms).toBeLessThan(Date.UTC(2005, 0, 1));
      else expect(ms).toBe(from.takenAt);
    }),
  );
});

test('rises with the place in its message', () => {
  fc.assert(
    fc.property(origin, ({ index: _index, ...from }) => {
      const ids = [0, 1, 2, 9, 10, 99, 255, 256, 500, 999].map((index) => derivedId({ ...from, index }));
      expect(ids).toEqual([...new Set(ids)].sort());
    }),
  );
});

test('differs for different keys', () => {
  const ids = new Set(Array.from({ length: 100_000 }, (_, n) => derivedId({ key: `default\n${n}`, index: 0 })));
  expect(ids.size).toBe(100_000);
  expect(derivedId({ key: 'a\nb', index: 0 })).not.toBe(derivedId({ key: 'a', index: 0 }));
});

test('is what it always was: a job that was made by an earlier version is known again', () => {
  expect(derivedId({ key: 'default\norder-42', index: 0 })).toMatchInlineSnapshot(
    `"00d14988-c11e-7664-aa58-6eda05a55c00"`,
  );
  expect(
    derivedId({ key: 'JOBS_INTAKE:7:1795317496977645408', takenAt: 1795317496977, index: 3 }),
  ).toMatchInlineSnapshot(`"01a20142-fc91-7ce3-9ee0-adc27086e003"`);
});
