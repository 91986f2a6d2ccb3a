import type { Readable } from 'node:stream';

/** A longer line is cut here, in characters. */
const LINE_LENGTH_MAX = 16_384;

/**
 * Reads a stream line by line with bounded memory: what a line has beyond 16384 characters is dropped. The last line
 * counts also without its line feed.
 */
export function readLines(stream: Readable, onLine: (line: string) => void): void {
  let line = '';
  const append = (text: string): void => {
    line += text.slice(0, LINE_LENGTH_MAX - line.length);
  };
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const parts = chunk.split('\n');
    const rest = parts.pop() ?? '';
    for (const part of parts) {
      append(part);
      onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
      line = '';
    }
    append(rest);
  });
  stream.on('end', () => {
    if (line !== '') onLine(line);
  });
  stream.on('error', () => {}); // the process's exit tells more
}
