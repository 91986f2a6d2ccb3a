import { checkPayload } from '../bus-errors.ts';
import type { JsonLines, LinePattern } from '../json-lines.ts';

/**
 * Bytes of commands that are handed on together, about: what a commit tells of some hundred jobs is then one write to
 * the socket. Measured end to end, 1.07 times the rate that it is with a quarter of it.
 */
const FRAME_BYTES = 262_144;
const LINE_END = Buffer.from('\r\n');
const SHORT_BYTES_MAX = 256;

/** What a line is put together of: bytes that it has in common with others, and which of its own parts. */
type Pieces = readonly (Uint8Array | number)[];

const [ZERO, TAB, LINE_BREAK] = [0x30, 0x09, 0x0a];

/** The row at hand, and what its line is put together of. */
interface Row {
  readonly rows: Uint8Array;
  pieces: Pieces;
  /** Where its parts begin; behind the last one, where another would. */
  readonly starts: number[];
}

/**
 * The commands of the NATS protocol that publish each line as a message of its own, end to end in a few pieces: measured
 * with events, 0.4 µs each instead of the 1.3 of a call for each. They are put together as bytes: as texts each leaves 1.2 KB
 * of garbage behind, and there are three to a job.
 * @throws RotaError `too_large` for a line that is larger than a message may be
 */
export function publishFrames(subject: string, lines: JsonLines, payloadBytesMax: number): Uint8Array[] {
  const patterns = lines.patterns.map(piecesOf);
  const row: Row = { rows: Buffer.from(lines.rows), pieces: [], starts: [0] };
  const headOf = headsTo(subject);
  const frames: Uint8Array[] = [];
  let out = Buffer.alloc(0);
  let at = 0;
  for (let from = 0, left = lines.count; from < row.rows.length; left -= 1) {
    row.pieces = patterns[placeAt(row.rows, from)] ?? [];
    from = readParts(row, from);
    const bytes = lengthOf(row);
    checkPayload(bytes, payloadBytesMax);
    const head = headOf(bytes);
    const needed = head.length + bytes + LINE_END.length;
    if (at + needed > out.length) {
      if (at > 0) frames.push(out.subarray(0, at));
      // Events of one subject have about one size.
      out = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(FRAME_BYTES, (needed + 2) * left)));
      at = 0;
    }
    out.set(head, at);
    putLine(row, out, at + head.length);
    at += needed;
  }
  if (at > 0) frames.push(out.subarray(0, at));
  return frames;
}

const piecesOf = (pattern: LinePattern): Pieces =>
  pattern.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece));

/** The place of a row's pattern. */
function placeAt(rows: Uint8Array, from: number): number {
  let place = 0;
  for (let at = from; rows[at] !== TAB; at += 1) place = place * 10 + (rows[at] ?? 0) - ZERO;
  return place;
}

/** Notes where the parts of a row begin; where the next row does. */
function readParts({ rows, starts }: Row, from: number): number {
  let count = 0;
  let at = from;
  for (; rows[at] !== LINE_BREAK; at += 1) {
    if (rows[at] !== TAB) continue;
    count += 1;
    starts[count] = at + 1;
  }
  starts[count + 1] = at + 1;
  return at + 1;
}

function lengthOf({ pieces, starts }: Row): number {
  let bytes = 0;
  for (const piece of pieces) {
    bytes += typeof piece === 'number' ? (starts[piece + 1] ?? 0) - (starts[piece] ?? 0) - 1 : piece.length;
  }
  return bytes;
}

function putLine({ rows, pieces, starts }: Row, out: Uint8Array, begin: number): void {
  let at = begin;
  for (const piece of pieces) {
    if (typeof piece === 'number') {
      const end = (starts[piece + 1] ?? 0) - 1;
      let from = starts[piece] ?? 0;
      // Most parts are short, and a call costs as much as 50 bytes one by one.
      if (end - from > SHORT_BYTES_MAX) {
        out.set(rows.subarray(from, end), at);
        at += end - from;
      } else for (; from < end; from += 1, at += 1) out[at] = rows[from] ?? 0;
    } else {
      out.set(piece, at);
      at += piece.length;
    }
  }
  out.set(LINE_END, at);
}

/** The first lines of commands to a subject: events of one commit have few sizes. */
function headsTo(subject: string): (bytes: number) => Uint8Array {
  const heads = new Map<number, Uint8Array>();
  return (bytes) => {
    const known = heads.get(bytes);
    if (known !== undefined) return known;
    const head = Buffer.from(`PUB ${subject} ${bytes}\r\n`);
    heads.set(bytes, head);
    return head;
  };
}
