import { describe, expect, it } from 'vitest';
import { clipText, thrownError, withError } from '../../../src/job/error-entry.ts';
import { LIMITS } from '../../../src/job/limits.ts';
import { utf8Bytes } from '../../../src/kernel/json.ts';

const told = (thrown: unknown) => thrownError(thrown).message;

describe('what a handler throws', () => {
  it('is told by its message, with its name where it has one', () => {
    expect(told(new Error('broken'))).toBe('broken');
    expect(told(new TypeError('not a function'))).toBe('TypeError: not a function');
    expect(told('a text')).toBe('a text');
    expect(told({ message: 'like an error' })).toBe('like an error');
    expect(told({ code: 7 })).toBe('{"code":7}');
    expect(thrownError(new Error('x')).stack).toContain('error-entry.test');
    expect(thrownError('x', 'timeout')).toEqual({ kind: 'timeout', message: 'x' });
  });

  it('is told safely when it is hostile', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic.self = cyclic;
    const getter = new Error('x');
    Object.defineProperty(getter, 'message', { get: () => raise() });
    Object.defineProperty(getter, 'stack', { get: () => raise() });
    const proxy = new Proxy({}, { get: raise, has: raise, ownKeys: raise, getPrototypeOf: raise });
    const hostile = [
      undefined,
      null,
      '',
      0,
      10n,
      Symbol('s'),
      () => {},
      Object.freeze(new Error('frozen')),
      cyclic,
      getter,
      proxy,
      Object.create(null),
      { message: { not: 'a text' } },
      { toJSON: raise },
      { name: '', message: '' },
      new Error(''),
    ];
    for (const thrown of hostile) {
      const { message, kind } = thrownError(thrown);
      expect(kind).toBe('error');
      expect(message.length).toBeGreaterThan(0);
    }
    expect(told(undefined)).toBe('undefined was thrown');
    expect(told(Object.freeze(new Error('frozen')))).toBe('frozen');
  });

  it('is cut to its size as JSON writes it, where a control character takes six bytes', () => {
    const jsonBytes = (text: string): number => utf8Bytes(JSON.stringify(text)) - 2;
    for (const piece of ['\u0001', '"\n', '\u001b[31m', '\ud800', 'x', '\\😀']) {
      const { message } = thrownError(piece.repeat(LIMITS.errorTextBytesMax));
      expect(jsonBytes(message)).toBeLessThanOrEqual(LIMITS.errorTextBytesMax);
      expect(jsonBytes(message)).toBeGreaterThan(LIMITS.errorTextBytesMax - 12);
      const fits = piece.repeat(Math.floor(LIMITS.errorTextBytesMax / jsonBytes(piece)));
      expect(clipText(fits)).toBe(fits);
    }
  });

  it('is cut to its size at a whole character', () => {
    const long = 'ä€😀'.repeat(LIMITS.errorTextBytesMax);
    for (const { message } of [thrownError(new Error(long)), thrownError(long)]) {
      expect(utf8Bytes(message)).toBeLessThanOrEqual(LIMITS.errorTextBytesMax);
      expect(utf8Bytes(message)).toBeGreaterThan(LIMITS.errorTextBytesMax - 10);
      expect(message).not.toContain('\uFFFD');
      expect(message.endsWith('…')).toBe(true);
    }
    for (let bytes = 10; bytes < 30; bytes++) {
      const cut = clipText('ä€😀'.repeat(9), bytes);
      expect(utf8Bytes(cut)).toBeLessThanOrEqual(bytes);
      expect(cut).not.toContain('\uFFFD');
    }
    expect(clipText('short')).toBe('short');
  });
});

it('keeps a list of errors within its bounds', () => {
  const entry = { at: 1, attempt: 1, kind: 'error', message: 'x'.repeat(LIMITS.errorTextBytesMax * 2) } as const;
  const list = Array.from({ length: 40 }).reduce<ReturnType<typeof withError>>(
    (errors) => withError(errors, entry),
    [],
  );
  expect(list).toHaveLength(LIMITS.errorsKeptMax);
  expect(utf8Bytes(list[0]?.message ?? '')).toBeLessThanOrEqual(LIMITS.errorTextBytesMax);
});

function raise(): never {
  throw new Error('a getter that throws');
}
