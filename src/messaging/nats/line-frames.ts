import { checkPayload } from '../bus-errors.ts';
import type { JsonLines } from '../json-lines.ts';

/**
 * Characters of commands that are handed on together, about: what a commit tells of some hundred jobs is then one write to
 * the socket. Measured end to end, 1.07 times the rate that it is with a quarter of it.
 */
const FRAME_LENGTH = 262_144;
const LINE_END = '\r\n';

/**
 * The commands of the NATS protocol that publish each line as a message of its own, end to end in a few pieces: measured
 * with events, 0.4 µs each instead of the 1.3 of a call for each.
 * @throws RotaError `too_large` where it comes to a line that is larger than a message may be
 */
export function* publishFrames(subject: string, lines: JsonLines, payloadBytesMax: number): Generator<Uint8Array> {
  // Where each character is a byte, as in most events, lengths need no counting.
  const isPlain = [subject, lines.rows, JSON.stringify(lines.patterns)].every(
    (text) => Buffer.byteLength(text) === text.length,
  );
  const encoding = isPlain ? 'latin1' : 'utf8';
  const headOf = headsTo(subject);
  let commands = '';
  for (const line of lines.texts()) {
    const bytes = isPlain ? line.length : Buffer.byteLength(line);
    checkPayload(bytes, payloadBytesMax);
    commands += headOf(bytes) + line + LINE_END;
    if (commands.length < FRAME_LENGTH) continue;
    yield Buffer.from(commands, encoding);
    commands = '';
  }
  if (commands !== '') yield Buffer.from(commands, encoding);
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
