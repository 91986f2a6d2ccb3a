import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../src/messaging/codec.ts';

describe('a body in MessagePack', () => {
  it('is read back as it was written', () => {
    const value = { a: [1, null, 'x'], b: { c: true } };
    expect(decode(encode(value, 'msgpack'), 'msgpack')).toEqual(value);
  });

  it('with keys that JSON has not is refused, for they would become texts without a word', () => {
    const numberAsKey = new Uint8Array([0x81, 0x01, 0x02]);
    const inside = new Uint8Array([0x81, 0xa1, 0x61, ...numberAsKey]);
    for (const bytes of [numberAsKey, inside]) {
      expect(() => decode(bytes, 'msgpack')).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    }
  });

  it('with a key __proto__ is refused, with a word that says so', () => {
    const packed = encode(JSON.parse('{"a":[{"__proto__":{"b":1}}]}'), 'msgpack');
    expect(() => decode(packed, 'msgpack')).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        message: expect.stringMatching(/^the body cannot be read as MessagePack: .*__proto__/),
      }),
    );
  });
});
