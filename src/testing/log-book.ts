import type { Logger } from '../kernel/log.ts';

/** One line of a log. */
export interface LogLine {
  level: 'debug' | 'info' | 'warn' | 'error';
  message: string;
  fields: Record<string, unknown>;
}

/** Lines that are kept; beyond it the oldest tenth goes. */
const LINES_MAX = 100_000;

/** A logger that keeps what is logged, for a test to look at. */
export class LogBook implements Logger {
  /** What was logged, oldest first, also through children. */
  readonly lines: LogLine[];
  readonly #fields: Record<string, unknown>;
  readonly #also: Logger | undefined;

  /** @param also is told each line as well */
  constructor(
    also?: Logger,
    parent: { lines: LogLine[]; fields: Record<string, unknown> } = { lines: [], fields: {} },
  ) {
    this.lines = parent.lines;
    this.#fields = parent.fields;
    this.#also = also;
  }

  debug(fields: object, message: string): void {
    this.#write('debug', fields, message);
  }

  info(fields: object, message: string): void {
    this.#write('info', fields, message);
  }

  warn(fields: object, message: string): void {
    this.#write('warn', fields, message);
  }

  error(fields: object, message: string): void {
    this.#write('error', fields, message);
  }

  child(fields: object): Logger {
    return new LogBook(this.#also?.child(fields), { lines: this.lines, fields: { ...this.#fields, ...fields } });
  }

  #write(level: LogLine['level'], fields: object, message: string): void {
    if (this.lines.length >= LINES_MAX) this.lines.splice(0, LINES_MAX / 10);
    this.lines.push({ level, message, fields: { ...this.#fields, ...fields } });
    this.#also?.[level](fields, message);
  }
}
