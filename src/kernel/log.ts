import { write, writeSync } from 'node:fs';
import { pino } from 'pino';
import pretty from 'pino-pretty';

/** Severities, least first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What Rota logs through: structured fields first, then one sentence. pino's loggers fit. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds fields to every line. */
  child(fields: object): Logger;
}

/** Standard output, which in a thread is known by its number alone. */
const STDOUT_FD = 1;

/** One for all loggers of this thread, so that their lines keep their order. */
let standardOutput: LogOutput | undefined;

/**
 * The standard logger: JSON lines on standard output, readable text where that is a terminal. Lines that cannot be
 * written are dropped: a node outlives whoever reads its log.
 * @param level the least severity that is written; default `info`
 */
export function createLogger(level: LogLevel = 'info'): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const { stdout } = process;
  // A program around us that takes what is printed is given the log too.
  if (Object.hasOwn(stdout, 'write')) return pino(options, stdout);
  standardOutput ??= new LogOutput(STDOUT_FD, { sync: stdout.isTTY });
  const output = standardOutput;
  if (!stdout.isTTY) return pino(options, output);
  const readable = pretty.prettyFactory({ ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' });
  return pino(options, { write: (line) => output.write(readable(line)) });
}

/** A logger that writes nothing, for tests and for callers who want silence. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
};

/** What waits for a slow reader at most; lines beyond it are dropped, and their number told when there is room again. */
const WAITING_BYTES_MAX = 16 * 1024 * 1024;
/** Lines are written together up to what a pipe takes whole, or the rest at an exit could come in the midst of a line. */
const CHUNK_BYTES_MAX = 4_096;
/** A reader that takes nothing more at the moment is tried again so often, in milliseconds; */
const RETRY_MS = 100;
/** and so many times before a write that must be over is given up. */
const SYNC_TRIES_MAX = 10;

/** How an output writes. */
export interface LogOutputOptions {
  /** Each line before the call returns, for people at a terminal. Else behind, and at the exit of the program. */
  sync?: boolean;
}

/**
 * Where lines of the log go: an open file of the process. No failure of it is the program's: what cannot be written (the
 * reader is gone, the disk is full) is dropped, and the next line is tried again. pino's own destination repeats for ever,
 * when the program exits, a write to a reader that is gone.
 */
export class LogOutput {
  readonly #fd: number;
  readonly #sync: boolean;
  #chunks: { text: string; bytes: number }[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  /** A write is under way, or is to be repeated. */
  #busy = false;
  /** What is to be repeated, since the reader took nothing of it. */
  #again: Buffer | undefined;

  /** @param fd the file descriptor, which stays open */
  constructor(fd: number, { sync = false }: LogOutputOptions = {}) {
    this.#fd = fd;
    this.#sync = sync;
    process.on('exit', () => this.flushSync());
  }

  /** Takes a line with its end; never throws. */
  write(line: string): void {
    const bytes = Buffer.byteLength(line);
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      this.#dropped += 1;
      return;
    }
    this.#tellDropped();
    this.#push(line, bytes);
    if (this.#sync) this.flushSync();
    else if (!this.#busy) this.#next();
  }

  /** Writes what waits before it returns, but for what is under way; gives up where the reader takes nothing for a second. */
  flushSync(): void {
    this.#tellDropped();
    const texts = this.#chunks.map(({ text }) => text);
    let rest = Buffer.concat([this.#again ?? Buffer.alloc(0), Buffer.from(texts.join(''))]);
    this.#again = undefined;
    this.#chunks = [];
    this.#waitingBytes = 0;
    for (let tries = 1; rest.length > 0 && tries <= SYNC_TRIES_MAX; ) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
        tries = 1;
      } catch (error) {
        if (!isFull(error)) return;
        tries += 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
      }
    }
  }

  #push(text: string, bytes: number): void {
    this.#waitingBytes += bytes;
    const last = this.#chunks.at(-1);
    if (last === undefined || last.bytes + bytes > CHUNK_BYTES_MAX) this.#chunks.push({ text, bytes });
    else {
      last.text += text;
      last.bytes += bytes;
    }
  }

  #tellDropped(): void {
    if (this.#dropped === 0) return;
    const msg = 'lines were dropped: whoever reads the log was too slow';
    const note = `${JSON.stringify({ level: 40, time: new Date().toISOString(), lines: this.#dropped, msg })}\n`;
    this.#dropped = 0;
    this.#push(note, note.length);
  }

  #next(): void {
    if (this.#chunks.length === 0) this.#tellDropped();
    const chunk = this.#chunks.shift();
    this.#busy = chunk !== undefined;
    if (chunk === undefined) return;
    this.#waitingBytes -= chunk.bytes;
    this.#send(Buffer.from(chunk.text));
  }

  #send(bytes: Buffer): void {
    write(this.#fd, bytes, (error, written) => {
      if (error !== null && isFull(error)) {
        this.#again = bytes;
        setTimeout(() => this.#repeat(), RETRY_MS).unref();
      } else if (error !== null || written === bytes.length) this.#next();
      else this.#send(bytes.subarray(written));
    });
  }

  #repeat(): void {
    const bytes = this.#again;
    this.#again = undefined;
    if (bytes === undefined) this.#next();
    else this.#send(bytes);
  }
}

const isFull = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EAGAIN';
