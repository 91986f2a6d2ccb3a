import { Body } from './body.ts';
import type { Bus } from './bus.ts';

/** What ends a line, and what parts what differs in it: JSON writes neither as it is. */
const LINE_BREAK = '\n';
const TAB = '\t';

/**
 * How lines of one kind are put together: texts that they have in common, and between them which of its own parts a line
 * has there, counted from 1.
 */
export type LinePattern = readonly (string | number)[];

/** A line that is its one part. */
const PLAIN: LinePattern = [1];

/** Puts a line together. @param parts its own, counted from 1 in the pattern */
export function lineOf(pattern: LinePattern, ...parts: readonly (string | number)[]): string {
  return put(pattern, ['', ...parts]);
}

/**
 * Bodies of JSON for one subject, one after the other, of which a line holds only what is its own: 60 bytes of an event's 330.
 * So they cross to another thread, and are put together where they leave the process: measured with three events a job, an
 * eighth of what the thread of the store did.
 */
export class JsonLines {
  readonly patterns: readonly LinePattern[];
  /** A row to a body: the place of its pattern and its parts with tabs between them, and a line break. */
  readonly rows: string;
  /** How many they are. */
  readonly count: number;

  constructor(lines: { patterns: readonly LinePattern[]; rows: string; count: number }) {
    this.patterns = lines.patterns;
    this.rows = lines.rows;
    this.count = lines.count;
  }

  /** Takes texts as `JSON.stringify` writes them. */
  static of(texts: readonly string[]): JsonLines {
    const writer = new LineWriter();
    for (const text of texts) writer.add(PLAIN, text);
    return writer.take();
  }

  /** Each by itself. */
  *texts(): Generator<string> {
    const { patterns, rows } = this;
    for (let from = 0; from < rows.length; ) {
      const end = rows.indexOf(LINE_BREAK, from);
      const parts: string[] = [];
      for (let tab = rows.indexOf(TAB, from); tab >= 0 && tab < end; tab = rows.indexOf(TAB, from)) {
        parts.push(rows.slice(from, tab));
        from = tab + 1;
      }
      parts.push(rows.slice(from, end));
      from = end + 1;
      yield put(patterns[Number(parts[0])] ?? PLAIN, parts);
    }
  }

  /** Each as the body of a message. */
  *bodies(): Generator<Body> {
    for (const text of this.texts()) yield Body.ofText(text, undefined);
  }
}

/** @param parts of which the first is none of its own */
function put(pattern: LinePattern, parts: readonly (string | number)[]): string {
  let line = '';
  for (const piece of pattern) line += typeof piece === 'string' ? piece : parts[piece];
  return line;
}

/** Characters that a number and what parts it from the next part have, about. */
const NUMBER_LENGTH = 8;

/**
 * Gathers lines. Pieces of text are put together once, when they are taken: each for itself, an event's row leaves 316 bytes
 * of garbage instead of 117.
 */
export class LineWriter {
  #patterns: LinePattern[] = [];
  /** Those from `#pieces` on are of what was taken before. */
  readonly #texts: (string | number)[] = [];
  #pieces = 0;
  #length = 0;
  #count = 0;

  /** Characters that were gathered, about. */
  get length(): number {
    return this.#length;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a line. @param parts its own, counted from 1 in the pattern */
  add(pattern: LinePattern, ...parts: readonly (string | number)[]): void {
    this.open(pattern);
    for (const part of parts) this.part(part);
    // A place ends with a tab wherever rows are read.
    if (parts.length === 0) this.#texts[this.#pieces++] = TAB;
    this.close();
  }

  /** Begins a line whose parts, one at least, come one by one: a list of them would be garbage three times for each job. */
  open(pattern: LinePattern): void {
    let place = this.#patterns.indexOf(pattern);
    if (place < 0) place = this.#patterns.push(pattern) - 1;
    this.#texts[this.#pieces++] = place;
  }

  /** The next part of the line that was begun. */
  part(part: string | number): void {
    this.#texts[this.#pieces++] = TAB;
    this.#texts[this.#pieces++] = part;
    this.#length += typeof part === 'string' ? part.length : NUMBER_LENGTH;
  }

  /** Ends the line that was begun. */
  close(): void {
    this.#texts[this.#pieces++] = LINE_BREAK;
    this.#count += 1;
  }

  /** What was gathered; then there is nothing. */
  take(): JsonLines {
    this.#texts.length = this.#pieces;
    const lines = new JsonLines({ patterns: this.#patterns, rows: this.#texts.join(''), count: this.#count });
    this.#patterns = [];
    this.#pieces = 0;
    this.#length = 0;
    this.#count = 0;
    return lines;
  }
}

/** Publishes each of them in order, all at once where the bus can. */
export function publishLines(bus: Bus, subject: string, lines: JsonLines): void {
  if (bus.publishLines !== undefined) bus.publishLines(subject, lines);
  else for (const body of lines.bodies()) bus.publish(subject, { body });
}
