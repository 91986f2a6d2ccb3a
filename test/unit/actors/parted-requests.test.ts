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
  for (const { number, bytes } of under) expect(parted.add({ number, part: bytes.subarray(0, 20) })).toBeUndefined();
  for (const [index, { number, bytes }] of under.entries()) {
    const whole = parted.add({ number, part: bytes.subarray(20) });
    expect(whole?.verb).toBe('insert');
    expect(whole?.body.value).toMatchObject({ name: wholes[index]?.name });
    expect(() => parted.add({ number, part: bytes }), 'it is over').toThrow(/did not come together/);
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
  expect(() => parted.add({ number, part: new Uint8Array(1) })).toThrow(
    expect.objectContaining({ code: 'unavailable' }),
  );
  for (let count = 0; count < 100; count += 1) parted.begin({ verb: 'insert', bytes: 1 });
  expect(() => parted.begin({ verb: 'insert', bytes: 1 })).toThrow(expect.objectContaining({ code: 'overloaded' }));
  parted.close();
  const again = parted.begin({ verb: 'insert', bytes: 2 });
  expect(() => parted.add({ number: again, part: new Uint8Array(3) }), 'more than was said').toThrow();
  parted.close();
});
