import { expect, test } from 'vitest';
import { PartedRequests } from '../../../src/actors/persistence/parted-requests.ts';
import { STORE_TIMEOUT_MS } from '../../../src/actors/store-client.ts';
import { encode } from '../../../src/messaging/codec.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

const MIB = 1_048_576;

test('requests come together from their parts, each by itself', () => {
  const parted = new PartedRequests(new VirtualClock());
  const wholes = ['a', 'b'].map((name) => ({ name, bytes: encode({ name, text: 'x'.repeat(50) }, 'msgpack') }));
  const under = wholes.map(({ bytes }) => ({ bytes, number: parted.begin({ verb: 'insert', bytes: bytes.length }) }));
  for (const { number, bytes } of under)
    expect(parted.add({ number, from: 0, part: bytes.subarray(0, 20) })).toBeUndefined();
  for (const [index, { number, bytes }] of under.entries()) {
    const whole = parted.add({ number, from: 20, part: bytes.subarray(20) });
    expect(whole?.verb).toBe('insert');
    expect(whole?.body.value).toMatchObject({ name: wholes[index]?.name });
    expect(() => parted.add({ number, from: 0, part: bytes }), 'it is over').toThrow(/did not come together/);
  }
});

test('what is given up is forgotten, and more than there is room for is refused', async () => {
  const clock = new VirtualClock();
  const parted = new PartedRequests(clock);
  const number = parted.begin({ verb: 'insert', bytes: 100 * MIB });
  expect(() => parted.begin({ verb: 'insert', bytes: 100 * MIB })).toThrow(
    expect.objectContaining({ code: 'overloaded' }),
  );
  await clock.advance(STORE_TIMEOUT_MS);
  expect(() => parted.add({ number, from: 0, part: new Uint8Array(1) })).toThrow(
    expect.objectContaining({ code: 'unavailable' }),
  );
  for (let count = 0; count < 100; count += 1) parted.begin({ verb: 'insert', bytes: 1 });
  expect(() => parted.begin({ verb: 'insert', bytes: 1 })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  parted.close();
  const again = parted.begin({ verb: 'insert', bytes: 2 });
  expect(() => parted.add({ number: again, from: 0, part: new Uint8Array(3) }), 'more than was said').toThrow();
  parted.close();
});

test('a part that comes twice, as any message may, changes nothing', () => {
  const parted = new PartedRequests(new VirtualClock());
  const bytes = encode({ name: 'a', text: 'x'.repeat(51) }, 'msgpack');
  const half = bytes.length / 2;
  const number = parted.begin({ verb: 'insert', bytes: bytes.length });
  expect(Number.isInteger(half), 'the halves are of one size').toBe(true);
  const first = { number, from: 0, part: bytes.subarray(0, half) };
  expect(parted.add(first)).toBeUndefined();
  expect(parted.add(first)).toBeUndefined();
  const whole = parted.add({ number, from: half, part: bytes.subarray(half) });
  expect(whole?.body.value).toEqual({ name: 'a', text: 'x'.repeat(51) });
});

test("a part for an earlier life is nobody else's", async () => {
  const clock = new VirtualClock();
  const before = new PartedRequests(clock).begin({ verb: 'insert', bytes: 4 });
  await clock.advance(1);
  const parted = new PartedRequests(clock);
  parted.begin({ verb: 'insert', bytes: 4 });
  expect(() => parted.add({ number: before, from: 0, part: new Uint8Array(4) })).toThrow(/did not come together/);
  parted.close();
});

test('what nobody of ours says is refused, and the bound holds on', () => {
  const parted = new PartedRequests(new VirtualClock());
  for (const bytes of [-MIB * 1_000, 0, 1.5, 'x', null]) {
    expect(() => parted.begin({ verb: 'insert', bytes })).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  }
  const number = parted.begin({ verb: 'insert', bytes: 100 * MIB });
  expect(() => parted.begin({ verb: 'insert', bytes: 100 * MIB })).toThrow(
    expect.objectContaining({ code: 'overloaded' }),
  );
  for (const said of [null, {}, { number, from: -1, part: new Uint8Array(1) }, { number, from: 0, part: 'x' }]) {
    expect(() => parted.add(said)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  }
  parted.close();
});
