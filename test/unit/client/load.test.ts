import fc from 'fast-check';
import { expect, it } from 'vitest';
import { batches, bytesOf, loadOf } from '../../../src/client/load.ts';
import { type Codec, encode } from '../../../src/messaging/codec.ts';
import { listBytesMax, PAYLOAD_BYTES_MAX_DEFAULT } from '../../../src/messaging/payload.ts';

const BYTES_MAX = listBytesMax(PAYLOAD_BYTES_MAX_DEFAULT, 'msgpack');
const text = (characters: number) => loadOf({ text: 'x'.repeat(characters) });

it('what might be too large together is measured, and travels together where it is not', () => {
  // Six times as much as they are would be ten messages.
  const loads = Array.from({ length: 1_000 }, () => text(440));
  expect([...batches(loads, 1_000)].map(({ length }) => length)).toEqual([1_000]);
  expect(
    [
      ...batches(
        Array.from({ length: 5 }, () => text(10)),
        2,
      ),
    ].map(({ length }) => length),
  ).toEqual([2, 2, 1]);
});

it('no message has more bytes than it may, unless it is of one, and none could take the next', () => {
  const sizes = fc.array(fc.oneof(fc.nat(200_000), fc.nat(2_000), fc.constant(BYTES_MAX)), { maxLength: 40 });
  fc.assert(
    fc.property(sizes, fc.constantFrom('x', 'é', '\u0001', '🐇'), (lengths, character) => {
      const bodies = lengths.map((length) => ({ text: character.repeat(length / character.length) }));
      const cut = [...batches(bodies.map(loadOf), 1_000)].map((batch) => batch.map(({ body }) => body));
      expect(cut.flat()).toEqual(bodies);
      const bytes = cut.map((batch) => batch.reduce((sum, body) => sum + bytesOf(body), 0));
      for (const [index, sum] of bytes.entries()) {
        expect(sum <= BYTES_MAX || cut[index]?.length === 1).toBe(true);
        const next = cut[index + 1]?.[0];
        if (next !== undefined) expect(sum + bytesOf(next)).toBeGreaterThan(BYTES_MAX);
      }
    }),
    { numRuns: 30 },
  );
});

it.each(['json', 'msgpack'] as const)(
  'what travels together is taken by a server as it comes, in %s',
  (codec: Codec) => {
    const numbers = (count: number) => ({ type: 'a', args: Array(count).fill(1.5) });
    for (const sizes of [[62_000, 62_000], Array(1_000).fill(125), [62_000, 40_000, 13_000, 10_000, 40_000]]) {
      for (const batch of batches(
        sizes.map((count) => loadOf(numbers(count))),
        1_000,
      )) {
        const body = { each: batch.map((load) => load.body) };
        expect(encode(body, codec).length).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX_DEFAULT);
      }
    }
  },
);

it('what is no JSON as it stands is measured as JSON has it', () => {
  const load = loadOf({ at: new Date(0), left: undefined });
  expect(load).toMatchObject({ bytes: '{"at":"1970-01-01T00:00:00.000Z"}'.length, measured: true });
});
