import { Body } from './body.ts';
import type { Bus } from './bus.ts';

const LINE_BREAK = '\n';

/**
 * Bodies of JSON for one subject, one after the other. JSON writes no line break as it is, so they are one text with a
 * break between them, which crosses to another thread as it is: measured with events, 0.4 µs each instead of 2.5.
 */
export class JsonLines {
  /** All bodies, with a line break between them. */
  readonly text: string;
  /** How many they are. */
  readonly count: number;

  constructor(text: string, count: number) {
    this.text = text;
    this.count = count;
  }

  /** Takes texts as `JSON.stringify` writes them. */
  static of(texts: readonly string[]): JsonLines {
    return new JsonLines(texts.join(LINE_BREAK), texts.length);
  }

  /** Each by itself. */
  *texts(): Generator<string> {
    const { text } = this;
    for (let from = 0; from < text.length; ) {
      const end = text.indexOf(LINE_BREAK, from);
      yield end < 0 ? text.slice(from) : text.slice(from, end);
      from = end < 0 ? text.length : end + LINE_BREAK.length;
    }
  }

  /** Each as the body of a message. */
  *bodies(): Generator<Body> {
    for (const text of this.texts()) yield Body.ofText(text, undefined);
  }
}

/** Publishes each of them in order, all at once where the bus can. */
export function publishLines(bus: Bus, subject: string, lines: JsonLines): void {
  if (bus.publishLines !== undefined) bus.publishLines(subject, lines);
  else for (const body of lines.bodies()) bus.publish(subject, { body });
}
