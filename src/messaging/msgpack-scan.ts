/**
 * How deep arrays and maps of a message may nest: the 64 levels of what comes from outside, whose own check says where
 * more stand, in the envelopes of our own messages; and as deep as the library writes.
 */
export const MESSAGE_DEPTH_MAX = 100;

/** Why bytes are not decoded: they end before what they announce, hold the byte that means nothing, or nest too deep. */
export type PackFault = 'cut-short' | 'reserved-byte' | 'too-deep';

/** The head byte that the format has no use for. */
const RESERVED = 0xc1;
/** In {@link FOLLOWING}: how much follows stands in the bytes after the head, or items follow. */
const OPEN = -1;
/** How many bytes follow each head byte. */
const FOLLOWING = new Int8Array(256).fill(0);
FOLLOWING.fill(OPEN, 0x80, 0xa0);
for (let size = 0; size < 0x20; size++) FOLLOWING[0xa0 + size] = size;
// From 0xc0: nil, the reserved byte, two booleans, binary, extensions, floats, integers, extensions of fixed sizes, texts,
// arrays and maps.
FOLLOWING.set([0, OPEN, 0, 0, OPEN, OPEN, OPEN, OPEN, OPEN, OPEN, 4, 8, 1, 2, 4, 8], 0xc0);
FOLLOWING.set([1, 2, 4, 8, 2, 3, 5, 9, 17, OPEN, OPEN, OPEN, OPEN, OPEN, OPEN, OPEN], 0xd0);

/** For the head bytes that are {@link OPEN}, from 0xc0 on: how wide the size is that follows. */
const SIZE_BYTES = new Uint8Array(0x20);
SIZE_BYTES.set([1, 2, 4, 1, 2, 4], 0x04);
SIZE_BYTES.set([1, 2, 4, 2, 4, 2, 4], 0x19);

/** Where the arrays and maps around the innermost that is open end: how many items are still to come after each. */
const ends = new Float64Array(MESSAGE_DEPTH_MAX);

/**
 * Looks over MessagePack before it is decoded, for the library makes an array as soon as one is announced: a header of
 * three bytes that announces 65,535 items, nested, took 2 s and 0.6 GB per 3 KB. What passes here is all there, each
 * announced item with a byte of its own, so that decoding makes no more than the bytes account for. Texts are stepped
 * over: a message with 1,000 jobs takes 0.25 ms, a tenth or less of its decoding.
 * @returns undefined when nothing is wrong; what stands after the value is not looked at
 */
export function faultOfPack(bytes: Uint8Array): PackFault | undefined {
  const { length } = bytes;
  let at = 0;
  let depth = 0;
  /** Items that were announced and have not been met, of all that is open together. */
  let left = 1;
  /** How many are still to come after the innermost that is open. */
  let end = 0;
  while (left > 0) {
    while (left === end) end = ends[--depth] ?? 0;
    const head = bytes[at++] ?? 0;
    left--;
    const following = FOLLOWING[head] ?? 0;
    if (following !== OPEN) at += following;
    else if (head === RESERVED) return 'reserved-byte';
    else {
      const width = head < 0xc0 ? 0 : (SIZE_BYTES[head - 0xc0] ?? 0);
      const size = width === 0 ? head & 0x0f : sizeAt(bytes, at, width);
      at += width;
      const each = itemsEach(head);
      if (each === 0) at += isExtension(head) ? size + 1 : size;
      else {
        if (depth === MESSAGE_DEPTH_MAX) return 'too-deep';
        ends[depth++] = end;
        end = left;
        left += size * each;
      }
    }
    if (left > length - at) return 'cut-short';
  }
  return undefined;
}

/** Of those with a size: a byte that says its kind follows the size. */
const isExtension = (head: number): boolean => head > 0xc6 && head < 0xca;

/** How many items an entry is: one of an array, two of a map, none of texts, binary and extensions. */
function itemsEach(head: number): 0 | 1 | 2 {
  if (head < 0xa0) return head < 0x90 ? 2 : 1;
  if (head < 0xdc) return 0;
  return head < 0xde ? 1 : 2;
}

function sizeAt(bytes: Uint8Array, at: number, width: number): number {
  let size = 0;
  for (let place = at; place < at + width; place++) size = size * 0x100 + (bytes[place] ?? 0);
  return size;
}
