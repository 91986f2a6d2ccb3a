import { Decoder, Encoder, ExtData } from '@msgpack/msgpack';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { NESTING_DEPTH_MAX } from '../../../src/kernel/json.ts';
import { decode } from '../../../src/messaging/codec.ts';
import { faultOfPack, MESSAGE_DEPTH_MAX } from '../../../src/messaging/msgpack-scan.ts';

const BYTES = 900_000;
const repeated = (...pattern: number[]): Uint8Array =>
  Uint8Array.from({ length: BYTES }, (_, place) => pattern[place % pattern.length] ?? 0);
const nested = (depth: number): Uint8Array => new Uint8Array(depth + 1).fill(0x91).fill(0xc0, depth);

afterEach(() => vi.restoreAllMocks());

describe('what would cost more than its bytes is refused before it is decoded', () => {
  it.each([
    ['arrays that announce 65,535 items', repeated(0xdc, 0xff, 0xff)],
    ['arrays that announce 56,540', repeated(0xdc)],
    ['arrays that announce all that is left and each a part of it again', repeated(0xdc, 0x40, 0x00)],
    ['arrays of 32 bits', repeated(0xdd)],
    ['an array that announces a little more than there is', Uint8Array.of(0xdd, 0, 0, 0, 3, 0, 0)],
    ['maps of 16 bits', repeated(0xde)],
    ['maps of 32 bits', repeated(0xdf)],
    ['maps that announce as many entries as there are bytes', Uint8Array.of(0x82, 0xa0, 0xa0, 0xa0)],
    ['arrays of one item', repeated(0x91)],
    ['arrays of fifteen', repeated(0x9f)],
    ['maps of one entry', repeated(0x81, 0xa1, 0x61)],
    ['one array more than a message may nest', nested(MESSAGE_DEPTH_MAX + 1)],
    ['the byte that means nothing', Uint8Array.of(0x92, 0x01, 0xc1)],
    ['a text that is not all there', Uint8Array.of(0xda, 0xff, 0xff, 0x61)],
    ['binary that is not all there', Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff, 0)],
    ['an extension whose kind is not there', Uint8Array.of(0xc7, 0x00)],
    ['half a number', Uint8Array.of(0xcb, 0, 0, 0)],
    ['a size that is not all there', Uint8Array.of(0xdd, 0)],
  ])('%s', (_, bytes) => {
    const decoding = vi.spyOn(Decoder.prototype, 'decode').mockReturnValue({});
    const code = 'invalid_request';
    expect(() => decode(bytes, 'msgpack')).toThrow(expect.objectContaining({ code }));
    expect(decoding).not.toHaveBeenCalled();
  });

  it('but not what nests as deep as our own messages may', () => {
    expect(MESSAGE_DEPTH_MAX).toBeGreaterThan(NESTING_DEPTH_MAX + 10);
    expect(faultOfPack(nested(MESSAGE_DEPTH_MAX))).toBeUndefined();
    expect(decode(nested(3), 'msgpack')).toEqual([[[null]]]);
  });
});

const packer = new Encoder();
const sized = (least: number): fc.Arbitrary<number> => fc.integer({ min: least, max: least + 2 });
const { it: anyValue } = fc.letrec((tie) => ({
  it: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom<unknown>(null, true, false, new Date(0), new Date(1e12 + 0.5)),
    fc.oneof(fc.integer(), fc.double(), fc.maxSafeInteger()),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom(0, 31, 32, 255, 256, 65_535, 65_536).chain((least) => sized(least).map((size) => 'x'.repeat(size))),
    fc.constantFrom(0, 255, 256, 65_536).map((size) => new Uint8Array(size)),
    fc.constantFrom(1, 2, 4, 8, 16, 17, 255, 256, 65_536).map((size) => new ExtData(7, new Uint8Array(size))),
    fc.constantFrom(15, 16, 65_536).map((size) => new Array<number>(size).fill(size)),
    fc.array(tie('it'), { maxLength: 20 }),
    fc
      .dictionary(fc.string(), tie('it'), { maxKeys: 20, noNullPrototype: true })
      .filter((record) => !Object.hasOwn(record, '__proto__')),
  ),
}));

describe('what a library encodes', () => {
  it('passes, and is decoded as it was', () => {
    fc.assert(
      fc.property(anyValue, (value) => {
        const bytes = packer.encode(value);
        expect(faultOfPack(bytes)).toBeUndefined();
        expect(decode(bytes, 'msgpack')).toEqual(new Decoder().decode(bytes));
      }),
    );
  });

  it('does not pass without its last bytes', () => {
    fc.assert(
      fc.property(anyValue, fc.integer({ min: 1, max: 9 }), (value, less) => {
        const bytes = packer.encode(value);
        expect(faultOfPack(bytes.subarray(0, Math.max(0, bytes.length - less)))).toBe('cut-short');
      }),
    );
  });
});

describe('any bytes', () => {
  it('that pass are all there to the library, and those that do not it cannot read either', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
        let read: unknown;
        try {
          // Bounded, or it would make what the bytes announce: more than 40 items are more than there are bytes.
          read = { value: new Decoder({ maxArrayLength: 40, maxMapLength: 40 }).decode(bytes) };
        } catch (error) {
          read = error;
        }
        const fault = faultOfPack(bytes);
        if (fault !== undefined) expect(read).toBeInstanceOf(Error);
        else
          expect(read).not.toMatchObject({ message: expect.stringMatching(/bounds|Insufficient|Unrecognized type/) });
      }),
      { numRuns: 3_000 },
    );
  });
});
