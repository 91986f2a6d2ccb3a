import { checkPayload } from '../bus-errors.ts';
import type { JsonLines } from '../json-lines.ts';

/** Commands that are put together before they are handed on, in bytes; one that is larger goes alone. */
const FRAME_BYTES_MAX = 1_048_576;
const LINE_END = '\r\n';
/** What a command has beside subject and payload, in bytes: `PUB`, blanks, two line ends and a number. */
const COMMAND_BYTES_MAX = 32;

/**
 * The commands of the NATS protocol that publish each line as a message of its own, end to end in as few pieces as may be:
 * measured with events, 0.4 µs each instead of the 1.3 of a call for each.
 * @throws RotaError `too_large` where it comes to a line that is larger than a message may be
 */
export function* publishFrames(subject: string, lines: JsonLines, payloadBytesMax: number): Generator<Uint8Array> {
  const textBytes = Buffer.byteLength(lines.text);
  // Where each character is a byte, as in most events, lengths need no counting.
  const encoding = textBytes === lines.text.length ? 'latin1' : 'utf8';
  const headOf = headsTo(subject);
  const beside = Buffer.byteLength(subject) + COMMAND_BYTES_MAX;
  const frameBytes = Math.min(FRAME_BYTES_MAX, textBytes + lines.count * beside);
  let frame = Buffer.allocUnsafeSlow(frameBytes);
  let used = 0;
  for (const line of lines.texts()) {
    const bytes = encoding === 'latin1' ? line.length : Buffer.byteLength(line);
    checkPayload(bytes, payloadBytesMax);
    if (used > 0 && used + bytes + beside > frame.length) {
      yield frame.subarray(0, used);
      used = 0;
    }
    if (used === 0) frame = Buffer.allocUnsafeSlow(Math.max(frameBytes, bytes + beside));
    used += frame.write(headOf(bytes), used, 'utf8');
    used += frame.write(line, used, encoding);
    used += frame.write(LINE_END, used, 'latin1');
  }
  if (used > 0) yield frame.subarray(0, used);
}

/** The first lines of commands to a subject: events of one commit have few sizes. */
function headsTo(subject: string): (bytes: number) => string {
  const heads = new Map<number, string>();
  return (bytes) => {
    const known = heads.get(bytes);
    if (known !== undefined) return known;
    const head = `PUB ${subject} ${bytes}${LINE_END}`;
    heads.set(bytes, head);
    return head;
  };
}
