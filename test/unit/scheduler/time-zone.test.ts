import { describe, expect, test } from 'vitest';
import { timeZone, type ZoneStretch, zonesLike } from '../../../src/scheduler/time-zone.ts';
import { wallReader } from './wall-scan.ts';

describe('names', () => {
  test('IANA names are known, whatever their case; offsets and inventions are not', () => {
    for (const name of [
      'UTC',
      'utc',
      'Etc/UTC',
      'GMT',
      'Europe/Berlin',
      'europe/berlin',
      'Asia/Calcutta',
      'Asia/Kolkata',
      'Etc/GMT+5',
    ]) {
      expect(timeZone(name), name).toBeDefined();
    }
    for (const name of ['', ' UTC', '+05:30', '-03', 'Mars/Olympus', 'Europe', 'x'.repeat(1_000_000)]) {
      expect(timeZone(name), name.slice(0, 20)).toBeUndefined();
    }
  });

  test('wrong names find the right one', () => {
    expect(zonesLike('Europe/Berln')).toContain('Europe/Berlin');
    expect(zonesLike('America/New York')).toEqual(['America/New_York']);
    expect(zonesLike('tokyo')).toEqual(['Asia/Tokyo']);
    expect(zonesLike('UCT+')).toContain('UTC');
    expect(zonesLike('nothing like it')).toEqual([]);
  });
});

describe('stretches', () => {
  test.each(['Antarctica/Troll', 'Africa/Casablanca', 'Australia/Lord_Howe', 'Europe/Lisbon', 'Asia/Kathmandu'])(
    '%s: they join without gaps, tell both neighbours, and have the offset that Intl tells',
    (name) => {
      const zone = timeZone(name);
      const wall = wallReader(name);
      let stretch: ZoneStretch | undefined = zone?.stretchAt(Date.UTC(1890, 0, 1));
      while (stretch !== undefined && stretch.endAt < Date.UTC(2060, 0, 1)) {
        const next: ZoneStretch | undefined = zone?.stretchAt(stretch.endAt);
        expect(next?.startAt).toBe(stretch.endAt);
        expect(next?.offsetBeforeMs).toBe(stretch.offsetMs);
        expect(stretch.offsetAfterMs).toBe(next?.offsetMs);
        for (const instant of [stretch.startAt, stretch.endAt - 1_000]) {
          expect(wall(instant) - instant).toBe(stretch.offsetMs);
        }
        expect(zone?.stretchAt(stretch.endAt - 1)).toBe(stretch);
        stretch = next;
      }
    },
  );
});
