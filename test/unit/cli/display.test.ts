import { describe, expect, test } from 'vitest';
import { clean, cleanLines, relativeTime, shortId, shortTime } from '../../../src/cli/display.ts';
import { Output, plain } from '../../../src/cli/output.ts';
import { type Column, tableLines } from '../../../src/cli/table.ts';
import { fakeWorld, NOW } from './fake-world.ts';

describe('text from outside', () => {
  test('cannot move the cursor or start a line', () => {
    expect(clean('a\u001b[2Jb\r\nc\u009bd')).toBe('a [2Jb c d');
    expect(cleanLines('a\n\tb\u0007\r\n  c')).toBe('a\n  b\n  c');
  });

  test.each([
    [-180_000, '3m ago'],
    [-59_900, '1m ago'],
    [-1_500, '2s ago'],
    [300, 'now'],
    [720_000, 'in 12m'],
    [3_590_000, 'in 1h'],
    [5_400_000, 'in 1.5h'],
    [86_400_000 * 3, 'in 3d'],
  ])('a time %i ms away is %s', (distanceMs, text) => {
    expect(relativeTime(new Date(NOW + distanceMs).toISOString(), NOW)).toBe(text);
  });

  test('is empty for no time, and short for one', () => {
    expect(relativeTime(null, NOW)).toBe('');
    expect(relativeTime('nonsense', NOW)).toBe('');
    expect(shortTime('2026-01-31T10:00:00.000Z')).toBe('2026-01-31 10:00:00Z');
    expect(shortId('019b0000-0000-7000-8000-00000000000a')).toBe('…0000000a');
  });
});

describe('a table', () => {
  const columns: Column<{ name: string; count: number }>[] = [
    { title: 'NAME', text: ({ name }) => name, shrinks: true },
    { title: 'COUNT', text: ({ count }) => String(count), right: true },
    { title: 'END', text: ({ count }) => (count > 1 ? 'many' : '') },
  ];
  const rows = [
    { name: 'a', count: 1 },
    { name: 'a very long name', count: 12_345_678 },
  ];

  test('is as wide as its widest texts, with nothing after the last of a line', () => {
    expect(tableLines(rows, columns, { paint: plain })).toEqual([
      'NAME                 COUNT  END',
      'a                        1',
      'a very long name  12345678  many',
    ]);
  });

  test('gives up width in one column on a narrow terminal', () => {
    expect(tableLines(rows, columns, { paint: plain, columns: 26 })).toEqual([
      'NAME           COUNT  END',
      'a                  1',
      'a very lo…  12345678  many',
    ]);
  });

  test('measures before it paints', () => {
    const styled = [{ ...(columns[0] as Column<{ name: string; count: number }>), style: () => 'red' as const }];
    expect(tableLines([{ name: 'a', count: 1 }], styled, { paint: (_style, text) => `<${text}>` })).toEqual([
      '<NAME>',
      '<a>',
    ]);
  });
});

describe('colours', () => {
  const painted = (env: Record<string, string>, columns?: number): boolean =>
    new Output(fakeWorld({ env, ...(columns === undefined ? {} : { columns }) })).paint('red', 'x') !== 'x';

  test('are for terminals that want them', () => {
    expect(painted({}, 80)).toBe(true);
    expect(painted({ NO_COLOR: '' }, 80)).toBe(true);
    expect(painted({ NO_COLOR: '1' }, 80)).toBe(false);
    expect(painted({ TERM: 'dumb' }, 80)).toBe(false);
    expect(painted({})).toBe(false);
  });

  test('and a terminal without a size counts as 80 columns wide', () => {
    expect(new Output(fakeWorld({ columns: 0 })).columns).toBe(80);
    expect(new Output(fakeWorld()).columns).toBeUndefined();
  });
});
