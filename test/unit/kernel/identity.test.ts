import fc from 'fast-check';
import { v7 } from 'uuid';
import { expect, it } from 'vitest';
import type { Clock } from '../../../src/kernel/clock.ts';
import { isUuidV7, uuidSource } from '../../../src/kernel/identity.ts';

const clockOf = (times: number[]): Clock => ({
  now: () => times.shift() ?? 0,
  monotonicMs: () => 0,
  setTimeout: () => undefined,
  clearTimeout: () => {},
});
const timesMs = fc.array(fc.integer({ min: 0, max: 2 ** 48 - 1 }), { minLength: 1, maxLength: 300 });

it('ids rise whatever the clock does, and are UUIDv7 with the time in front', () => {
  fc.assert(
    fc.property(timesMs, fc.boolean(), (times, seeded) => {
      const newId = uuidSource(clockOf([...times]), seeded ? () => 0.999 : undefined);
      let last = '';
      let lastMs = 0;
      for (const time of times) {
        const id = newId();
        lastMs = Math.max(lastMs, time);
        expect(isUuidV7(id) && id > last).toBe(true);
        expect(Number.parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(lastMs);
        last = id;
      }
    }),
  );
});

it('puts sequence and randomness where the RFC has them, and replays from a seed', () => {
  const draws = Array.from({ length: 1_000 }, (_, index) => ((index * 7_919) % 1_000) / 1_000);
  const random = (): (() => number) => {
    const left = [...draws];
    return () => left.shift() ?? 0;
  };
  const newId = uuidSource(clockOf([5, 5, 6, 4]), random());
  const next = random();
  let sequence = 0;
  for (const [msecs, isNew] of [
    [5, true],
    [5, false],
    [6, true],
    [6, false],
  ] as const) {
    sequence = isNew ? Math.floor(next() * 0x7fff_ffff) : sequence + 1;
    const bytes = Uint8Array.from({ length: 16 }, () => Math.floor(next() * 256));
    expect(newId()).toBe(v7({ msecs, seq: sequence, random: bytes }));
  }
});

it('no two ids of the machine share their random end', () => {
  const newId = uuidSource(clockOf(Array.from({ length: 2_000 }, () => 1)));
  const ends = Array.from({ length: 2_000 }, () => newId().slice(26));
  expect(new Set(ends).size).toBe(2_000);
});
