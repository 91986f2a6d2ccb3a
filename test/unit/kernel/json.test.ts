import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Issues } from '../../../src/kernel/check.ts';
import { checkJson, jsonBytesMost, jsonOf, NESTING_DEPTH_MAX, utf8Bytes } from '../../../src/kernel/json.ts';

const read = (value: unknown) => {
  const issues = new Issues();
  return { json: jsonOf(value, 'args', issues), issues: issues.list };
};
const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);

describe('the JSON of a value', () => {
  it('is the value as it is at that time, which later changes do not reach', () => {
    const value = { a: [1, null, 'x', { b: true }], c: {} };
    const { json } = read(value);
    expect(json).toEqual(value);
    value.a.push(2);
    Object.assign(value.c, { d: 1 });
    expect(json).toEqual({ a: [1, null, 'x', { b: true }], c: {} });
  });

  it('is never sought for long in what refers to itself more than once', () => {
    class Node {
      parent: unknown = this;
      children = [this, this];
    }
    const plain: Record<string, unknown> = {};
    Object.assign(plain, { self: plain, again: plain });
    for (const cyclic of [plain, new Node()]) {
      expect(jsonBytesMost(cyclic)).toBeNaN();
      expect(read(cyclic)).toMatchObject({ json: undefined, issues: expect.arrayContaining([expect.anything()]) });
    }
  });

  it('leaves out what is undefined and asks what knows its own JSON', () => {
    class Point {
      x = 1;
      y = undefined;
    }
    const value = {
      gone: undefined,
      at: new Date(0),
      link: new URL('http://a.example/'),
      list: [undefined, new Point()],
    };
    expect(read(value)).toEqual({
      json: { at: '1970-01-01T00:00:00.000Z', link: 'http://a.example/', list: [null, { x: 1 }] },
      issues: [],
    });
    expect(read(undefined)).toEqual({ json: undefined, issues: [] });
  });

  it('does not lose silently what JSON has not, and says where it stands', () => {
    const odd = [
      () => 1,
      Symbol('s'),
      10n,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      new Map(),
      new Set(),
      new Uint8Array(1),
    ];
    for (const value of odd) {
      const { json, issues } = read({ fine: undefined, list: [value] });
      expect([json, issues.length, issues[0]?.path]).toEqual([undefined, 1, 'args.list.0']);
    }
  });

  it('ends for cycles, for what is too deep and for what throws', () => {
    const cyclic: Record<string, unknown> = { u: undefined };
    cyclic.self = cyclic;
    expect(read(cyclic).issues[0]?.message).toMatch(/nest at most 64/);
    expect(read({ u: undefined, deep: nested(63) }).issues).toEqual([]);
    expect(read({ u: undefined, deep: nested(64) }).issues).toHaveLength(1);
    const throwing = {
      u: undefined,
      get bad(): unknown {
        throw new Error('no');
      },
    };
    expect(read(throwing)).toMatchObject({ json: undefined, issues: [{ path: 'args' }] });
  });

  it('refuses a key __proto__ where it stands, whatever is in it and whoever wrote it', () => {
    const fault = { path: 'args.inner.__proto__', message: 'is not allowed as a key' };
    for (const content of ['{"a":1}', '1', 'null', '"text"']) {
      const inner = JSON.parse(`{"a":1,"__proto__":${content}}`);
      expect(read({ inner })).toMatchObject({ json: undefined, issues: [fault] });
      // Beside what only JSON.stringify makes JSON of.
      expect(read({ u: undefined, inner })).toMatchObject({ json: undefined, issues: [fault] });
      expect(read({ inner: { toJSON: () => inner } })).toMatchObject({ json: undefined, issues: [fault] });
    }
  });
});

describe('how many bytes a value takes at most', () => {
  const anyText = fc.string({ unit: 'binary' });
  const { json } = fc.letrec((tie) => ({
    json: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, false, -0, 1e21, -Number.MAX_VALUE, 5e-324, '\u0001\u2028"\\', '\ud800'),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      anyText,
      fc.array(tie('json')),
      fc.dictionary(
        anyText.filter((key) => key !== '__proto__'),
        tie('json'),
      ),
    ),
  }));

  it('is never less than it takes, nor more than a number of one digit may', () => {
    fc.assert(
      fc.property(json, (value) => {
        const bytes = utf8Bytes(JSON.stringify(value));
        expect(jsonBytesMost(value)).toBeGreaterThanOrEqual(bytes);
        expect(jsonBytesMost(value)).toBeLessThanOrEqual(24 * bytes);
        expect(checkJson(value, '', new Issues())).toBe(true);
      }),
    );
  });

  it('is not said of what is no JSON, wherever that stands', () => {
    const odd = [
      undefined,
      () => 1,
      10n,
      Number.NaN,
      new Date(0),
      new Map(),
      new Uint8Array(1),
      JSON.parse('{"__proto__":1}'),
    ];
    for (const value of odd) {
      for (const holder of [value, [1, value], { a: { b: value } }]) {
        expect(jsonBytesMost(holder)).toBeNaN();
        expect(checkJson(holder, '', new Issues())).toBe(false);
      }
    }
    expect(jsonBytesMost(nested(NESTING_DEPTH_MAX))).not.toBeNaN();
    expect(jsonBytesMost(nested(NESTING_DEPTH_MAX + 1))).toBeNaN();
    expect(jsonBytesMost(nested(NESTING_DEPTH_MAX), 2)).toBeNaN();
  });
});
