import { Body } from './body.ts';
import type { Bus } from './bus.ts';

const LINE_BREAK = '\n';
const LINE_BREAK_BYTE = 10;

/**
 * Bodies of JSON for one subject, one after the other. JSON writes no line break as it is, so they are one text with a
 * break after each, which crosses to another thread as it is: measured with events, 0.4 µs each instead of 2.5.
 */
export class JsonLines {
  /** All bodies, with a line break after each. */
  readonly text: string;
  /** How many they are. */
  readonly count: number;

  constructor(text: string, count: number) {
    this.text = text;
    this.count = count;
  }

  /** Takes texts as `JSON.stringify` writes them. */
  static of(texts: readonly string[]): JsonLines {
    return new JsonLines(texts.join(LINE_BREAK) + LINE_BREAK, texts.length);
  }

  /** The bytes of each. */
  *bytes(): Generator<Uint8Array> {
    const all = Buffer.from(this.text, 'utf8');
    for (let from = 0; from < all.length; ) {
      const end = all.indexOf(LINE_BREAK_BYTE, from);
      yield all.subarray(from, end);
      from = end + 1;
    }
  }

  /** Each as the body of a message. */
  *bodies(): Generator<Body> {
    for (const bytes of this.bytes()) yield Body.encoded(bytes, undefined);
  }
}

/** Publishes each of them in order, all at once where the bus can. */
export function publishLines(bus: Bus, subject: string, lines: JsonLines): void {
  if (bus.publishLines !== undefined) bus.publishLines(subject, lines);
  else for (const body of lines.bodies()) bus.publish(subject, { body });
}
