import { MessageChannel } from 'node:worker_threads';
import { expect, onTestFinished, test } from 'vitest';
import { Body } from '../../../src/messaging/body.ts';
import { type ArrivedItem, PortLink } from '../../../src/messaging/local/port-link.ts';

/** Two ends in one thread; what arrives is gathered by frame, for one is dealt with before the next. */
function linked(items: number) {
  const { port1, port2 } = new MessageChannel();
  const frames: ArrivedItem[][] = [];
  const all = Promise.withResolvers<ArrivedItem[][]>();
  let frame: ArrivedItem[] | undefined;
  const far = new PortLink(
    port2,
    (item) => {
      if (frame === undefined) {
        frame = [];
        frames.push(frame);
        queueMicrotask(() => {
          frame = undefined;
          if (frames.flat().length === items) all.resolve(frames);
        });
      }
      frame.push(item);
    },
    () => {},
  );
  const near = new PortLink(
    port1,
    () => {},
    () => {},
  );
  onTestFinished(() => {
    near.close();
    far.close();
  });
  return { near, frames: all.promise };
}

const text = (chars: number): Body => Body.ofText(JSON.stringify('x'.repeat(chars)), undefined);
const bytes = (count: number): Body => Body.encoded(new Uint8Array(count).fill(7), undefined);
const idsOf = (frames: readonly ArrivedItem[][]): number[][] => frames.map((items) => items.map(({ id }) => id));

test('what is said in one turn travels together', async () => {
  const { near, frames } = linked(3);
  for (const id of [1, 2, 3]) near.send({ verb: 'request', id, body: id === 2 ? text(100) : bytes(100) });
  const [frame = []] = await frames;
  expect(frame.map(({ id, body }) => [id, body.bytes.length])).toEqual([
    [1, 100],
    [2, 102],
    [3, 100],
  ]);
});

test.each([
  ['text', text],
  ['bytes', bytes],
])(
  'what is large (%s) goes at once with what came before it, and the rest at the end of the turn, in order',
  async (_, body) => {
    const { near, frames } = linked(5);
    near.send({ verb: 'request', id: 1, body: body(10) });
    near.send({ verb: 'request', id: 2, body: body(70_000) });
    near.send({ verb: 'request', id: 3, body: body(40_000) });
    near.send({ verb: 'request', id: 4, body: body(40_000) });
    near.send({ verb: 'request', id: 5, body: body(10) });
    expect(idsOf(await frames)).toEqual([[1, 2], [3, 4], [5]]);
  },
);
