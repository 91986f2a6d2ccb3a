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

/**
 * The commands of the NATS protocol that publish each line as a message of its own, end to end in a few pieces: measured
 * with events, 0.4 µs each instead of the 1.3 of a call for each. They are put together as bytes: as texts each leaves 1.2 KB
 * of garbage behind, and there are three to a job.
 * @throws RotaError `too_large` for a line that is larger than a message may be
 */
export function publishFrames(subject: string, lines: JsonLines, payloadBytesMax: number): Uint8Array[] {
  const writer = new FrameWriter(subject, payloadBytesMax);
  const patterns = lines.patterns.map(piecesOf);
  const rows = Buffer.from(lines.rows);
  for (let from = 0, left = lines.count; from < rows.length; left -= 1) {
    from = writer.add(rows, { from, patterns, left });
  }
  return writer.end();
}

const piecesOf = (pattern: LinePattern): Pieces =>
  pattern.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece));

class FrameWriter {
  readonly #headOf: (bytes: number) => Uint8Array;
  readonly #payloadBytesMax: number;
  readonly #frames: Uint8Array[] = [];
  #out: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** The row at hand: where its parts begin; behind the last one, where another would. */
  #rows: Uint8Array = new Uint8Array(0);
  readonly #starts: number[] = [0];
  readonly #last = new LastCommand();

  constructor(subject: string, payloadBytesMax: number) {
    this.#headOf = headsTo(subject);
    this.#payloadBytesMax = payloadBytesMax;
  }

  /** Adds the row that begins at a place; where the next one does. @param left how many rows there are from here on */
  add(rows: Uint8Array, { from, patterns, left }: { from: number; patterns: readonly Pieces[]; left: number }): number {
    this.#rows = rows;
    const pieces = patterns[placeAt(rows, from)] ?? [];
    const next = this.#readParts(from);
    const last = this.#last;
    if (this.#at + last.bytes <= this.#out.length && last.isLike(pieces, this.#starts)) this.#putLike();
    else this.#put(pieces, left);
    return next;
  }

  end(): Uint8Array[] {
    if (this.#at > 0) this.#frames.push(this.#out.subarray(0, this.#at));
    return this.#frames;
  }

  /** Notes where the parts of a row begin; where the next row does. */
  #readParts(from: number): number {
    const [rows, starts] = [this.#rows, this.#starts];
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

  /** Puts the row's command behind one that differs in its parts alone. */
  #putLike(): void {
    const { bytes, places } = this.#last;
    this.#out.copyWithin(this.#at, this.#at - bytes, this.#at);
    const begin = this.#at;
    for (let each = 0; each < places.length; each += 2) {
      this.#at = begin + (places[each] ?? 0);
      this.#putPart(places[each + 1] ?? 0);
    }
    this.#at = begin + bytes;
  }

  #put(pieces: Pieces, left: number): void {
    const bytes = this.#lengthOf(pieces);
    checkPayload(bytes, this.#payloadBytesMax);
    const head = this.#headOf(bytes);
    const needed = head.length + bytes + LINE_END.length;
    if (this.#at + needed > this.#out.length) {
      this.end();
      // Events of one subject have about one size.
      this.#out = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(FRAME_BYTES, (needed + 2) * left)));
      this.#at = 0;
    }
    this.#last.begin(pieces, this.#starts, needed);
    const begin = this.#at;
    this.#putBytes(head);
    for (const piece of pieces) {
      if (typeof piece === 'number') {
        this.#last.places.push(this.#at - begin, piece);
        this.#putPart(piece);
      } else this.#putBytes(piece);
    }
    this.#putBytes(LINE_END);
  }

  #lengthOf(pieces: Pieces): number {
    const starts = this.#starts;
    let bytes = 0;
    for (const piece of pieces) {
      bytes += typeof piece === 'number' ? (starts[piece + 1] ?? 0) - (starts[piece] ?? 0) - 1 : piece.length;
    }
    return bytes;
  }

  #putBytes(bytes: Uint8Array): void {
    this.#out.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #putPart(part: number): void {
    const [rows, out] = [this.#rows, this.#out];
    const end = (this.#starts[part + 1] ?? 0) - 1;
    let from = this.#starts[part] ?? 0;
    let at = this.#at;
    // Most parts are short, and a call costs as much as 50 bytes one by one.
    if (end - from > SHORT_BYTES_MAX) {
      this.#putBytes(rows.subarray(from, end));
      return;
    }
    for (; from < end; from += 1, at += 1) out[at] = rows[from] ?? 0;
    this.#at = at;
  }
}

/**
 * The command that was put last. One behind it whose parts are as long differs in those alone: copied and written over, it
 * costs half of what it does to put it together.
 */
class LastCommand {
  /** 0: there is none. */
  bytes = 0;
  /** Where in it which part stands: place, part, place, part … */
  readonly places: number[] = [];
  #pieces: Pieces = [];
  /** How long each part is, from the first on. */
  readonly #lengths: number[] = [];

  begin(pieces: Pieces, starts: readonly number[], bytes: number): void {
    this.bytes = bytes;
    this.#pieces = pieces;
    this.places.length = 0;
    this.#lengths.length = 0;
    for (const piece of pieces) {
      if (typeof piece === 'number') this.#lengths[piece - 1] = (starts[piece + 1] ?? 0) - (starts[piece] ?? 0);
    }
  }

  /** Whether a row's command differs from this one in nothing but the parts. */
  isLike(pieces: Pieces, starts: readonly number[]): boolean {
    if (this.bytes === 0 || pieces !== this.#pieces) return false;
    const lengths = this.#lengths;
    for (let part = 1; part <= lengths.length; part += 1) {
      if ((starts[part + 1] ?? 0) - (starts[part] ?? 0) !== lengths[part - 1]) return false;
    }
    return true;
  }
}

/** The place of a row's pattern. */
function placeAt(rows: Uint8Array, from: number): number {
  let place = 0;
  for (let at = from; rows[at] !== TAB; at += 1) place = place * 10 + (rows[at] ?? 0) - ZERO;
  return place;
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
