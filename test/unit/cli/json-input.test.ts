import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonFaultAt, readJson } from '../../../src/cli/json-input.ts';
import { UsageError } from '../../../src/cli/usage-error.ts';

describe('jsonFaultAt', () => {
  test.each([
    ['', 0],
    ['{', 1],
    ['{"a":1, b}', 8],
    ["{'a':1}", 1],
    ['{"a" 1}', 5],
    ['{"a":}', 5],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['[1}', 2],
    ['{"a":[1,{"b":tru}]}', 13],
    ['"abc', 0],
    ['"a\nb"', 0],
    ['01', 1],
    ['1 x', 2],
    ['  {} {}', 5],
    ['undefined', 0],
  ])('in %j is %i', (text, at) => {
    expect(() => JSON.parse(text)).toThrow();
    expect(jsonFaultAt(text)).toBe(at);
  });

  test('is the end of everything that is JSON, and never the end of a text that has more after it', () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom('', ' ', '\n\t'), (json, space) => {
        expect(jsonFaultAt(space + json + space)).toBe((space + json + space).length);
        expect(jsonFaultAt(`${json}x`)).toBeLessThanOrEqual(json.length);
      }),
    );
  });
});

describe('readJson', () => {
  test('reads any JSON', () => expect(readJson('[{"a":null}]', 'it')).toEqual([{ a: null }]));

  test('shows where a text goes wrong', () => {
    expect(() => readJson('{"a":1, b}', 'the text of the args')).toThrow(UsageError);
    expect(() => readJson('{"a":1, b}', 'the text of the args')).toThrow(
      'the text of the args is no JSON: at position 8\n  {"a":1, b}\n          ^',
    );
    expect(() => readJson('{"a":', 'it')).toThrow('it is no JSON: it ends too early');
  });

  test('shows only what is around the place in a long text', () => {
    const long = `{"a":"${'x'.repeat(200)}", b}`;
    expect(() => readJson(long, 'it')).toThrow(/at position 209\n {2}x+", b}\n {2} {30}\^$/);
  });
});
