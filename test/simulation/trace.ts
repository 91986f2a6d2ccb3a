import { createHash } from 'node:crypto';

/** One thing that happened. */
export interface TraceLine {
  atMs: number;
  what: string;
  detail: string;
}

/** Lines kept for showing; the fingerprint is of all. */
const LINES_MAX = 400_000;
/** Characters that are gathered before they are hashed. */
const HASHED_AT_ONCE = 65_536;

/** Everything that happened in a run, in order, with a fingerprint that two equal runs share. */
export class Trace {
  readonly lines: TraceLine[] = [];
  readonly #hash = createHash('sha256');
  #unhashed = '';
  readonly #now: () => number;
  #count = 0;

  /** @param now the world's time since the run began, in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How many lines there were. */
  get count(): number {
    return this.#count;
  }

  add(what: string, detail: string): void {
    const atMs = this.#now();
    this.#count += 1;
    this.#unhashed += `${atMs}|${what}|${detail}\n`;
    if (this.#unhashed.length > HASHED_AT_ONCE) this.#flush();
    if (this.lines.length < LINES_MAX) this.lines.push({ atMs, what, detail });
  }

  fingerprint(): string {
    this.#flush();
    return this.#hash.copy().digest('hex');
  }

  #flush(): void {
    this.#hash.update(this.#unhashed);
    this.#unhashed = '';
  }

  /** The lines up to a time that mention any of some words, as text, the last `max` of them. */
  about(words: readonly string[], max: number, untilMs: number): string[] {
    const fitting = this.lines.filter(
      ({ atMs, what, detail }) => atMs <= untilMs && words.some((word) => what.includes(word) || detail.includes(word)),
    );
    return fitting.slice(-max).map(lineText);
  }
}

/** A line as text: seconds, what, detail. */
export const lineText = ({ atMs, what, detail }: TraceLine): string =>
  `${(atMs / 1000).toFixed(3).padStart(9)} s  ${what.padEnd(18)} ${detail}`;
