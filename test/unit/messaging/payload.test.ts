import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Codec, encode } from '../../../src/messaging/codec.ts';
import { listBytesMax, PAYLOAD_BYTES_MAX_DEFAULT } from '../../../src/messaging/payload.ts';

/** Bytes of a list of one value, over and over, whose JSON has the most bytes that a list may have. */
function fullest(value: unknown, codec: Codec): number {
  const each = encode(value, 'json').length + 1;
  const count = Math.floor((listBytesMax(PAYLOAD_BYTES_MAX_DEFAULT, codec) - 1) / each);
  return encode(Array(count).fill(value), codec).length;
}

it('a list of as much JSON as a reply may have fits in its codec', () => {
  for (const value of [1.5, 0.1, -0.5, 1e300, 2 ** 53, 0, null, true, '', [], {}, { '': 0.5 }, 'x'.repeat(300)]) {
    expect(fullest(value, 'msgpack')).toBeLessThan(PAYLOAD_BYTES_MAX_DEFAULT);
  }
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), (value) => {
      expect(fullest(value, 'msgpack')).toBeLessThan(PAYLOAD_BYTES_MAX_DEFAULT);
    }),
    { numRuns: 50 },
  );
  expect(fullest(1.5, 'json')).toBeLessThan(PAYLOAD_BYTES_MAX_DEFAULT);
});
